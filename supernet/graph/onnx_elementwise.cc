// Activations, and what changes nothing.
#include <algorithm>
#include <cmath>
#include <limits>

#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

constexpr double kLargest = std::numeric_limits<float>::max();

template <ActivationKind kind>
Outputs Plain(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  return One(Like(x, node.draft.Activate(x.node, kind)));
}

template <ActivationKind kind>
Outputs WithAlpha(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  const double otherwise = kind == ActivationKind::kElu ? 1 : 0.01;
  return One(Like(x, node.draft.Activate(x.node, kind, node.attributes.Float("alpha", otherwise))));
}

template <int halves>
Outputs PowerOf(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  return One(Like(x, node.draft.Activate(x.node, ActivationKind::kPower, halves / 2.0)));
}

Outputs Neg(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  return One(Like(x, node.draft.Scale(x.node, -1, 0)));
}

Outputs Clip(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  double low = node.attributes.Float("min", -kLargest);
  double high = node.attributes.Float("max", kLargest);
  ONNX_TRY(low, node.ScalarAt(1, low));
  ONNX_TRY(high, node.ScalarAt(2, high));
  if (std::isnan(low) || std::isnan(high)) return Unsupported("limits that are no numbers");
  return One(Like(x, Clipped(node.draft, x.node, low, high)));
}

Outputs HardSigmoid(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  const double alpha = node.attributes.Float("alpha", 0.2);
  ONNX_TRY(const NodeId line, node.draft.Scale(x.node, alpha, node.attributes.Float("beta", 0.5)));
  return One(Like(x, node.draft.Activate(line, ActivationKind::kClip, 0, 1)));
}

Outputs Selu(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const NodeId elu, node.draft.Activate(x.node, ActivationKind::kElu,
                                                 node.attributes.Float("alpha", 1.67326319217681884765625)));
  return One(Like(x, node.draft.Scale(elu, node.attributes.Float("gamma", 1.05070102214813232421875), 0)));
}

Outputs Mish(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const NodeId soft, node.draft.Activate(x.node, ActivationKind::kSoftplus));
  ONNX_TRY(const NodeId factor, node.draft.Activate(soft, ActivationKind::kTanh));
  return One(Like(x, node.draft.Multiply(x.node, factor)));
}

// By tanh: x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
Draft::Added TanhGelu(Draft& draft, NodeId x) {
  constexpr double kCubic = 0.044715;
  ONNX_TRY(const NodeId square, draft.Multiply(x, x));
  ONNX_TRY(const NodeId factor, draft.Scale(square, kCubic, 1));
  ONNX_TRY(const NodeId inner, draft.Multiply(x, factor));
  ONNX_TRY(const NodeId scaled, draft.Scale(inner, std::sqrt(2 / M_PI), 0));
  ONNX_TRY(const NodeId tanh, draft.Activate(scaled, ActivationKind::kTanh));
  ONNX_TRY(const NodeId half, draft.Scale(tanh, 0.5, 0.5));
  return draft.Multiply(x, half);
}

Outputs Gelu(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  const std::string approximate = node.attributes.String("approximate", "none");
  if (approximate == "tanh") return One(Like(x, TanhGelu(node.draft, x.node)));
  if (approximate != "none") return Unsupported("approximate \"", approximate, "\"");
  return One(Like(x, node.draft.Activate(x.node, ActivationKind::kGelu)));
}

Outputs Identity(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  return std::vector<Value>{x};
}

Outputs Dropout(OnnxNode& node) {
  if (absl::Status one = RequireOneOutput(node); !one.ok()) return one;
  ONNX_TRY(const double training, node.ScalarAt(2, 0));
  if (training != 0) return Unsupported("training mode; export for inference");
  return Identity(node);
}

Outputs Cast(OnnxNode& node) {
  const int64_t to = node.attributes.Int("to", 0);
  if (to < 0 || to > 100 || !IsFloatType(static_cast<int>(to)))
    return Unsupported("a cast of activations to type ", to);
  return Identity(node);
}

}  // namespace

const OperatorTable& ElementwiseOperators() {
  static const auto& table = *new OperatorTable{
      {"Cast", Cast},
      {"Clip", Clip},
      {"Dropout", Dropout},
      {"Elu", WithAlpha<ActivationKind::kElu>},
      {"Erf", Plain<ActivationKind::kErf>},
      {"Exp", Plain<ActivationKind::kExp>},
      {"Gelu", Gelu},
      {"HardSigmoid", HardSigmoid},
      {"HardSwish", Plain<ActivationKind::kHardSwish>},
      {"Identity", Identity},
      {"LeakyRelu", WithAlpha<ActivationKind::kLeakyRelu>},
      {"Mish", Mish},
      {"Neg", Neg},
      {"Reciprocal", PowerOf<-2>},
      {"Relu", Plain<ActivationKind::kRelu>},
      {"Selu", Selu},
      {"Sigmoid", Plain<ActivationKind::kSigmoid>},
      {"Softplus", Plain<ActivationKind::kSoftplus>},
      {"Sqrt", PowerOf<1>},
      {"Tanh", Plain<ActivationKind::kTanh>},
  };
  return table;
}

}  // namespace precis::onnx_reader
