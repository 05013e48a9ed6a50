// Four IDX files, checked against what the catalogue says of them.
#include "supernet/data/idx_dataset.h"

#include <unistd.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/data/catalogue.h"
#include "supernet/data/idx_file.h"

namespace precis {
namespace {

// The names that MNIST established and its relatives kept.
constexpr const char* kTrainImages = "train-images-idx3-ubyte";
constexpr const char* kTrainLabels = "train-labels-idx1-ubyte";
constexpr const char* kTestImages = "t10k-images-idx3-ubyte";
constexpr const char* kTestLabels = "t10k-labels-idx1-ubyte";

struct Part {
  std::string file;
  std::vector<int64_t> dimensions;
};

// The parts in the order train images, train labels, test images, test labels.
std::array<Part, 4> Parts(const DatasetInfo& info) {
  auto images = [&](int64_t count) {
    std::vector<int64_t> dimensions = {count, info.height, info.width};
    if (info.channels != 1) dimensions.insert(dimensions.begin() + 1, info.channels);
    return dimensions;
  };
  return {Part{kTrainImages, images(info.train_images)}, Part{kTrainLabels, {info.train_images}},
          Part{kTestImages, images(info.test_images)}, Part{kTestLabels, {info.test_images}}};
}

int64_t Product(const std::vector<int64_t>& dimensions) {
  int64_t product = 1;
  for (const int64_t dimension : dimensions) product *= dimension;
  return product;
}

// The compressed file if there is one, else the plain one.
absl::StatusOr<std::string> Locate(const DatasetInfo& info, const std::string& folder,
                                   const std::string& file) {
  const std::string plain = absl::StrCat(folder, "/", file);
  const std::string compressed = absl::StrCat(plain, ".gz");
  for (const std::string& candidate : {compressed, plain}) {
    if (access(candidate.c_str(), F_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("Data set ", info.name, " lacks '", compressed,
                                          "' (or the same without .gz). ", Remedy(info)));
}

// Where the part is, once its header is known to announce what the catalogue says.
absl::StatusOr<std::string> Inspect(const DatasetInfo& info, const std::string& folder, const Part& part) {
  absl::StatusOr<std::string> path = Locate(info, folder, part.file);
  if (!path.ok()) return path.status();
  absl::StatusOr<std::vector<int64_t>> found = ReadIdxDimensions(*path);
  if (!found.ok()) return found.status();
  if (*found != part.dimensions) {
    return absl::InvalidArgumentError(absl::StrCat("'", *path, "' holds ", absl::StrJoin(*found, "x"),
                                                   " bytes; data set ", info.name, " has ",
                                                   absl::StrJoin(part.dimensions, "x"), ". ", Remedy(info)));
  }
  return path;
}

// Paths of all parts, or every fault of every part in one message.
absl::StatusOr<std::array<std::string, 4>> InspectAll(const DatasetInfo& info, const std::string& path) {
  absl::StatusOr<std::string> folder = Folder(info, path);
  if (!folder.ok()) return folder.status();
  const std::array<Part, 4> parts = Parts(info);
  std::array<std::string, 4> paths;
  Faults faults;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StatusOr<std::string> part_path = Inspect(info, *folder, parts[i]);
    if (part_path.ok()) {
      paths[i] = *std::move(part_path);
      continue;
    }
    faults.Add(part_path.status());
  }
  if (absl::Status together = faults.Together(); !together.ok()) return together;
  return paths;
}

absl::Status CheckLabels(const DatasetInfo& info, const std::string& path,
                         const std::vector<uint8_t>& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < info.classes) continue;
    return absl::InvalidArgumentError(absl::StrCat("'", path, "': label ", i, " is ", int{labels[i]},
                                                   "; data set ", info.name, " has the labels 0 to ",
                                                   info.classes - 1, ". ", Remedy(info)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status InspectIdx(const DatasetInfo& info, const std::string& path) {
  return InspectAll(info, path).status();
}

absl::StatusOr<Dataset> LoadIdx(const DatasetInfo& info, const std::string& path) {
  absl::StatusOr<std::array<std::string, 4>> paths = InspectAll(info, path);
  if (!paths.ok()) return paths.status();

  const std::array<Part, 4> parts = Parts(info);
  std::array<std::vector<uint8_t>, 4> data;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StatusOr<IdxFile> file = ReadIdxFile((*paths)[i], {.max_bytes = Product(parts[i].dimensions)});
    if (!file.ok()) return file.status();
    data[i] = std::move(file->data);
  }
  for (const size_t labels : {1, 3}) {
    if (absl::Status known = CheckLabels(info, (*paths)[labels], data[labels]); !known.ok()) return known;
  }

  Dataset dataset;
  dataset.info = info;
  const auto set = [](int64_t count, std::vector<uint8_t>& pixels, const std::vector<uint8_t>& labels) {
    return ImageSet{.count = count,
                    .pixels = std::move(pixels),
                    .labels = {labels.begin(), labels.end()},
                    .files = nullptr};
  };
  dataset.train = set(info.train_images, data[0], data[1]);
  dataset.test = set(info.test_images, data[2], data[3]);
  return dataset;
}

}  // namespace precis
