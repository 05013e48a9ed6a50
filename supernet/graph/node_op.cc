// Faults, inputs, layers and parameters, operation by operation.
#include "supernet/graph/node_op.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"

namespace precis {
namespace {

constexpr int64_t kMaxAttribute = int64_t{1} << 20;

template <typename... Ops>
bool IsAnyOf(const NodeOp& op) {
  return (std::holds_alternative<Ops>(op) || ...);
}

Shape ConvWeight(const Conv2dNode& conv, const Shape& in) {
  return {conv.out_channels, in[0] / conv.groups, conv.kernel.height, conv.kernel.width};
}

}  // namespace

void NodeFaults::RequireAttribute(const std::string& name, int64_t value, int64_t lowest) {
  if (value >= lowest && value <= kMaxAttribute) return;
  Add(name, " is ", value, ", allowed are ", lowest, " to ", kMaxAttribute);
}

void NodeFaults::RequireExtent(const std::string& name, const Extent& extent, int64_t lowest) {
  if (extent.height == extent.width) return RequireAttribute(name, extent.height, lowest);
  RequireAttribute(name + " height", extent.height, lowest);
  RequireAttribute(name + " width", extent.width, lowest);
}

void NodeFaults::RequirePadding(const Padding& padding) {
  if (padding == Padding(padding.top)) return RequireAttribute("padding", padding.top, 0);
  for (const auto& [name, value] : {std::pair{"padding top", padding.top},
                                    {"padding left", padding.left},
                                    {"padding bottom", padding.bottom},
                                    {"padding right", padding.right}}) {
    RequireAttribute(name, value, 0);
  }
}

bool NodeFaults::RequireAxis(int64_t axis, const Shape& shape) {
  if (axis >= 0 && axis < static_cast<int64_t>(shape.size())) return true;
  Add("axis is ", axis, ", but {", ShapeText(shape), "} has the dimensions 0 to ", shape.size() - 1);
  return false;
}

std::string NodeFaults::Text() const { return absl::StrJoin(faults_, "; "); }

InputLimits InputLimitsOf(const NodeOp& op) {
  if (IsAnyOf<InputNode>(op)) return {0, 0};
  if (IsAnyOf<AddNode, MultiplyNode, MatMulNode>(op)) return {2, 2};
  if (IsAnyOf<ConcatNode>(op)) return {2, static_cast<size_t>(kMaxAttribute)};
  return {1, 1};
}

std::optional<LayerSize> LayerSizeOf(const NodeOp& op, const Shape& in) {
  if (const auto* conv = std::get_if<Conv2dNode>(&op)) {
    const Shape weight = ConvWeight(*conv, in);
    const bool depthwise = conv->groups > 1 && conv->groups == in[0];
    return LayerSize{depthwise ? Layer::Kind::kDepthwiseConv2d : Layer::Kind::kConv2d, conv->out_channels,
                     ElementCount({weight.begin() + 1, weight.end()})};
  }
  if (const auto* linear = std::get_if<LinearNode>(&op)) {
    return LayerSize{Layer::Kind::kLinear, linear->out_features, in.back()};
  }
  if (IsAnyOf<MatMulNode>(op)) return LayerSize{Layer::Kind::kMatMul, 1, in.back()};
  return std::nullopt;
}

int64_t ReductionAxis(const NodeOp& op, bool is_second, int64_t dimensions) {
  if (std::holds_alternative<Conv2dNode>(op)) return 0;
  const auto* product = std::get_if<MatMulNode>(&op);
  return dimensions - (is_second && product != nullptr && !product->transpose_second ? 2 : 1);
}

std::vector<ParameterShape> ParametersOf(const NodeOp& op, const Shape& in) {
  const auto with_bias = [](Shape weight, bool bias) {
    std::vector<ParameterShape> parameters = {{"weight", std::move(weight)}};
    if (bias) parameters.push_back({"bias", {parameters[0].shape[0]}});
    return parameters;
  };
  if (const auto* conv = std::get_if<Conv2dNode>(&op)) return with_bias(ConvWeight(*conv, in), conv->bias);
  if (const auto* linear = std::get_if<LinearNode>(&op)) {
    return with_bias({linear->out_features, in.back()}, linear->bias);
  }
  if (IsAnyOf<BatchNormNode>(op)) return with_bias({in[0]}, true);
  if (const auto* norm = std::get_if<LayerNormNode>(&op)) {
    if (norm->affine) return with_bias({in.back()}, true);
    return {};
  }
  if (const auto* gain = std::get_if<GainNode>(&op)) return with_bias(gain->shape, false);
  if (const auto* offset = std::get_if<OffsetNode>(&op)) return with_bias(offset->shape, false);
  if (IsAnyOf<ClassTokenNode>(op)) return with_bias({1, in.back()}, false);
  if (IsAnyOf<PositionEmbeddingNode>(op)) return with_bias(in, false);
  return {};
}

bool IsNonnegative(const NodeOp& op) {
  if (IsAnyOf<SoftmaxNode>(op)) return true;
  const auto* activation = std::get_if<ActivationNode>(&op);
  if (activation == nullptr) return false;
  switch (activation->kind) {
    case ActivationKind::kRelu:
    case ActivationKind::kRelu6:
    case ActivationKind::kSigmoid:
    case ActivationKind::kHardSigmoid:
    case ActivationKind::kExp:
    case ActivationKind::kSoftplus:
      return true;
    case ActivationKind::kClip:
      return activation->alpha >= 0;
    case ActivationKind::kSilu:
    case ActivationKind::kHardSwish:
    case ActivationKind::kGelu:
    case ActivationKind::kTanh:
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kElu:
    case ActivationKind::kPower:
    case ActivationKind::kErf:
      return false;
  }
  return false;
}

bool KeepsNonnegative(const NodeOp& op) {
  if (const auto* scale = std::get_if<ScaleNode>(&op)) return scale->factor >= 0 && scale->offset >= 0;
  if (const auto* pad = std::get_if<PadNode>(&op)) return pad->value >= 0;
  if (const auto* activation = std::get_if<ActivationNode>(&op)) {
    return activation->kind != ActivationKind::kClip || activation->beta >= 0;
  }
  return IsAnyOf<AddNode, MultiplyNode, MatMulNode, MaxPoolNode, AveragePoolNode, GlobalAveragePoolNode,
                 MeanNode, ConcatNode, ReshapeNode, TransposeNode, SliceNode, SampleNode, SelectNode>(op);
}

int64_t ElementCount(const Shape& shape) {
  int64_t product = 1;
  for (const int64_t factor : shape) {
    if (product > std::numeric_limits<int64_t>::max() / factor) return std::numeric_limits<int64_t>::max();
    product *= factor;
  }
  return product;
}

}  // namespace precis
