// Adding nodes, and recognising what they amount to.
#include "supernet/graph/onnx_draft.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/graph/node_op.h"

namespace precis::onnx_reader {
namespace {

bool IsNear(double a, double b) { return std::fabs(a - b) <= 2e-7 * std::max(1.0, std::fabs(b)); }

// All ones but for the last dimension, or the first: what a bias of a layer varies along.
bool VariesAlong(const Shape& shape, size_t axis) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != axis && shape[i] != 1) return false;
  }
  return axis < shape.size();
}

}  // namespace

void Draft::Name(std::string name, std::string weight_name) {
  name_ = std::move(name);
  weight_name_ = std::move(weight_name);
}

Draft::Added Draft::Add(NodeOp op, std::vector<NodeId> inputs, DraftWeights weights) {
  const InputLimits limits = InputLimitsOf(op);
  if (inputs.size() < limits.least || inputs.size() > limits.most) {
    return absl::InvalidArgumentError(absl::StrCat("it has ", inputs.size(), " input(s)"));
  }
  std::vector<const Shape*> shapes;
  shapes.reserve(inputs.size());
  for (const NodeId input : inputs) shapes.push_back(&ShapeOf(input));
  NodeFaults faults;
  Shape shape = InferShape(op, shapes, faults);
  if (!faults.empty()) return absl::InvalidArgumentError(faults.Text());
  std::string key;
  if (!LayerSizeOf(op, *shapes[0]).has_value() && ParametersOf(op, *shapes[0]).empty()) {
    key = absl::StrCat(OpText(op), " ", absl::StrJoin(shape, "x"), " ", absl::StrJoin(inputs, ","));
    if (const auto same = known_.find(key); same != known_.end()) return same->second;
  }
  const auto id = static_cast<NodeId>(nodes_.size());
  if (!key.empty()) known_.emplace(std::move(key), id);
  nodes_.push_back(
      {std::move(op), std::move(inputs), std::move(shape), name_, weight_name_, std::move(weights)});
  return id;
}

Draft::Added Draft::Reshape(NodeId x, const Shape& shape) {
  while (As<ReshapeNode>(x) != nullptr && ShapeOf(x) != shape) x = InputOf(x);
  if (ShapeOf(x) == shape) return x;
  return Add(ReshapeNode{shape}, {x});
}

Draft::Added Draft::Transpose(NodeId x, const std::vector<int64_t>& permutation) {
  std::vector<int64_t> from = permutation;
  if (const auto* before = As<TransposeNode>(x);
      before != nullptr && from.size() == before->permutation.size()) {
    for (int64_t& axis : from) axis = before->permutation[static_cast<size_t>(axis)];
    x = InputOf(x);
  }
  if (std::is_sorted(from.begin(), from.end())) return x;
  return Add(TransposeNode{from}, {x});
}

Draft::Added Draft::Scale(NodeId x, double factor, double offset) {
  if (const auto* before = As<ScaleNode>(x); before != nullptr) {
    offset += factor * before->offset;
    factor *= before->factor;
    x = InputOf(x);
  }
  if (IsNear(factor, 1)) factor = 1;
  if (factor == 1 && offset == 0) return x;
  if (IsNear(factor, 1.0 / 6) && offset == 0 && IsActivation(x, ActivationKind::kRelu6)) {
    const auto* before = As<ScaleNode>(InputOf(x));
    if (before != nullptr && before->factor == 1 && before->offset == 3) {
      return Activate(InputOf(InputOf(x)), ActivationKind::kHardSigmoid);
    }
  }
  return Add(ScaleNode{factor, offset}, {x});
}

