// Tensors of an ONNX file: checked against what the file holds before anything is allocated. Internal to the
// ONNX reader.
//
// Two kinds are enough: numbers that are computed with become floats; everything that counts or points
// becomes an integer that may depend on the batch, since shapes do.
//
// Threading: values; ExternalData may be used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace onnx {
class GraphProto;
class TensorProto;
}  // namespace onnx

namespace precis::onnx_reader {

// value + batches · N, N being the number of images.
struct BatchInt {
  int64_t value = 0;
  int64_t batches = 0;

  bool operator==(const BatchInt&) const = default;
};

struct OnnxTensor {
  std::vector<int64_t> dims;  // none is negative
  bool is_float = false;
  std::vector<float> floats;   // row major; of one kind or the other
  std::vector<BatchInt> ints;  // booleans are 0 and 1

  int64_t size() const { return static_cast<int64_t>(is_float ? floats.size() : ints.size()); }
};
using TensorPtr = std::shared_ptr<const OnnxTensor>;

// How many elements the reader may still make beyond those that the file holds, so that no small file takes
// much memory.
class Budget {
 public:
  explicit Budget(int64_t elements) : left_(elements) {}
  // INVALID_ARGUMENT if there are not as many left.
  absl::Status Spend(int64_t elements);

 private:
  int64_t left_;
};

// Nothing if a dimension is negative or the product above 2^40.
std::optional<int64_t> CountElements(const std::vector<int64_t>& dims);

// Files beside the model that hold its tensors.
class ExternalData {
 public:
  // `folder` is the model's. Empty: no file may be read.
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  // INVALID_ARGUMENT for a location that is absolute, has "..", or leads through a link: it must stay in the
  // folder. NOT_FOUND; UNAVAILABLE; DATA_LOSS if the file does not hold those bytes.
  absl::StatusOr<std::string> Read(const std::string& location, int64_t offset, int64_t length) const;

 private:
  const std::string folder_;
};

// FLOAT, FLOAT16, BFLOAT16, DOUBLE; integers up to 64 bits; BOOL. DATA_LOSS if shape and data do not agree,
// INVALID_ARGUMENT for any other type; both name the tensor.
absl::StatusOr<OnnxTensor> ReadTensor(const onnx::TensorProto& proto, const ExternalData& external);

// Puts external data into the tensors that name them: initialisers, and those of nodes' attributes. Whether
// there were any. Errors as ReadTensor.
absl::StatusOr<bool> Embed(onnx::GraphProto& graph, const ExternalData& external);

// Whether ReadTensor makes floats of that type (TensorProto::DataType).
bool IsFloatType(int type);
bool IsIntegerType(int type);

}  // namespace precis::onnx_reader
