// Data sets: a catalogue by name, and images in memory or in files.
//
// Threading: a Dataset is immutable once loaded; concurrent reads are safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/graph/data_options.h"
#include "supernet/graph/dataset_info.h"

namespace precis {

const std::vector<DatasetInfo>& Datasets();

// NOT_FOUND with a did-you-mean and the known names.
absl::StatusOr<DatasetInfo> FindDataset(std::string_view name);

// Images that are decoded whenever they are needed.
class ImageFiles {
 public:
  virtual ~ImageFiles() = default;
  // Writes the planes of one image. Safe from several threads at once.
  virtual absl::Status Read(int64_t index, uint8_t* out) const = 0;
};

// Images of C×H×W bytes, and their labels. Images to be cut at random are `extra` pixels higher and wider
// than the data set says; as they are measured, they are the middle of that.
struct ImageSet {
  int64_t count = 0;
  std::vector<uint8_t> pixels;   // N×C×H×W; empty where there are files
  std::vector<uint16_t> labels;  // 0…classes-1
  std::shared_ptr<const ImageFiles> files = nullptr;
  int64_t extra = 0;
};

struct Dataset {
  DatasetInfo info;
  ImageSet train;
  ImageSet test;
  // What a network sees of a pixel scaled to 0…1 is (pixel - mean) / stddev, by channel: those of the
  // training images, unless DataOptions has others.
  std::vector<float> mean = {};
  std::vector<float> stddev = {};
  int64_t skipped_images = 0;  // corrupt ones, training and test
};

// Reads and checks a whole data set. `path` is its folder; empty means info.default_path. Errors as
// ReadIdxFile, and INVALID_ARGUMENT if dimensions, counts or labels are not those of the data set; a
// missing folder or file says how to get it. DataOptions::channel_order has been obeyed. Of an image folder,
// every image is decoded once, whether it is kept or not, so that corrupt files (DATA_LOSS) show at the
// start; FAILED_PRECONDITION if it holds other files than info.content says.
absl::StatusOr<Dataset> LoadDataset(const DatasetInfo& info, const std::string& path,
                                    const DataOptions& options = {});

// What can be known at submission without reading the pixels: folder and files exist, can be read, and
// their headers announce the right sizes; of an image folder, its classes and files. Returns `info` with
// what was found. Milliseconds. Errors as LoadDataset, every fault of every file in one message.
absl::StatusOr<DatasetInfo> InspectDataset(const DatasetInfo& info, const std::string& path,
                                           const DataOptions& options = {});

}  // namespace precis
