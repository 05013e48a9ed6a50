// Elementwise arithmetic on constants. Internal to the ONNX reader; Fold is what is called.
//
// Threading: pure functions, but for the budget.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "supernet/graph/onnx_node.h"

namespace precis::onnx_reader {

// ONNX operators of one input and of two.
bool IsUnary(std::string_view op);
bool IsBinary(std::string_view op);

// INVALID_ARGUMENT where shapes or types do not fit, where an integer depends on the batch in a way that
// cannot be followed, and beyond what the budget has.
absl::StatusOr<OnnxTensor> Unary(const std::string& op, const OnnxTensor& x, Budget& budget);
absl::StatusOr<OnnxTensor> Binary(const std::string& op, const OnnxTensor& first, const OnnxTensor& second,
                                  Budget& budget);
absl::StatusOr<BatchInt> IntegerResult(const std::string& op, const BatchInt& a, const BatchInt& b);

// By the node's attribute `to`.
absl::StatusOr<OnnxTensor> Cast(OnnxNode& node, const OnnxTensor& x);

}  // namespace precis::onnx_reader
