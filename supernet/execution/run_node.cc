// One ATen call a node, where there is one.
#include "supernet/execution/run_node.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>
#include <variant>

#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"

namespace precis {
namespace {

at::Tensor Pad(const at::Tensor& image, const Padding& padding, double value) {
  return at::constant_pad_nd(image, {padding.left, padding.right, padding.top, padding.bottom}, value);
}

at::Tensor RunConv(const Conv2dNode& conv, const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& bias) {
  const bool symmetric = conv.padding.IsSymmetric();
  const at::Tensor padded = symmetric ? x : Pad(x, conv.padding, 0);
  return at::conv2d(padded, weight, bias, {conv.stride.height, conv.stride.width},
                    {symmetric ? conv.padding.top : 0, symmetric ? conv.padding.left : 0},
                    {conv.dilation.height, conv.dilation.width}, conv.groups);
}

at::Tensor RunMaxPool(const MaxPoolNode& pool, const at::Tensor& x) {
  const bool symmetric = pool.padding.IsSymmetric();
  const at::Tensor padded = symmetric ? x : Pad(x, pool.padding, -std::numeric_limits<double>::infinity());
  return at::max_pool2d(padded, {pool.kernel.height, pool.kernel.width},
                        {pool.stride.height, pool.stride.width},
                        {symmetric ? pool.padding.top : 0, symmetric ? pool.padding.left : 0});
}

at::Tensor RunAveragePool(const AveragePoolNode& pool, const at::Tensor& x) {
  const auto mean = [&pool](const at::Tensor& image, const Padding& padding, bool count_include_pad) {
    return at::avg_pool2d(image, {pool.kernel.height, pool.kernel.width},
                          {pool.stride.height, pool.stride.width}, {padding.top, padding.left},
                          /*ceil_mode=*/false, count_include_pad);
  };
  if (pool.padding.IsSymmetric()) return mean(x, pool.padding, pool.count_include_pad);
  const at::Tensor sums = mean(Pad(x, pool.padding, 0), 0, true);
  if (pool.count_include_pad) return sums;
  const at::Tensor ones = at::ones({1, 1, x.size(2), x.size(3)}, x.options());
  return sums / mean(Pad(ones, pool.padding, 0), 0, true);
}

at::Tensor RunActivation(const ActivationNode& activation, at::Tensor x, bool overwrite) {
  switch (activation.kind) {
    case ActivationKind::kRelu:
      return overwrite ? at::relu_(x) : at::relu(x);
    case ActivationKind::kRelu6:
      return overwrite ? at::hardtanh_(x, 0, 6) : at::hardtanh(x, 0, 6);
    case ActivationKind::kSigmoid:
      return overwrite ? at::sigmoid_(x) : at::sigmoid(x);
    case ActivationKind::kSilu:
      return overwrite ? at::silu_(x) : at::silu(x);
    case ActivationKind::kHardSigmoid:
      return overwrite ? at::hardsigmoid_(x) : at::hardsigmoid(x);
    case ActivationKind::kHardSwish:
      return overwrite ? at::hardswish_(x) : at::hardswish(x);
    case ActivationKind::kGelu:
      return at::gelu(x);
    case ActivationKind::kTanh:
      return overwrite ? at::tanh_(x) : at::tanh(x);
    case ActivationKind::kLeakyRelu:
      return at::leaky_relu(x, activation.alpha);
    case ActivationKind::kElu:
      return at::elu(x, activation.alpha);
  }
  PRECIS_CHECK(false);
}

at::Tensor RunMultiply(at::Tensor a, const at::Tensor& b, bool overwrite) {
  const at::Tensor factor = a.dim() == b.dim() ? b : b.unsqueeze(2).unsqueeze(3);
  return overwrite ? a.mul_(factor) : at::mul(a, factor);
}

at::Tensor RunReshape(const ReshapeNode& reshape, const at::Tensor& x) {
  std::vector<int64_t> shape = {x.size(0)};
  shape.insert(shape.end(), reshape.shape.begin(), reshape.shape.end());
  return x.reshape(shape);
}

at::Tensor RunTranspose(const TransposeNode& transpose, const at::Tensor& x) {
  std::vector<int64_t> permutation = {0};
  for (const int64_t dimension : transpose.permutation) permutation.push_back(dimension + 1);
  return x.permute(permutation);
}

// The dimension `axis` second, and four dimensions where there are three.
at::Tensor AsChannels(const at::Tensor& x, int64_t axis) {
  const at::Tensor moved = axis == 1 ? x : x.movedim(axis, 1);
  return x.dim() == 3 ? moved.unsqueeze(3) : moved;
}

}  // namespace

at::Tensor RunLayer(const NodeOp& op, const at::Tensor& x, const at::Tensor& second, const at::Tensor& bias) {
  if (const auto* conv = std::get_if<Conv2dNode>(&op)) return RunConv(*conv, x, second, bias);
  if (const auto* product = std::get_if<MatMulNode>(&op)) {
    return at::matmul(x, product->transpose_second ? second.transpose(-2, -1) : second);
  }
  PRECIS_CHECK(std::holds_alternative<LinearNode>(op));
  return at::linear(x, second, bias);
}

at::Tensor RunPlainNode(const NodeOp& op, const std::vector<at::Tensor>& inputs,
                        const NodeParameters& parameters, bool overwrite) {
  at::Tensor x = inputs[0];
  const auto not_plain = []() -> at::Tensor { PRECIS_CHECK(false); };
  return std::visit(
      Overloaded{
          [&](const InputNode&) { return not_plain(); },
          [&](const Conv2dNode&) { return not_plain(); },
          [&](const LinearNode&) { return not_plain(); },
          [&](const MatMulNode&) { return not_plain(); },
          [&](const BatchNormNode&) { return not_plain(); },
          [&](const LayerNormNode& norm) {
            return at::layer_norm(x, parameters.weight.sizes(), parameters.weight, parameters.bias,
                                  norm.epsilon);
          },
          [&](const ActivationNode& activation) { return RunActivation(activation, x, overwrite); },
          [&](const SoftmaxNode&) { return at::softmax(x, -1); },
          [&](const AddNode&) { return overwrite ? x.add_(inputs[1]) : at::add(x, inputs[1]); },
          [&](const MultiplyNode&) { return RunMultiply(x, inputs[1], overwrite); },
          [&](const ScaleNode& scale) { return overwrite ? x.mul_(scale.factor) : at::mul(x, scale.factor); },
          [&](const MaxPoolNode& pool) { return RunMaxPool(pool, x); },
          [&](const AveragePoolNode& pool) { return RunAveragePool(pool, x); },
          [&](const GlobalAveragePoolNode&) {
            return x.mean({2, 3});
          },
          [&](const ConcatNode& concat) { return at::cat(inputs, concat.axis + 1); },
          [&](const ReshapeNode& reshape) { return RunReshape(reshape, x); },
          [&](const TransposeNode& transpose) { return RunTranspose(transpose, x); },
          [&](const SliceNode& slice) {
            return x.narrow(slice.axis + 1, slice.begin, slice.end - slice.begin);
          },
          [&](const SelectNode& select) { return x.select(select.axis + 1, select.index); },
          [&](const ClassTokenNode&) {
            return at::cat({parameters.weight.expand({x.size(0), 1, x.size(2)}), x}, 1);
          },
          [&](const PositionEmbeddingNode&) { return at::add(x, parameters.weight); },
      },
      op);
}

bool GivesView(const NodeOp& op) {
  return std::holds_alternative<ReshapeNode>(op) || std::holds_alternative<TransposeNode>(op) ||
         std::holds_alternative<SliceNode>(op) || std::holds_alternative<SelectNode>(op);
}

int64_t ReductionAxis(const NodeOp& op, bool is_second, int64_t dimensions) {
  if (std::holds_alternative<Conv2dNode>(op)) return 1;
  const auto* product = std::get_if<MatMulNode>(&op);
  return dimensions - (is_second && product != nullptr && !product->transpose_second ? 2 : 1);
}

at::Tensor FakeQuantizeAlong(int64_t axis, const at::Tensor& x, const Format& format,
                             const FakeQuantizeOptions& options) {
  if (IsFloat32(format) && format.hadamard == 0) return x;
  const at::Tensor y = FakeQuantize(AsChannels(x, axis), Operand::kActivation, format, options);
  const at::Tensor moved = x.dim() == 3 ? y.squeeze(3) : y;
  return axis == 1 ? moved : moved.movedim(1, axis);
}

at::Tensor MeasureRangeAlong(int64_t axis, const at::Tensor& x, const Format& format,
                             const RangeMethod& method) {
  return MeasureRange(AsChannels(x, axis), Operand::kActivation, format, method);
}

}  // namespace precis
