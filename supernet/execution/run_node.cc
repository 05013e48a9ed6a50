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

// What LibTorch's pools take.
template <typename PoolNode>
bool HasPlainPadding(const PoolNode& pool) {
  return pool.padding.IsSymmetric() && pool.padding.top <= pool.kernel.height / 2 &&
         pool.padding.left <= pool.kernel.width / 2;
}

at::Tensor RunMaxPool(const MaxPoolNode& pool, const at::Tensor& x) {
  const bool symmetric = HasPlainPadding(pool);
  const at::Tensor padded = symmetric ? x : Pad(x, pool.padding, -std::numeric_limits<double>::infinity());
  return at::max_pool2d(padded, {pool.kernel.height, pool.kernel.width},
                        {pool.stride.height, pool.stride.width},
                        {symmetric ? pool.padding.top : 0, symmetric ? pool.padding.left : 0},
                        {pool.dilation.height, pool.dilation.width});
}

at::Tensor RunAveragePool(const AveragePoolNode& pool, const at::Tensor& x) {
  const auto mean = [&pool](const at::Tensor& image, const Padding& padding, bool count_include_pad) {
    return at::avg_pool2d(image, {pool.kernel.height, pool.kernel.width},
                          {pool.stride.height, pool.stride.width}, {padding.top, padding.left},
                          /*ceil_mode=*/false, count_include_pad);
  };
  if (HasPlainPadding(pool)) return mean(x, pool.padding, pool.count_include_pad);
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
    case ActivationKind::kClip:
      return overwrite ? at::clamp_(x, activation.alpha, activation.beta)
                       : at::clamp(x, activation.alpha, activation.beta);
    case ActivationKind::kPower:
      return at::pow(x, activation.alpha);
    case ActivationKind::kErf:
      return overwrite ? at::erf_(x) : at::erf(x);
    case ActivationKind::kExp:
      return overwrite ? at::exp_(x) : at::exp(x);
    case ActivationKind::kSoftplus:
      return at::softplus(x);
  }
  PRECIS_CHECK(false);
}

// Whether an elementwise operation with the other operand leaves the shape of `a`.
bool Holds(const at::Tensor& a, const at::Tensor& other) {
  return a.sizes() == other.sizes() || at::infer_size(a.sizes(), other.sizes()) == a.sizes().vec();
}

at::Tensor RunAdd(at::Tensor a, const at::Tensor& b, bool overwrite) {
  return overwrite && Holds(a, b) ? a.add_(b) : at::add(a, b);
}

at::Tensor RunMultiply(at::Tensor a, const at::Tensor& b, bool overwrite) {
  const at::Tensor factor = a.dim() == b.dim() ? b : b.unsqueeze(2).unsqueeze(3);
  return overwrite && Holds(a, factor) ? a.mul_(factor) : at::mul(a, factor);
}

at::Tensor RunScale(const ScaleNode& scale, at::Tensor x, bool overwrite) {
  at::Tensor y = overwrite ? x.mul_(scale.factor) : at::mul(x, scale.factor);
  return scale.offset == 0 ? y : y.add_(scale.offset);
}

at::Tensor RunPad(const PadNode& pad, const at::Tensor& x) {
  std::vector<int64_t> edges;  // from the last dimension
  for (size_t i = pad.before.size(); i-- > 0;) edges.insert(edges.end(), {pad.before[i], pad.after[i]});
  return at::constant_pad_nd(x, edges, pad.value);
}

at::Tensor RunSample(const SampleNode& sample, const at::Tensor& x) {
  std::vector<int64_t> below;
  std::vector<double> share;  // of the next element
  bool whole = true;
  for (const double position : sample.positions) {
    below.push_back(static_cast<int64_t>(position));
    share.push_back(position - static_cast<double>(below.back()));
    whole &= share.back() == 0;
  }
  const int64_t axis = sample.axis + 1;
  const at::Tensor at_below = at::tensor(below, at::kLong).to(x.device());
  if (whole) return at::index_select(x, axis, at_below);
  const at::Tensor at_above = at::clamp_max(at_below + 1, x.size(axis) - 1);
  std::vector<int64_t> along(static_cast<size_t>(x.dim()), 1);
  along[static_cast<size_t>(axis)] = static_cast<int64_t>(share.size());
  const at::Tensor shares = at::tensor(share, x.options()).reshape(along);
  const at::Tensor lower = at::index_select(x, axis, at_below);
  return lower + (at::index_select(x, axis, at_above) - lower) * shares;
}

at::Tensor RunMean(const MeanNode& mean, const at::Tensor& x) {
  std::vector<int64_t> axes;
  for (const int64_t axis : mean.axes) axes.push_back(axis + 1);
  return x.mean(axes, /*keepdim=*/true);
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
            return at::layer_norm(x, {x.size(-1)}, parameters.weight, parameters.bias, norm.epsilon);
          },
          [&](const ActivationNode& activation) { return RunActivation(activation, x, overwrite); },
          [&](const SoftmaxNode&) { return at::softmax(x, -1); },
          [&](const AddNode&) { return RunAdd(x, inputs[1], overwrite); },
          [&](const MultiplyNode&) { return RunMultiply(x, inputs[1], overwrite); },
          [&](const ScaleNode& scale) { return RunScale(scale, x, overwrite); },
          [&](const MaxPoolNode& pool) { return RunMaxPool(pool, x); },
          [&](const AveragePoolNode& pool) { return RunAveragePool(pool, x); },
          [&](const GlobalAveragePoolNode&) {
            return x.mean({2, 3});
          },
          [&](const ConcatNode& concat) { return at::cat(inputs, concat.axis + 1); },
          [&](const ReshapeNode& reshape) { return RunReshape(reshape, x); },
          [&](const TransposeNode& transpose) { return RunTranspose(transpose, x); },
          [&](const SliceNode& slice) { return x.slice(slice.axis + 1, slice.begin, slice.end, slice.step); },
          [&](const SelectNode& select) { return x.select(select.axis + 1, select.index); },
          [&](const ClassTokenNode&) {
            return at::cat({parameters.weight.expand({x.size(0), 1, x.size(2)}), x}, 1);
          },
          [&](const PositionEmbeddingNode&) { return at::add(x, parameters.weight); },
          [&](const GainNode&) { return at::mul(x, parameters.weight); },
          [&](const OffsetNode&) { return at::add(x, parameters.weight); },
          [&](const MeanNode& mean) { return RunMean(mean, x); },
          [&](const PadNode& pad) { return RunPad(pad, x); },
          [&](const SampleNode& sample) { return RunSample(sample, x); },
      },
      op);
}

bool GivesView(const NodeOp& op) {
  return std::holds_alternative<ReshapeNode>(op) || std::holds_alternative<TransposeNode>(op) ||
         std::holds_alternative<SliceNode>(op) || std::holds_alternative<SelectNode>(op);
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
