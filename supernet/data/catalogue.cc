// The data sets that Precis knows by name.
#include "supernet/data/catalogue.h"

#include <sys/stat.h>

#include "absl/strings/match.h"
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
      {.name = "cifar10",
       .description =
           "CIFAR-10: 60000 colour 32x32 images in 10 classes (Krizhevsky, 2009); data.path: the folder of "
           "its binary version, cifar-10-batches-bin",
       .channels = 3,
       .height = 32,
       .width = 32,
       .classes = 10,
       .train_images = 50000,
       .test_images = 10000,
       .labels = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}},
      {.name = "cifar100",
       .description =
           "CIFAR-100: 60000 colour 32x32 images in 100 classes (Krizhevsky, 2009); data.path: the folder of "
           "its binary version, cifar-100-binary",
       .channels = 3,
       .height = 32,
       .width = 32,
       .classes = 100,
       .train_images = 50000,
       .test_images = 10000},
      {.name = "image_folder",
       .description = "your own images, JPEG, PNG and others; data.path: a folder with train/CLASS/FILE and "
                      "test/CLASS/FILE or val/CLASS/FILE"},
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

std::string Remedy(const DatasetInfo& info) {
  if (info.name == "image_folder") {
    return "Set the data path to a folder with train/CLASS/FILE and test/CLASS/FILE or val/CLASS/FILE.";
  }
  if (absl::StartsWith(info.name, "cifar")) {
    return absl::StrCat("Set the data path to the folder of the data set's binary version (",
                        info.name == "cifar10" ? "cifar-10-batches-bin" : "cifar-100-binary", ").");
  }
  const std::string package = info.name == "fashion_mnist" ? "dataset-fashion-mnist" : "";
  return absl::StrCat(package.empty() ? "Fetch the data set again"
                                      : absl::StrCat("Install Debian's package ", package, " (it fills ",
                                                     info.default_path, ")"),
                      " or set the data path to a folder that holds it.");
}

absl::StatusOr<std::string> Folder(const DatasetInfo& info, const std::string& path) {
  const std::string& folder = path.empty() ? info.default_path : path;
  if (folder.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "The data path is empty, but no package installs data set ", info.name, ". ", Remedy(info)));
  }
  struct stat status;
  if (stat(folder.c_str(), &status) != 0) {
    return absl::NotFoundError(
        absl::StrCat("The folder '", folder, "' of data set ", info.name, " does not exist. ", Remedy(info)));
  }
  if (!S_ISDIR(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("The data path '", folder, "' of data set ", info.name,
                                                   " is not a folder. ", Remedy(info)));
  }
  return folder;
}

void Faults::Add(const absl::Status& fault) {
  if (texts_.empty()) code_ = fault.code();
  ++count_;
  if (count_ <= kMostTexts) texts_.emplace_back(fault.message());
}

absl::Status Faults::Together() const {
  if (texts_.empty()) return absl::OkStatus();
  std::string text = absl::StrJoin(texts_, "\n");
  if (count_ > kMostTexts) absl::StrAppend(&text, "\nand ", count_ - kMostTexts, " more.");
  return absl::Status(code_, text);
}

}  // namespace precis
