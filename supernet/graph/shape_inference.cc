// Shapes, operation by operation, and everything that can be wrong with a node.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "supernet/graph/node_op.h"

namespace precis {
namespace {

// Far above any network, far below where sums and products of int64 overflow.
constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int64_t kMaxLayerMacs = int64_t{1} << 52;

using Inputs = std::vector<const Shape*>;

bool IsImage(const Shape& shape, NodeFaults& faults) {
  if (shape.size() == 3) return true;
  faults.Add("the input must be an image {channels, height, width}, not {", ShapeText(shape), "}");
  return false;
}

// {height, width} of the windows' positions; empty, with a fault, where no window fits.
Shape WindowPositions(const Shape& image, const Extent& kernel, const Extent& stride, const Padding& padding,
                      const Extent& dilation, NodeFaults& faults) {
  const int64_t height = image[1] + padding.top + padding.bottom - dilation.height * (kernel.height - 1) - 1;
  const int64_t width = image[2] + padding.left + padding.right - dilation.width * (kernel.width - 1) - 1;
  if (height >= 0 && width >= 0) return {height / stride.height + 1, width / stride.width + 1};
  faults.Add("a kernel of ", ExtentText(kernel), dilation == Extent(1) ? "" : " dilated by ",
             dilation == Extent(1) ? "" : ExtentText(dilation), " does not fit an image of ", image[1], "x",
             image[2], " with padding ", PaddingText(padding));
  return {};
}

Shape InferConv(const Conv2dNode& conv, const Shape& in, NodeFaults& faults) {
  faults.RequireAttribute("out_channels", conv.out_channels, 1);
  faults.RequireExtent("kernel", conv.kernel, 1);
  faults.RequireExtent("stride", conv.stride, 1);
  faults.RequirePadding(conv.padding);
  faults.RequireExtent("dilation", conv.dilation, 1);
  faults.RequireAttribute("groups", conv.groups, 1);
  if (!IsImage(in, faults) || !faults.empty()) return {};
  if (in[0] % conv.groups != 0 || conv.out_channels % conv.groups != 0) {
    faults.Add("groups ", conv.groups, " must divide the ", in[0], " input and ", conv.out_channels,
               " output channels");
  }
  const Shape positions = WindowPositions(in, conv.kernel, conv.stride, conv.padding, conv.dilation, faults);
  if (!faults.empty()) return {};
  return {conv.out_channels, positions[0], positions[1]};
}

template <typename PoolNode>
Shape InferPool(const PoolNode& pool, const Extent& dilation, const Shape& in, NodeFaults& faults) {
  faults.RequireExtent("kernel", pool.kernel, 1);
  faults.RequireExtent("stride", pool.stride, 1);
  faults.RequireExtent("dilation", dilation, 1);
  faults.RequirePadding(pool.padding);
  if (std::max(pool.padding.top, pool.padding.bottom) >= pool.kernel.height ||
      std::max(pool.padding.left, pool.padding.right) >= pool.kernel.width) {
    faults.Add("padding ", PaddingText(pool.padding), " is no less than kernel ", ExtentText(pool.kernel),
               ", so a window could see padding alone");
  }
  if (!IsImage(in, faults) || !faults.empty()) return {};
  const Shape positions = WindowPositions(in, pool.kernel, pool.stride, pool.padding, dilation, faults);
  if (!faults.empty()) return {};
  return {in[0], positions[0], positions[1]};
}

Shape InferLinear(const LinearNode& linear, const Shape& in, NodeFaults& faults) {
  faults.RequireAttribute("out_features", linear.out_features, 1);
  if (in.size() > 2) {
    faults.Add("the input must be a vector {features} or tokens {tokens, features}, not {", ShapeText(in),
               "}");
  }
  Shape out = in;
  out.back() = linear.out_features;
  return out;
}

Shape InferMatMul(const MatMulNode& product, const Inputs& in, NodeFaults& faults) {
  const Shape& a = *in[0];
  const Shape& b = *in[1];
  const size_t rank = a.size();
  if ((rank != 2 && rank != 3) || b.size() != rank) {
    faults.Add("the inputs must both have two dimensions or both three, not {", ShapeText(a), "} and {",
               ShapeText(b), "}");
    return {};
  }
  const int64_t reduction = b[rank - (product.transpose_second ? 1 : 2)];
  if (a[rank - 1] != reduction || (rank == 3 && a[0] != b[0])) {
    faults.Add("the inputs {", ShapeText(a), "} and {", ShapeText(b), "} have no product",
               product.transpose_second ? " with the second transposed" : "");
  }
  Shape out = a;
  out.back() = b[rank - (product.transpose_second ? 2 : 1)];
  return out;
}

// Of the two, a size of 1 is repeated.
Shape InferBroadcast(const Shape& a, const Shape& b, const char* what, NodeFaults& faults) {
  Shape out = a;
  bool fits = a.size() == b.size();
  for (size_t i = 0; fits && i < a.size(); ++i) {
    if (a[i] == 1) out[i] = b[i];
    fits = a[i] == b[i] || a[i] == 1 || b[i] == 1;
  }
  if (!fits) {
    faults.Add(what, " have different shapes, {", ShapeText(a), "} and {", ShapeText(b),
               "}; only a dimension of size 1 is repeated");
  }
  return out;
}

Shape InferTrained(const Shape& trained, const Shape& in, NodeFaults& faults) {
  const bool positive =
      std::all_of(trained.begin(), trained.end(), [](int64_t dimension) { return dimension > 0; });
  if (!positive) {
    faults.Add("dimensions are above 0, not {", ShapeText(trained), "}");
    return in;
  }
  if (ElementCount(trained) > kMaxElements) {
    faults.Add("the tensor {", ShapeText(trained), "} is too large");
  }
  return InferBroadcast(in, trained, "the input and the trained tensor", faults);
}

Shape InferMultiply(const Inputs& in, NodeFaults& faults) {
  const Shape& a = *in[0];
  const Shape& b = *in[1];
  const bool by_channel = a.size() == 3 && b.size() == 1 && a[0] == b[0];
  if (by_channel) return a;
  return InferBroadcast(a, b, "the inputs, no image and a factor for each of its channels,", faults);
}

Shape InferMean(const MeanNode& mean, const Shape& in, NodeFaults& faults) {
  Shape out = in;
  int64_t last = -1;
  if (mean.axes.empty()) faults.Add("there is no axis to take the mean along");
  for (const int64_t axis : mean.axes) {
    if (!faults.RequireAxis(axis, in)) return out;
    if (axis <= last) faults.Add("axes must rise, and ", axis, " does not");
    last = axis;
    out[static_cast<size_t>(axis)] = 1;
  }
  return out;
}

Shape InferPad(const PadNode& pad, const Shape& in, NodeFaults& faults) {
  if (pad.before.size() != in.size() || pad.after.size() != in.size()) {
    faults.Add("there must be one entry a dimension before and after, for {", ShapeText(in), "}");
    return in;
  }
  if (!std::isfinite(pad.value)) faults.Add("value is ", pad.value, ", allowed are finite numbers");
  Shape out = in;
  for (size_t i = 0; i < in.size(); ++i) {
    faults.RequireAttribute("before", pad.before[i], 0);
    faults.RequireAttribute("after", pad.after[i], 0);
    if (faults.empty()) out[i] += pad.before[i] + pad.after[i];
  }
  return out;
}

Shape InferSample(const SampleNode& sample, const Shape& in, NodeFaults& faults) {
  if (!faults.RequireAxis(sample.axis, in)) return in;
  Shape out = in;
  const auto axis = static_cast<size_t>(sample.axis);
  const auto last = static_cast<double>(in[axis] - 1);
  faults.RequireAttribute("the number of positions", static_cast<int64_t>(sample.positions.size()), 1);
  for (const double position : sample.positions) {
    if (position >= 0 && position <= last) continue;
    faults.Add("position ", position, " is outside of dimension ", axis, ", allowed are 0 to ", last);
    break;
  }
  out[axis] = static_cast<int64_t>(sample.positions.size());
  return out;
}

Shape InferConcat(const ConcatNode& concat, const Inputs& in, NodeFaults& faults) {
  Shape out = *in[0];
  if (!faults.RequireAxis(concat.axis, out)) return {};
  const auto axis = static_cast<size_t>(concat.axis);
  for (size_t i = 1; i < in.size(); ++i) {
    Shape other = *in[i];
    if (other.size() != out.size()) {
      faults.Add("input ", i, " has ", other.size(), " dimension(s), the first ", out.size());
      continue;
    }
    out[axis] += other[axis];
    other[axis] = (*in[0])[axis];
    if (other != *in[0]) {
      faults.Add("input ", i, " {", ShapeText(*in[i]), "} and the first {", ShapeText(*in[0]),
                 "} differ beyond dimension ", axis);
    }
  }
  return out;
}

Shape InferReshape(const ReshapeNode& reshape, const Shape& in, NodeFaults& faults) {
  const bool positive = std::all_of(reshape.shape.begin(), reshape.shape.end(),
                                    [](int64_t dimension) { return dimension > 0; });
  if (reshape.shape.empty() || !positive) {
    faults.Add("a shape has one dimension or more, all above 0, not {", ShapeText(reshape.shape), "}");
  } else if (ElementCount(reshape.shape) != ElementCount(in)) {
    faults.Add("{", ShapeText(in), "} has ", ElementCount(in), " elements, {", ShapeText(reshape.shape), "} ",
               ElementCount(reshape.shape));
  }
  return reshape.shape;
}

Shape InferTranspose(const TransposeNode& transpose, const Shape& in, NodeFaults& faults) {
  std::vector<int64_t> sorted = transpose.permutation;
  std::sort(sorted.begin(), sorted.end());
  bool is_permutation = sorted.size() == in.size();
  for (size_t i = 0; i < sorted.size(); ++i) is_permutation &= sorted[i] == static_cast<int64_t>(i);
  if (!is_permutation) {
    faults.Add("{", ShapeText(transpose.permutation), "} does not permute the ", in.size(),
               " dimension(s) of the input, which count from 0");
    return {};
  }
  Shape out;
  for (const int64_t from : transpose.permutation) out.push_back(in[static_cast<size_t>(from)]);
  return out;
}

Shape InferSlice(const SliceNode& slice, const Shape& in, NodeFaults& faults) {
  if (!faults.RequireAxis(slice.axis, in)) return {};
  Shape out = in;
  int64_t& size = out[static_cast<size_t>(slice.axis)];
  if (slice.begin < 0 || slice.begin >= slice.end || slice.end > size) {
    faults.Add("[", slice.begin, ", ", slice.end, ") is no part of dimension ", slice.axis, ", which has ",
               size, " elements");
  }
  faults.RequireAttribute("step", slice.step, 1);
  if (faults.empty()) size = (slice.end - slice.begin - 1) / slice.step + 1;
  return out;
}

Shape InferSelect(const SelectNode& select, const Shape& in, NodeFaults& faults) {
  if (in.size() < 2) faults.Add("the input must have two dimensions or more, not {", ShapeText(in), "}");
  if (!faults.RequireAxis(select.axis, in)) return {};
  const int64_t size = in[static_cast<size_t>(select.axis)];
  if (select.index < 0 || select.index >= size) {
    faults.Add("index is ", select.index, ", allowed are 0 to ", size - 1);
  }
  Shape out = in;
  out.erase(out.begin() + select.axis);
  return out;
}

Shape InferActivation(const ActivationNode& activation, const Shape& in, NodeFaults& faults) {
  const bool has_beta = activation.kind == ActivationKind::kClip;
  const bool has_alpha = has_beta || activation.kind == ActivationKind::kLeakyRelu ||
                         activation.kind == ActivationKind::kElu || activation.kind == ActivationKind::kPower;
  if (!std::isfinite(activation.alpha) || (!has_alpha && activation.alpha != 0)) {
    faults.Add("alpha is ", activation.alpha,
               has_alpha ? ", allowed are finite numbers" : ", and this activation has none");
  }
  if (has_beta && !(std::isfinite(activation.beta) && activation.beta >= activation.alpha)) {
    faults.Add("beta is ", activation.beta, ", allowed are finite numbers from alpha on, which is ",
               activation.alpha);
  } else if (!has_beta && activation.beta != 0) {
    faults.Add("beta is ", activation.beta, ", and this activation has none");
  }
  return in;
}

Shape InferNorm(double epsilon, const Shape& in, NodeFaults& faults) {
  if (!(epsilon > 0 && epsilon <= 1)) {
    faults.Add("epsilon is ", epsilon, ", allowed are numbers above 0 up to 1");
  }
  return in;
}

Shape InferByOp(const NodeOp& op, const Inputs& in, NodeFaults& faults) {
  return std::visit(
      Overloaded{
          [](const InputNode&) { return Shape{}; },
          [&](const Conv2dNode& conv) { return InferConv(conv, *in[0], faults); },
          [&](const LinearNode& linear) { return InferLinear(linear, *in[0], faults); },
          [&](const MatMulNode& product) { return InferMatMul(product, in, faults); },
          [&](const BatchNormNode& norm) {
            if (in[0]->size() != 1 && in[0]->size() != 3) {
              faults.Add("the input must be an image or a vector, not {", ShapeText(*in[0]), "}");
            }
            return InferNorm(norm.epsilon, *in[0], faults);
          },
          [&](const LayerNormNode& norm) { return InferNorm(norm.epsilon, *in[0], faults); },
          [&](const ActivationNode& activation) { return InferActivation(activation, *in[0], faults); },
          [&](const SoftmaxNode&) { return *in[0]; },
          [&](const AddNode&) { return InferBroadcast(*in[0], *in[1], "the inputs", faults); },
          [&](const MultiplyNode&) { return InferMultiply(in, faults); },
          [&](const ScaleNode& scale) {
            if (!std::isfinite(scale.factor)) {
              faults.Add("factor is ", scale.factor, ", allowed are finite numbers");
            }
            if (!std::isfinite(scale.offset)) {
              faults.Add("offset is ", scale.offset, ", allowed are finite numbers");
            }
            return *in[0];
          },
          [&](const MaxPoolNode& pool) { return InferPool(pool, pool.dilation, *in[0], faults); },
          [&](const AveragePoolNode& pool) { return InferPool(pool, 1, *in[0], faults); },
          [&](const GlobalAveragePoolNode&) {
            return IsImage(*in[0], faults) ? Shape{(*in[0])[0]} : Shape{};
          },
          [&](const ConcatNode& concat) { return InferConcat(concat, in, faults); },
          [&](const ReshapeNode& reshape) { return InferReshape(reshape, *in[0], faults); },
          [&](const TransposeNode& transpose) { return InferTranspose(transpose, *in[0], faults); },
          [&](const SliceNode& slice) { return InferSlice(slice, *in[0], faults); },
          [&](const SelectNode& select) { return InferSelect(select, *in[0], faults); },
          [&](const ClassTokenNode&) {
            if (in[0]->size() == 2) return Shape{(*in[0])[0] + 1, (*in[0])[1]};
            faults.Add("the input must be tokens {tokens, features}, not {", ShapeText(*in[0]), "}");
            return Shape{};
          },
          [&](const PositionEmbeddingNode&) { return *in[0]; },
          [&](const GainNode& gain) { return InferTrained(gain.shape, *in[0], faults); },
          [&](const OffsetNode& offset) { return InferTrained(offset.shape, *in[0], faults); },
          [&](const MeanNode& mean) { return InferMean(mean, *in[0], faults); },
          [&](const PadNode& pad) { return InferPad(pad, *in[0], faults); },
          [&](const SampleNode& sample) { return InferSample(sample, *in[0], faults); },
      },
      op);
}

void CheckSize(const NodeOp& op, const Shape& in, const Shape& out, NodeFaults& faults) {
  if (ElementCount(out) > kMaxElements) faults.Add("the output {", ShapeText(out), "} is too large");
  const std::optional<LayerSize> layer = LayerSizeOf(op, in);
  if (!layer.has_value()) return;
  if (layer->kind != Layer::Kind::kMatMul &&
      ElementCount({layer->output_channels, layer->reduction}) > kMaxElements) {
    faults.Add("the weight is too large: ", layer->output_channels, " times ", layer->reduction, " elements");
  }
  if (ElementCount({ElementCount(out), layer->reduction}) > kMaxLayerMacs) {
    faults.Add("it needs more than ", kMaxLayerMacs, " multiply-accumulates");
  }
}

}  // namespace

Shape InferShape(const NodeOp& op, const Inputs& inputs, NodeFaults& faults) {
  Shape shape = InferByOp(op, inputs, faults);
  if (faults.empty() && !inputs.empty()) CheckSize(op, *inputs[0], shape, faults);
  return shape;
}

}  // namespace precis
