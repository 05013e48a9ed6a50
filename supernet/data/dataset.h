// Data sets: a catalogue by name, and images in memory.
//
// Threading: a Dataset is immutable once loaded; concurrent reads are safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/graph/dataset_info.h"

namespace precis {

const std::vector<DatasetInfo>& Datasets();

// NOT_FOUND with a did-you-mean and the known names.
absl::StatusOr<DatasetInfo> FindDataset(std::string_view name);

// Images of one file pair: N×C×H×W bytes and N labels.
struct ImageSet {
  int64_t count = 0;
  std::vector<uint8_t> pixels;
  std::vector<uint8_t> labels;  // 0…classes-1
};

struct Dataset {
  DatasetInfo info;
  ImageSet train;
  ImageSet test;
  // Per channel over the training images, of pixels scaled to 0…1.
  std::vector<float> mean;
  std::vector<float> stddev;
};

// Reads and checks a whole data set. `path` is its folder; empty means info.default_path. Errors as
// ReadIdxFile, and INVALID_ARGUMENT if dimensions, counts or labels are not those of the data set; a
// missing folder or file says how to get it.
absl::StatusOr<Dataset> LoadDataset(const DatasetInfo& info, const std::string& path);

// What can be known at submission without reading the pixels: folder and files exist, can be read, and
// their headers announce the right sizes. Milliseconds. Errors as LoadDataset.
absl::Status InspectDataset(const DatasetInfo& info, const std::string& path);

}  // namespace precis
