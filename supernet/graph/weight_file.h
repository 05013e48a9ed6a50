// Weights as a safetensors file: data only, readable without torch and by every other tool.
// Layout (safetensors 0.x): 8 bytes little-endian header length, JSON header
// {"NAME": {"dtype": "F32", "shape": […], "data_offsets": [begin, end]}, "__metadata__": {…}}, raw data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis {

struct WeightTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;  // row major, product(shape) of them
};

struct WeightFile {
  std::map<std::string, WeightTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// The file's bytes. Equal input gives equal bytes.
std::string WeightFileBytes(const WeightFile& file);

// Temporary file beside `path`, fsync, rename: the file is whole or absent.
// UNAVAILABLE with the path and the system's reason.
absl::Status WriteWeightFile(const WeightFile& file, const std::string& path);

// NOT_FOUND; UNAVAILABLE if it cannot be opened or read; DATA_LOSS, naming the fault, for anything that is
// not a well-formed F32 safetensors file: header of at most 8 MiB, every byte of the data in exactly one
// tensor. Sizes are checked against the file's length before anything is allocated.
absl::StatusOr<WeightFile> ReadWeightFile(const std::string& path);

}  // namespace precis
