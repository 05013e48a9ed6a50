// Records of labels and planes.
#include "supernet/data/cifar_dataset.h"

#include <errno.h>
#include <sys/stat.h>

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/data/byte_source.h"
#include "supernet/data/catalogue.h"

namespace precis {
namespace {

struct Part {
  std::string file;
  int64_t images = 0;
  bool test = false;
};

bool HasCoarseLabel(const DatasetInfo& info) { return info.name == "cifar100"; }

std::vector<Part> Parts(const DatasetInfo& info) {
  if (HasCoarseLabel(info)) return {{"train.bin", info.train_images}, {"test.bin", info.test_images, true}};
  std::vector<Part> parts;
  for (int i = 1; i <= 5; ++i)
    parts.push_back({absl::StrCat("data_batch_", i, ".bin"), info.train_images / 5});
  parts.push_back({"test_batch.bin", info.test_images, true});
  return parts;
}

int64_t LabelBytes(const DatasetInfo& info) { return HasCoarseLabel(info) ? 2 : 1; }
int64_t ImageBytes(const DatasetInfo& info) { return info.channels * info.height * info.width; }

absl::Status CheckSize(const DatasetInfo& info, const std::string& path, const Part& part) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      return absl::NotFoundError(absl::StrCat("Data set ", info.name, " lacks '", path, "'. ", Remedy(info)));
    }
    return absl::UnavailableError(
        absl::StrCat("Cannot look at '", path, "': ", std::strerror(errno), ". Check its permissions."));
  }
  const int64_t record = LabelBytes(info) + ImageBytes(info);
  const auto size = static_cast<int64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size != part.images * record) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", path, "' has ", size, " bytes; data set ", info.name, " has ", part.images, " images of ",
        record, " bytes in it, ", part.images * record, " in all. ", Remedy(info)));
  }
  return ByteSource::Open(path).status();
}

absl::Status ReadPart(const DatasetInfo& info, const std::string& path, const Part& part, ImageSet& set) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  const auto label_bytes = static_cast<size_t>(LabelBytes(info));
  const auto image_bytes = static_cast<size_t>(ImageBytes(info));
  std::vector<uint8_t> record(label_bytes + image_bytes);
  for (int64_t i = 0; i < part.images; ++i) {
    const absl::StatusOr<size_t> got = source->Read(record.data(), record.size());
    if (!got.ok()) return got.status();
    if (*got < record.size()) {
      return absl::DataLossError(
          absl::StrCat("'", path, "' ends within image ", i, ". Fetch the data set again."));
    }
    const uint8_t label = record[label_bytes - 1];
    if (label >= info.classes) {
      return absl::InvalidArgumentError(absl::StrCat("'", path, "': label ", i, " is ", int{label},
                                                     "; data set ", info.name, " has the labels 0 to ",
                                                     info.classes - 1, ". ", Remedy(info)));
    }
    set.labels.push_back(label);
    set.pixels.insert(set.pixels.end(), record.begin() + static_cast<std::ptrdiff_t>(label_bytes),
                      record.end());
    ++set.count;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status InspectCifar(const DatasetInfo& info, const std::string& path) {
  const absl::StatusOr<std::string> folder = Folder(info, path);
  if (!folder.ok()) return folder.status();
  Faults faults;
  for (const Part& part : Parts(info)) {
    const absl::Status status = CheckSize(info, absl::StrCat(*folder, "/", part.file), part);
    if (!status.ok()) faults.Add(status);
  }
  return faults.Together();
}

absl::StatusOr<Dataset> LoadCifar(const DatasetInfo& info, const std::string& path) {
  if (absl::Status status = InspectCifar(info, path); !status.ok()) return status;
  Dataset dataset;
  dataset.info = info;
  dataset.train.pixels.reserve(static_cast<size_t>(info.train_images * ImageBytes(info)));
  dataset.test.pixels.reserve(static_cast<size_t>(info.test_images * ImageBytes(info)));
  Faults faults;
  for (const Part& part : Parts(info)) {
    const absl::Status status =
        ReadPart(info, absl::StrCat(path, "/", part.file), part, part.test ? dataset.test : dataset.train);
    if (!status.ok()) faults.Add(status);
  }
  if (absl::Status together = faults.Together(); !together.ok()) return together;
  return dataset;
}

}  // namespace precis
