// Norms, those with statistics of their own and those of each image.
#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

absl::Status RequireEpsilon(double epsilon) {
  if (epsilon > 0 && epsilon <= 1) return absl::OkStatus();
  return Unsupported("epsilon is ", epsilon, ", allowed are numbers above 0 up to 1");
}

Outputs BatchNormalization(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  DraftWeights weights;
  ONNX_TRY(weights.weight, node.FloatsAt(1));
  ONNX_TRY(weights.bias, node.FloatsAt(2));
  ONNX_TRY(weights.mean, node.FloatsAt(3));
  ONNX_TRY(weights.variance, node.FloatsAt(4));
  if (absl::Status one = RequireOneOutput(node); !one.ok()) return one;
  if (node.attributes.Int("training_mode", 0) != 0) return Unsupported("training mode; export for inference");
  if (node.opset < 9 && node.attributes.Int("spatial", 1) == 0) return Unsupported("spatial = 0");
  if (x.batch_axis != 0 || x.per_image() != 1 || x.rank() < 2) {
    return Unsupported("the batch must be the first dimension, by itself");
  }
  Shape shape = x.NodeShape();
  const int64_t channels = shape[0];
  if (shape.size() == 2 || shape.size() > 3) shape = {channels, ElementCount(shape) / channels, 1};
  for (const TensorPtr& each : {weights.weight, weights.bias, weights.mean, weights.variance}) {
    if (absl::Status fits = RequireSize(each, channels, "tensor of the norm"); !fits.ok()) return fits;
  }
  ONNX_TRY(const NodeId from, node.draft.Reshape(x.node, shape));
  ONNX_TRY(const NodeId y,
           node.draft.Add(BatchNormNode{node.attributes.Float("epsilon", 1e-5)}, {from}, std::move(weights)));
  return One(InDims(node, y, x.dims, x.batch_axis));
}

Outputs LayerNormalization(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr scale, node.FloatsAt(1));
  ONNX_TRY(const TensorPtr bias, OptionalFloats(node, 2));
  ONNX_TRY(const int64_t axis, NormalAxis(node.attributes.Int("axis", -1), x.rank()));
  if (absl::Status one = RequireOneOutput(node); !one.ok()) return one;
  if (x.batch_axis >= axis) return Unsupported("a norm over the batch");
  const int64_t size = ElementCount({x.dims.begin() + axis, x.dims.end()});
  if (absl::Status fits = RequireSize(scale, size, "scale"); !fits.ok()) return fits;
  if (absl::Status fits = RequireSize(bias, size, "bias"); !fits.ok()) return fits;
  const Shape shape = x.NodeShape();
  Shape flat(shape.begin(), shape.end() - (x.rank() - axis));
  flat.push_back(size);
  const double epsilon = node.attributes.Float("epsilon", 1e-5);
  if (absl::Status status = RequireEpsilon(epsilon); !status.ok()) return status;
  ONNX_TRY(const NodeId from, node.draft.Reshape(x.node, flat));
  ONNX_TRY(const NodeId y, node.draft.Add(LayerNormNode{epsilon}, {from},
                                          {.weight = scale, .bias = bias, .mean = {}, .variance = {}}));
  return One(InDims(node, y, x.dims, x.batch_axis));
}

// Each part of the channels by itself, then gain and offset a channel.
absl::StatusOr<Value> NormByParts(OnnxNode& node, const Activation& x, int64_t parts, const TensorPtr& scale,
                                  const TensorPtr& bias) {
  if (x.batch_axis != 0 || x.per_image() != 1 || x.rank() < 3) {
    return Unsupported("the batch must be the first dimension, by itself, and channels the second");
  }
  const double epsilon = node.attributes.Float("epsilon", 1e-5);
  if (absl::Status status = RequireEpsilon(epsilon); !status.ok()) return status;
  const Shape shape = x.NodeShape();
  const int64_t channels = shape[0];
  if (parts < 1 || channels % parts != 0) return Unsupported(parts, " groups of ", channels, " channels");
  Shape by_channel(shape.size(), 1);
  by_channel[0] = channels;
  ONNX_TRY(const NodeId flat, node.draft.Reshape(x.node, {parts, ElementCount(shape) / parts}));
  ONNX_TRY(NodeId y, node.draft.Add(LayerNormNode{.epsilon = epsilon, .affine = false}, {flat}));
  ONNX_TRY(y, node.draft.Reshape(y, shape));
  for (const bool is_gain : {true, false}) {
    TensorPtr tensor = is_gain ? scale : bias;
    if (tensor->size() == parts && parts != channels) {  // one a group, as older opsets have it
      OnnxTensor column = *tensor;
      column.dims = {parts, 1};
      ONNX_TRY(OnnxTensor repeated, BroadcastTo(column, {parts, channels / parts}, node.budget));
      tensor = std::make_shared<const OnnxTensor>(std::move(repeated));
    }
    if (absl::Status fits = RequireSize(tensor, channels, "scale or bias"); !fits.ok()) return fits;
    ONNX_TRY(y, is_gain ? node.draft.Gain(y, tensor, by_channel)
                        : node.draft.Offset(y, tensor, by_channel, false));
  }
  return InDims(node, y, x.dims, x.batch_axis);
}

Outputs InstanceNormalization(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr scale, node.FloatsAt(1));
  ONNX_TRY(const TensorPtr bias, node.FloatsAt(2));
  if (x.rank() < 2) return Unsupported("an input without channels");
  return One(NormByParts(node, x, x.dim(1), scale, bias));
}

Outputs GroupNormalization(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr scale, node.FloatsAt(1));
  ONNX_TRY(const TensorPtr bias, node.FloatsAt(2));
  return One(NormByParts(node, x, node.attributes.Int("num_groups", 1), scale, bias));
}

}  // namespace

const OperatorTable& NormOperators() {
  static const auto& table = *new OperatorTable{
      {"BatchNormalization", BatchNormalization},
      {"GroupNormalization", GroupNormalization},
      {"InstanceNormalization", InstanceNormalization},
      {"LayerNormalization", LayerNormalization},
  };
  return table;
}

}  // namespace precis::onnx_reader
