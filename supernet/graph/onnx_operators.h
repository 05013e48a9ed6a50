// The ONNX operators that are read, each a function from a node to nodes of the draft. Internal to the ONNX
// reader; what they have in common is at the end.
//
// Threading: the table is immutable.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/onnx_draft.h"
#include "supernet/graph/onnx_node.h"

namespace precis::onnx_reader {

// The node's outputs; INVALID_ARGUMENT with what about the node cannot be read, without its name.
using Outputs = absl::StatusOr<std::vector<Value>>;
using Operator = Outputs (*)(OnnxNode& node);

// Null for an operator that is not read. A node whose inputs are all constants is folded (onnx_constants.h)
// instead, where it can be.
Operator FindOperator(std::string_view op);

// Names in order.
std::vector<std::string> SupportedOperators();

// ---- for the operators' own files

using OperatorTable = std::map<std::string, Operator, std::less<>>;
const OperatorTable& LayerOperators();        // convolutions and products
const OperatorTable& NormOperators();         // norms
const OperatorTable& ElementwiseOperators();  // activations
const OperatorTable& ArithmeticOperators();   // between activations, and with constants
const OperatorTable& PoolOperators();         // pools, means, softmax
const OperatorTable& ReshapeOperators();      // other dimensions for the same elements
const OperatorTable& ShapeOperators();        // what moves elements
const OperatorTable& ResampleOperators();     // what repeats, mirrors and interpolates them

// An activation of these dimensions, in whose node's shape `node` is put if it has another.
absl::StatusOr<Value> InDims(OnnxNode& node, NodeId id, std::vector<int64_t> dims, int64_t batch_axis);
Outputs One(absl::StatusOr<Value> value);
// The dimensions of x, computed by another node.
absl::StatusOr<Value> Like(const Activation& x, const Draft::Added& node);
// x within limits; those beyond the floats are none.
Draft::Added Clipped(Draft& draft, NodeId x, double low, double high);
// An optional input; null where it is not there.
absl::StatusOr<TensorPtr> OptionalFloats(const OnnxNode& node, size_t input);
absl::Status RequireSize(const TensorPtr& tensor, int64_t size, const char* what);  // if there is a tensor

// x as an image {channels, height, width}: what has one spatial dimension or none gets more, of size 1.
struct ImageView {
  NodeId node = 0;
  Shape shape;
  int64_t spatial = 2;  // how many spatial dimensions x has
};
absl::StatusOr<ImageView> AsImage(OnnxNode& node, const Activation& x, int64_t least_spatial = 1);
absl::StatusOr<Value> FromImage(OnnxNode& node, NodeId image, int64_t spatial);

// The windows of a convolution or a pool.
struct Windows {
  Extent kernel = 1;
  Extent stride = 1;
  Extent dilation = 1;
  Padding padding = 0;
  bool beyond = false;  // rounding up made windows that leave the padding
};
// `kernel` has an entry a spatial dimension.
absl::StatusOr<Windows> ReadWindows(OnnxNode& node, const std::vector<int64_t>& kernel,
                                    const ImageView& image);

// INVALID_ARGUMENT if an output beyond the first is read.
absl::Status RequireOneOutput(const OnnxNode& node);

absl::StatusOr<Value> ReshapeActivation(OnnxNode& node, const Activation& x, std::vector<BatchInt> asked,
                                        bool allow_zero);
// The same with as many dimensions, by ones put before.
Activation Extended(const Activation& x, size_t rank);

}  // namespace precis::onnx_reader
