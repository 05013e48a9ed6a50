// The data sets that Precis knows by name.
#include "supernet/data/catalogue.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/data/dataset.h"
#include "supernet/formats/did_you_mean.h"

namespace precis {

const std::vector<DatasetInfo>& Datasets() {
  static const auto* const datasets = new std::vector<DatasetInfo>{
      {.name = "fashion_mnist",
       .description = "Fashion-MNIST: 70000 grey 28x28 images of clothes in 10 classes (Zalando Research, "
                      "2017; MIT licence)",
       .channels = 1,
       .height = 28,
       .width = 28,
       .classes = 10,
       .train_images = 60000,
       .test_images = 10000,
       .default_path = "/usr/share/datasets/fashion-mnist",
       .labels = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                  "Ankle boot"}},
  };
  return *datasets;
}

absl::StatusOr<DatasetInfo> FindDataset(std::string_view name) {
  std::vector<std::string> known;
  for (const DatasetInfo& info : Datasets()) {
    if (info.name == name) return info;
    known.push_back(info.name);
  }
  return absl::NotFoundError(absl::StrCat("Unknown data set \"", std::string(name), "\".",
                                          DidYouMean(name, known),
                                          " Known data sets: ", absl::StrJoin(known, ", "), "."));
}

std::string DebianPackage(std::string_view dataset) {
  return dataset == "fashion_mnist" ? "dataset-fashion-mnist" : "";
}

}  // namespace precis
