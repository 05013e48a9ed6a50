// Computes nodes all of whose inputs are constants: shape arithmetic above all, whose integers may depend on
// the batch. Internal to the ONNX reader.
//
// Threading: pure functions, but for the budget.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/onnx_node.h"

namespace precis::onnx_reader {

bool CanFold(std::string_view op);

// The outputs of a node whose inputs are constants or absent, and whose operator CanFold. INVALID_ARGUMENT
// for what does not fit, for attributes that are not supported, for integers that depend on the batch where
// that cannot be followed, and for results that the budget has no room for.
absl::StatusOr<std::vector<Value>> Fold(OnnxNode& node);

// dims[i] is the step of one in dimension i of a row-major tensor.
std::vector<int64_t> StridesOf(const std::vector<int64_t>& dims);
// Elements of `from` at base + Σ index · strides, over all indices of `dims`, row major.
absl::StatusOr<OnnxTensor> Strided(const OnnxTensor& from, std::vector<int64_t> dims,
                                   const std::vector<int64_t>& strides, int64_t base, Budget& budget);
absl::StatusOr<OnnxTensor> Transposed(const OnnxTensor& from, const std::vector<int64_t>& permutation,
                                      Budget& budget);
absl::StatusOr<OnnxTensor> BroadcastTo(const OnnxTensor& from, const std::vector<int64_t>& dims,
                                       Budget& budget);

// What Slice takes of one dimension: begin, begin + step, …
struct SliceRange {
  int64_t begin = 0;
  int64_t step = 1;
  int64_t count = 0;
};
// By ONNX's rules for starts and ends beyond the dimension. `step` is not 0.
SliceRange SliceOf(int64_t size, int64_t start, int64_t end, int64_t step);

// The shape that Reshape asks for with 0 and -1 put in, for a tensor that is no activation.
absl::StatusOr<std::vector<int64_t>> ReshapedDims(const std::vector<int64_t>& from,
                                                  const std::vector<int64_t>& asked, bool allow_zero);

// The dimensions of two operands together; nothing if they do not fit.
std::optional<std::vector<int64_t>> BroadcastDims(const std::vector<int64_t>& a,
                                                  const std::vector<int64_t>& b);

}  // namespace precis::onnx_reader