Draft::Added Draft::Activate(NodeId x, ActivationKind kind, double alpha, double beta) {
  if (kind == ActivationKind::kClip && alpha == 0 && beta == 6) return Activate(x, ActivationKind::kRelu6);
  if (kind == ActivationKind::kClip && alpha == 0 && beta == 1) {
    const auto* before = As<ScaleNode>(x);
    if (before != nullptr && IsNear(before->factor, 1.0 / 6) && before->offset == 0.5) {
      return Activate(InputOf(x), ActivationKind::kHardSigmoid);
    }
  }
  if (kind == ActivationKind::kPower) {
    const auto* before = As<ActivationNode>(x);
    // A root is of what is not negative, so that powers of it join.
    if (before != nullptr && before->kind == ActivationKind::kPower && before->alpha == 0.5) {
      alpha *= before->alpha;
      x = InputOf(x);
    }
    if (alpha == 1) return x;
  }
  return Add(ActivationNode{kind, alpha, beta}, {x});
}

bool Draft::IsActivation(NodeId x, ActivationKind kind, double alpha) const {
  const auto* activation = As<ActivationNode>(x);
  return activation != nullptr && activation->kind == kind && activation->alpha == alpha;
}

std::pair<double, NodeId> Draft::Peeled(NodeId x) const {
  const auto* scale = As<ScaleNode>(x);
  if (scale == nullptr || scale->offset != 0) return {1, x};
  return {scale->factor, InputOf(x)};
}

bool Draft::IsErfOf(NodeId y, NodeId x) const {
  if (!IsActivation(y, ActivationKind::kErf)) return false;
  const auto [inner, inside] = Peeled(InputOf(y));
  const auto [outer, same] = Peeled(x);
  return inside == same && IsNear(inner / outer, std::sqrt(0.5));
}

// x from (x - mean(x)) and 1 / sqrt(mean((x - mean(x))²) + epsilon), along the last dimension; -1 if they are
// anything else.
NodeId Draft::StandardizedBy(NodeId centred, NodeId inverse_deviation, double* epsilon) const {
  const auto is_mean_of = [this](NodeId mean, NodeId x) {
    const auto* node = As<MeanNode>(mean);
    return node != nullptr && InputOf(mean) == x &&
           node->axes == std::vector<int64_t>{static_cast<int64_t>(ShapeOf(x).size()) - 1};
  };
  if (As<AddNode>(centred) == nullptr || !IsActivation(inverse_deviation, ActivationKind::kPower, -0.5))
    return -1;
  const auto* shifted = As<ScaleNode>(InputOf(inverse_deviation));
  if (shifted == nullptr || shifted->factor != 1 || !(shifted->offset > 0 && shifted->offset <= 1)) return -1;
  const NodeId variance = InputOf(InputOf(inverse_deviation));
  if (As<MeanNode>(variance) == nullptr || !is_mean_of(variance, InputOf(variance))) return -1;
  const NodeId squares = InputOf(variance);
  const bool by_power = IsActivation(squares, ActivationKind::kPower, 2) && InputOf(squares) == centred;
  const bool by_product =
      As<MultiplyNode>(squares) != nullptr && at(squares).inputs == std::vector<NodeId>{centred, centred};
  if (!by_power && !by_product) return -1;
  const NodeId x = at(centred).inputs[0];
  const auto [sign, mean] = Peeled(at(centred).inputs[1]);
  if (sign != -1 || !is_mean_of(mean, x)) return -1;
  *epsilon = shifted->offset;
  return x;
}

Draft::Added Draft::MultiplyPattern(NodeId a, NodeId b) {
  if (IsActivation(b, ActivationKind::kSigmoid) && InputOf(b) == a) return Activate(a, ActivationKind::kSilu);
  if (IsActivation(b, ActivationKind::kHardSigmoid) && InputOf(b) == a) {
    return Activate(a, ActivationKind::kHardSwish);
  }
  if (IsActivation(b, ActivationKind::kRelu6)) {
    const auto* before = As<ScaleNode>(InputOf(b));
    if (before != nullptr && before->factor == 1 && before->offset == 3 && InputOf(InputOf(b)) == a) {
      const Added swish = Activate(a, ActivationKind::kHardSwish);
      return swish.ok() ? Scale(*swish, 6, 0) : swish;
    }
  }
  // a · g · (1 + erf(x / √2)), where a = f · x.
  if (const auto* sum = As<ScaleNode>(b); sum != nullptr && IsNear(sum->factor, sum->offset)) {
    const auto [factor, x] = Peeled(a);
    if (IsErfOf(InputOf(b), a)) {
      const Added gelu = Activate(a, ActivationKind::kGelu);
      return gelu.ok() ? Scale(*gelu, 2 * sum->factor, 0) : gelu;
    }
    if (IsErfOf(InputOf(b), x)) {
      const Added gelu = Activate(x, ActivationKind::kGelu);
      return gelu.ok() ? Scale(*gelu, 2 * factor * sum->factor, 0) : gelu;
    }
  }
  double epsilon = 0;
  if (const NodeId x = StandardizedBy(a, b, &epsilon); x >= 0) {
    return Add(LayerNormNode{.epsilon = epsilon, .affine = false}, {x});
  }
  return -1;
}

