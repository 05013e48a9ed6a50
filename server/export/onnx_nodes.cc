// One operator a node, where there is one.
#include "server/export/onnx_nodes.h"

#include <cmath>
#include <numeric>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"

namespace precis::server {
namespace {

std::vector<int64_t> Numbers(const Extent& extent) { return {extent.height, extent.width}; }

std::vector<int64_t> Numbers(const Padding& padding) {
  return {padding.top, padding.left, padding.bottom, padding.right};
}

OnnxValue AddGelu(OnnxGraph& onnx, const std::string& name, const OnnxValue& x) {
  const OnnxValue scaled = onnx.Add("Div", {x, onnx.Float(std::sqrt(2.0f))}, name + "/scaled");
  const OnnxValue erf = onnx.Add("Erf", {scaled}, name + "/erf");
  const OnnxValue shifted = onnx.Add("Add", {erf, onnx.Float(1.0f)}, name + "/shifted");
  const OnnxValue half = onnx.Add("Mul", {x, onnx.Float(0.5f)}, name + "/half");
  return onnx.Add("Mul", {half, shifted}, name);
}

OnnxValue AddActivation(OnnxGraph& onnx, const std::string& name, const ActivationNode& activation,
                        const OnnxValue& x) {
  const auto alpha = static_cast<float>(activation.alpha);
  switch (activation.kind) {
    case ActivationKind::kRelu:
      return onnx.Add("Relu", {x}, name);
    case ActivationKind::kRelu6:
      return onnx.Add("Clip", {x, onnx.Float(0.0f), onnx.Float(6.0f)}, name);
    case ActivationKind::kSigmoid:
      return onnx.Add("Sigmoid", {x}, name);
    case ActivationKind::kSilu:
      return onnx.Add("Mul", {x, onnx.Add("Sigmoid", {x}, name + "/sigmoid")}, name);
    case ActivationKind::kHardSigmoid:
      return onnx.Add("HardSigmoid", {x}, name, {{"alpha", 1.0f / 6.0f}, {"beta", 0.5f}});
    case ActivationKind::kHardSwish: {
      const OnnxValue factor =
          onnx.Add("HardSigmoid", {x}, name + "/factor", {{"alpha", 1.0f / 6.0f}, {"beta", 0.5f}});
      return onnx.Add("Mul", {x, factor}, name);
    }
    case ActivationKind::kGelu:
      return AddGelu(onnx, name, x);
    case ActivationKind::kTanh:
      return onnx.Add("Tanh", {x}, name);
    case ActivationKind::kLeakyRelu:
      return onnx.Add("LeakyRelu", {x}, name, {{"alpha", alpha}});
    case ActivationKind::kElu:
      return onnx.Add("Elu", {x}, name, {{"alpha", alpha}});
    case ActivationKind::kClip:
      return onnx.Add("Clip", {x, onnx.Float(alpha), onnx.Float(static_cast<float>(activation.beta))}, name);
    case ActivationKind::kPower:
      return onnx.Add("Pow", {x, onnx.Float(alpha)}, name);
    case ActivationKind::kErf:
      return onnx.Add("Erf", {x}, name);
    case ActivationKind::kExp:
      return onnx.Add("Exp", {x}, name);
    case ActivationKind::kSoftplus:
      return onnx.Add("Softplus", {x}, name);
  }
  PRECIS_CHECK(false);
}

OnnxValue AddLayerNorm(OnnxGraph& onnx, const Node& node, const LayerNormNode& norm, const OnnxValue& x,
                       const OnnxParameters& parameters) {
  onnx.RequireOpset(17);
  OnnxValue scale = parameters.weight;
  if (!norm.affine) {
    const int64_t features = node.shape.back();
    scale = onnx.AddFloats(node.name + "/ones", {features},
                           std::vector<float>(static_cast<size_t>(features), 1.0f));
  }
  std::vector<OnnxValue> inputs = {x, scale};
  if (norm.affine) inputs.push_back(parameters.bias);
  return onnx.Add("LayerNormalization", inputs, node.name,
                  {{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(norm.epsilon)}});
}

OnnxValue AddMultiply(OnnxGraph& onnx, const ModelGraph& graph, const Node& node, const OnnxValue& a,
                      OnnxValue b) {
  const size_t a_size = graph.node(node.inputs[0]).shape.size();
  const size_t b_size = graph.node(node.inputs[1]).shape.size();
  if (a_size == 3 && b_size == 1)
    b = onnx.Add("Unsqueeze", {b, onnx.Integers({2, 3})}, node.name + "/factor");
  return onnx.Add("Mul", {a, b}, node.name);
}

OnnxValue AddScale(OnnxGraph& onnx, const std::string& name, const ScaleNode& scale, OnnxValue x) {
  if (scale.offset == 0) return onnx.Add("Mul", {x, onnx.Float(static_cast<float>(scale.factor))}, name);
  if (scale.factor != 1)
    x = onnx.Add("Mul", {x, onnx.Float(static_cast<float>(scale.factor))}, name + "/product");
  return onnx.Add("Add", {x, onnx.Float(static_cast<float>(scale.offset))}, name);
}

OnnxValue AddPad(OnnxGraph& onnx, const std::string& name, const PadNode& pad, const OnnxValue& x) {
  std::vector<int64_t> pads = {0};
  pads.insert(pads.end(), pad.before.begin(), pad.before.end());
  pads.push_back(0);
  pads.insert(pads.end(), pad.after.begin(), pad.after.end());
  return onnx.Add("Pad", {x, onnx.Integers(pads), onnx.Float(static_cast<float>(pad.value))}, name);
}

OnnxValue AddSample(OnnxGraph& onnx, const Node& node, const SampleNode& sample, int64_t size,
                    const OnnxValue& x) {
  std::vector<int64_t> below;
  std::vector<int64_t> above;
  std::vector<float> share;
  bool whole = true;
  for (const double position : sample.positions) {
    below.push_back(static_cast<int64_t>(position));
    above.push_back(std::min(below.back() + 1, size - 1));
    share.push_back(static_cast<float>(position - static_cast<double>(below.back())));
    whole = whole && share.back() == 0;
  }
  const std::vector<OnnxAttribute> axis = {{"axis", sample.axis + 1}};
  if (whole) return onnx.Add("Gather", {x, onnx.Integers(below)}, node.name, axis);
  const OnnxValue lower = onnx.Add("Gather", {x, onnx.Integers(below)}, node.name + "/below", axis);
  const OnnxValue upper = onnx.Add("Gather", {x, onnx.Integers(above)}, node.name + "/above", axis);
  std::vector<int64_t> dims(node.shape.size() + 1, 1);
  dims[static_cast<size_t>(sample.axis) + 1] = static_cast<int64_t>(share.size());
  const OnnxValue shares = onnx.AddFloats(node.name + "/share", dims, share);
  const OnnxValue step = onnx.Add("Sub", {upper, lower}, node.name + "/step");
  return onnx.Add("Add", {lower, onnx.Add("Mul", {step, shares}, node.name + "/part")}, node.name);
}

OnnxValue AddClassToken(OnnxGraph& onnx, const std::string& name, const OnnxValue& x,
                        const OnnxValue& token) {
  const OnnxValue shape = onnx.Add("Shape", {x}, name + "/shape");
  const OnnxValue batch = onnx.Add("Slice", {shape, onnx.Integers({0}), onnx.Integers({1})}, name + "/batch");
  const OnnxValue wanted =
      onnx.Add("Concat", {batch, onnx.Integers({1, 1})}, name + "/token_shape", {{"axis", int64_t{0}}});
  const OnnxValue tokens = onnx.Add("Expand", {token, wanted}, name + "/token");
  return onnx.Add("Concat", {tokens, x}, name, {{"axis", int64_t{1}}});
}

std::vector<int64_t> WithBatch(const std::vector<int64_t>& axes) {
  std::vector<int64_t> moved = axes;
  for (int64_t& axis : moved) ++axis;
  return moved;
}

OnnxValue AddTranspose(OnnxGraph& onnx, const std::string& name, const TransposeNode& transpose,
                       const OnnxValue& x) {
  std::vector<int64_t> permutation = {0};
  for (const int64_t axis : transpose.permutation) permutation.push_back(axis + 1);
  return onnx.Add("Transpose", {x}, name, {{"perm", permutation}});
}

OnnxValue AddReshape(OnnxGraph& onnx, const std::string& name, const ReshapeNode& reshape,
                     const OnnxValue& x) {
  std::vector<int64_t> shape = {0};  // as many images as there are
  shape.insert(shape.end(), reshape.shape.begin(), reshape.shape.end());
  return onnx.Add("Reshape", {x, onnx.Integers(shape)}, name);
}

OnnxValue AddLinear(OnnxGraph& onnx, const ModelGraph& graph, const Node& node, const OnnxValue& x,
                    const OnnxValue& weight, const OnnxValue& bias) {
  if (!TakesTurnedWeight(graph, node)) {
    std::vector<OnnxValue> inputs = {x, weight};
    if (!bias.empty()) inputs.push_back(bias);
    return onnx.Add("Gemm", inputs, node.name, {{"transB", int64_t{1}}});
  }
  if (bias.empty()) return onnx.Add("MatMul", {x, weight}, node.name);
  return onnx.Add("Add", {onnx.Add("MatMul", {x, weight}, node.name + "/product"), bias}, node.name);
}

}  // namespace

bool TakesTurnedWeight(const ModelGraph& graph, const Node& node) {
  return std::holds_alternative<LinearNode>(node.op) && graph.node(node.inputs[0]).shape.size() > 1;
}

OnnxValue AddLayer(OnnxGraph& onnx, const ModelGraph& graph, const Node& node, const OnnxValue& x,
                   const OnnxValue& weight, const OnnxValue& bias) {
  if (const auto* conv = std::get_if<Conv2dNode>(&node.op)) {
    std::vector<OnnxValue> inputs = {x, weight};
    if (!bias.empty()) inputs.push_back(bias);
    return onnx.Add("Conv", inputs, node.name,
                    {{"kernel_shape", Numbers(conv->kernel)},
                     {"strides", Numbers(conv->stride)},
                     {"pads", Numbers(conv->padding)},
                     {"dilations", Numbers(conv->dilation)},
                     {"group", conv->groups}});
  }
  if (const auto* product = std::get_if<MatMulNode>(&node.op)) {
    if (!product->transpose_second) return onnx.Add("MatMul", {x, weight}, node.name);
    std::vector<int64_t> permutation(graph.node(node.inputs[1]).shape.size() + 1);
    std::iota(permutation.begin(), permutation.end(), 0);
    std::swap(permutation[permutation.size() - 1], permutation[permutation.size() - 2]);
    const OnnxValue turned = onnx.Add("Transpose", {weight}, node.name + "/second", {{"perm", permutation}});
    return onnx.Add("MatMul", {x, turned}, node.name);
  }
  PRECIS_CHECK(std::holds_alternative<LinearNode>(node.op));
  return AddLinear(onnx, graph, node, x, weight, bias);
}

OnnxValue AddPlainNode(OnnxGraph& onnx, const ModelGraph& graph, const Node& node,
                       const std::vector<OnnxValue>& inputs, const OnnxParameters& parameters) {
  const std::string& name = node.name;
  const OnnxValue& x = inputs[0];
  const auto not_plain = []() -> OnnxValue { PRECIS_CHECK(false); };
  return std::visit(
      Overloaded{
          [&](const InputNode&) { return not_plain(); },
          [&](const Conv2dNode&) { return not_plain(); },
          [&](const LinearNode&) { return not_plain(); },
          [&](const MatMulNode&) { return not_plain(); },
          [&](const BatchNormNode& norm) {
            return onnx.Add("BatchNormalization",
                            {x, parameters.weight, parameters.bias, parameters.mean, parameters.variance},
                            name, {{"epsilon", static_cast<float>(norm.epsilon)}});
          },
          [&](const LayerNormNode& norm) { return AddLayerNorm(onnx, node, norm, x, parameters); },
          [&](const ActivationNode& activation) { return AddActivation(onnx, name, activation, x); },
          [&](const SoftmaxNode&) {
            return onnx.Add("Softmax", {x}, name, {{"axis", int64_t{-1}}});
          },
          [&](const AddNode&) {
            return onnx.Add("Add", {x, inputs[1]}, name);
          },
          [&](const MultiplyNode&) { return AddMultiply(onnx, graph, node, x, inputs[1]); },
          [&](const ScaleNode& scale) { return AddScale(onnx, name, scale, x); },
          [&](const MaxPoolNode& pool) {
            return onnx.Add("MaxPool", {x}, name,
                            {{"kernel_shape", Numbers(pool.kernel)},
                             {"strides", Numbers(pool.stride)},
                             {"pads", Numbers(pool.padding)},
                             {"dilations", Numbers(pool.dilation)}});
          },
          [&](const AveragePoolNode& pool) {
            return onnx.Add("AveragePool", {x}, name,
                            {{"kernel_shape", Numbers(pool.kernel)},
                             {"strides", Numbers(pool.stride)},
                             {"pads", Numbers(pool.padding)},
                             {"count_include_pad", int64_t{pool.count_include_pad ? 1 : 0}}});
          },
          [&](const GlobalAveragePoolNode&) {
            return onnx.Add("Flatten", {onnx.Add("GlobalAveragePool", {x}, name)}, name + "/flat");
          },
          [&](const ConcatNode& concat) {
            return onnx.Add("Concat", inputs, name, {{"axis", concat.axis + 1}});
          },
          [&](const ReshapeNode& reshape) { return AddReshape(onnx, name, reshape, x); },
          [&](const TransposeNode& transpose) { return AddTranspose(onnx, name, transpose, x); },
          [&](const SliceNode& slice) {
            return onnx.Add("Slice",
                            {x, onnx.Integers({slice.begin}), onnx.Integers({slice.end}),
                             onnx.Integers({slice.axis + 1}), onnx.Integers({slice.step})},
                            name);
          },
          [&](const SelectNode& select) {
            return onnx.Add("Gather", {x, onnx.ScalarIndex(select.index)}, name, {{"axis", select.axis + 1}});
          },
          [&](const ClassTokenNode&) { return AddClassToken(onnx, name, x, parameters.weight); },
          [&](const PositionEmbeddingNode&) {
            return onnx.Add("Add", {x, parameters.weight}, name);
          },
          [&](const GainNode&) {
            return onnx.Add("Mul", {x, parameters.weight}, name);
          },
          [&](const OffsetNode&) {
            return onnx.Add("Add", {x, parameters.weight}, name);
          },
          [&](const MeanNode& mean) {
            return onnx.Add("ReduceMean", {x}, name,
                            {{"axes", WithBatch(mean.axes)}, {"keepdims", int64_t{1}}});
          },
          [&](const PadNode& pad) { return AddPad(onnx, name, pad, x); },
          [&](const SampleNode& sample) {
            const Shape& shape = graph.node(node.inputs[0]).shape;
            return AddSample(onnx, node, sample, shape[static_cast<size_t>(sample.axis)], x);
          },
      },
      node.op);
}

}  // namespace precis::server