Draft::Added Draft::Multiply(NodeId a, NodeId b) {
  for (const auto& [first, second] : {std::pair(a, b), std::pair(b, a)}) {
    Added found = MultiplyPattern(first, second);
    if (!found.ok() || *found >= 0) return found;
  }
  return Add(MultiplyNode{}, {a, b});
}

Draft::Added Draft::Gain(NodeId x, const TensorPtr& gain, const Shape& shape) {
  const auto* norm = As<LayerNormNode>(x);
  if (norm != nullptr && !norm->affine && VariesAlong(shape, ShapeOf(x).size() - 1) &&
      shape.back() == ShapeOf(x).back()) {
    return Add(LayerNormNode{.epsilon = norm->epsilon}, {InputOf(x)},
               {.weight = gain, .bias = {}, .mean = {}, .variance = {}});
  }
  return Add(GainNode{shape}, {x}, {.weight = gain, .bias = {}, .mean = {}, .variance = {}});
}

Draft::Added Draft::Offset(NodeId x, const TensorPtr& offset, const Shape& shape, bool alone) {
  const DraftNode node = at(x);
  const DraftWeights biased = {node.weights.weight, offset, {}, {}};
  const size_t last = node.shape.size() - 1;
  const bool by_feature = VariesAlong(shape, last) && shape.back() == node.shape.back();
  const bool by_channel = shape.size() == 3 && VariesAlong(shape, 0) && shape[0] == node.shape[0];
  if (const auto* norm = std::get_if<LayerNormNode>(&node.op);
      norm != nullptr && norm->affine && node.weights.bias == nullptr && by_feature) {
    return Add(*norm, node.inputs, biased);
  }
  if (const auto* linear = std::get_if<LinearNode>(&node.op);
      linear != nullptr && !linear->bias && alone && by_feature) {
    name_ = node.name;
    weight_name_ = node.weight_name;
    return Add(LinearNode{.out_features = linear->out_features, .bias = true}, node.inputs, biased);
  }
  if (const auto* conv = std::get_if<Conv2dNode>(&node.op);
      conv != nullptr && !conv->bias && alone && by_channel) {
    Conv2dNode with_bias = *conv;
    with_bias.bias = true;
    name_ = node.name;
    weight_name_ = node.weight_name;
    return Add(with_bias, node.inputs, biased);
  }
  if (As<ReshapeNode>(x) != nullptr && alone && by_feature) {
    const NodeId before = InputOf(x);
    const auto* linear = As<LinearNode>(before);
    if (linear != nullptr && !linear->bias && ShapeOf(before).back() == shape.back()) {
      Shape flat(ShapeOf(before).size(), 1);
      flat.back() = shape.back();
      const Added sum = Offset(before, offset, flat, alone);
      return sum.ok() ? Reshape(*sum, node.shape) : sum;
    }
  }
  if (shape == node.shape && shape.size() == 2) {
    return Add(PositionEmbeddingNode{}, {x}, {.weight = offset, .bias = {}, .mean = {}, .variance = {}});
  }
  return Add(OffsetNode{shape}, {x}, {.weight = offset, .bias = {}, .mean = {}, .variance = {}});
}

}  // namespace precis::onnx_reader
