// Shape inference, weights and text, operation by operation.
#include "supernet/graph/node_op.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"

namespace precis {
namespace {

// Far above any network, far below where sums and products of int64 overflow.
constexpr int64_t kMaxAttribute = int64_t{1} << 20;
constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int64_t kMaxLayerMacs = int64_t{1} << 52;

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // clang 14 does not deduce aggregates by itself

bool IsImage(const Shape& shape, NodeFaults& faults) {
  if (shape.size() == 3) return true;
  faults.Add("the input must be an image {channels, height, width}, not {", ShapeText(shape), "}");
  return false;
}

// {height, width} of the windows' positions; empty, with a fault, where no window fits.
Shape WindowPositions(const Shape& image, int64_t kernel, int64_t stride, int64_t padding,
                      NodeFaults& faults) {
  const int64_t height = image[1] + 2 * padding - kernel;
  const int64_t width = image[2] + 2 * padding - kernel;
  if (height >= 0 && width >= 0) return {height / stride + 1, width / stride + 1};
  faults.Add("a kernel of ", kernel, " does not fit an image of ", image[1], "x", image[2], " with padding ",
             padding);
  return {};
}

Shape InferConv(const Conv2dNode& conv, const Shape& in, NodeFaults& faults) {
  faults.RequireAttribute("out_channels", conv.out_channels, 1);
  faults.RequireAttribute("kernel", conv.kernel, 1);
  faults.RequireAttribute("stride", conv.stride, 1);
  faults.RequireAttribute("padding", conv.padding, 0);
  faults.RequireAttribute("groups", conv.groups, 1);
  if (!IsImage(in, faults) || !faults.empty()) return {};
  if (in[0] % conv.groups != 0 || conv.out_channels % conv.groups != 0) {
    faults.Add("groups ", conv.groups, " must divide the ", in[0], " input and ", conv.out_channels,
               " output channels");
  }
  const Shape positions = WindowPositions(in, conv.kernel, conv.stride, conv.padding, faults);
  if (!faults.empty()) return {};
  return {conv.out_channels, positions[0], positions[1]};
}

Shape InferLinear(const LinearNode& linear, const Shape& in, NodeFaults& faults) {
  faults.RequireAttribute("out_features", linear.out_features, 1);
  if (in.size() != 1) faults.Add("the input must be a vector {features}, not {", ShapeText(in), "}");
  return {linear.out_features};
}

Shape InferMaxPool(const MaxPoolNode& pool, const Shape& in, NodeFaults& faults) {
  faults.RequireAttribute("kernel", pool.kernel, 1);
  faults.RequireAttribute("stride", pool.stride, 1);
  faults.RequireAttribute("padding", pool.padding, 0);
  if (pool.padding > pool.kernel / 2) {
    faults.Add("padding ", pool.padding, " is more than half of kernel ", pool.kernel,
               ", so a window could see padding alone");
  }
  if (!IsImage(in, faults) || !faults.empty()) return {};
  const Shape positions = WindowPositions(in, pool.kernel, pool.stride, pool.padding, faults);
  if (!faults.empty()) return {};
  return {in[0], positions[0], positions[1]};
}

Shape InferByOp(const NodeOp& op, const std::vector<const Shape*>& in, NodeFaults& faults) {
  return std::visit(Overloaded{
                        [](const InputNode&) { return Shape{}; },
                        [&](const Conv2dNode& conv) { return InferConv(conv, *in[0], faults); },
                        [&](const LinearNode& linear) { return InferLinear(linear, *in[0], faults); },
                        [&](const BatchNormNode&) { return *in[0]; },
                        [&](const ActivationNode&) { return *in[0]; },
                        [&](const AddNode&) {
                          if (*in[0] != *in[1]) {
                            faults.Add("the inputs have different shapes, {", ShapeText(*in[0]), "} and {",
                                       ShapeText(*in[1]), "}");
                          }
                          return *in[0];
                        },
                        [&](const MaxPoolNode& pool) { return InferMaxPool(pool, *in[0], faults); },
                        [&](const GlobalAveragePoolNode&) {
                          return IsImage(*in[0], faults) ? Shape{(*in[0])[0]} : Shape{};
                        },
                    },
                    op);
}

void CheckSize(const NodeOp& op, const Shape& in, const Shape& out, NodeFaults& faults) {
  if (ElementCount(out) > kMaxElements) faults.Add("the output {", ShapeText(out), "} is too large");
  const WeightSize weight = WeightOf(op, in);
  if (weight.outputs == 0) return;
  if (ElementCount({weight.outputs, weight.reduction}) > kMaxElements) {
    faults.Add("the weight is too large: ", weight.outputs, " times ", weight.reduction, " elements");
  }
  if (ElementCount({ElementCount(out), weight.reduction}) > kMaxLayerMacs) {
    faults.Add("it needs more than ", kMaxLayerMacs, " multiply-accumulates");
  }
}

}  // namespace

void NodeFaults::RequireAttribute(const char* name, int64_t value, int64_t lowest) {
  if (value >= lowest && value <= kMaxAttribute) return;
  Add(name, " is ", value, ", allowed are ", lowest, " to ", kMaxAttribute);
}

std::string NodeFaults::Text() const { return absl::StrJoin(faults_, "; "); }

size_t InputCount(const NodeOp& op) {
  if (std::holds_alternative<InputNode>(op)) return 0;
  return std::holds_alternative<AddNode>(op) ? 2 : 1;
}

Shape InferShape(const NodeOp& op, const std::vector<const Shape*>& inputs, NodeFaults& faults) {
  Shape shape = InferByOp(op, inputs, faults);
  if (faults.empty() && !inputs.empty()) CheckSize(op, *inputs[0], shape, faults);
  return shape;
}

WeightSize WeightOf(const NodeOp& op, const Shape& in) {
  if (const auto* conv = std::get_if<Conv2dNode>(&op)) {
    return {conv->out_channels, ElementCount({in[0] / conv->groups, conv->kernel, conv->kernel}), conv->bias};
  }
  if (const auto* linear = std::get_if<LinearNode>(&op)) return {linear->out_features, in[0], linear->bias};
  return {};
}

Layer::Kind LayerKindOf(const NodeOp& op, const Shape& in) {
  const auto* conv = std::get_if<Conv2dNode>(&op);
  if (conv == nullptr) return Layer::Kind::kLinear;
  return conv->groups > 1 && conv->groups == in[0] ? Layer::Kind::kDepthwiseConv2d : Layer::Kind::kConv2d;
}

std::string OpText(const NodeOp& op) {
  return std::visit(
      Overloaded{
          [](const InputNode&) -> std::string { return "input"; },
          [](const Conv2dNode& conv) {
            return absl::StrCat("conv2d out_channels=", conv.out_channels, " kernel=", conv.kernel,
                                " stride=", conv.stride, " padding=", conv.padding, " groups=", conv.groups,
                                " bias=", conv.bias ? 1 : 0);
          },
          [](const LinearNode& linear) {
            return absl::StrCat("linear out_features=", linear.out_features, " bias=", linear.bias ? 1 : 0);
          },
          [](const BatchNormNode&) -> std::string { return "batch_norm"; },
          [](const ActivationNode& activation) -> std::string {
            return activation.kind == ActivationKind::kRelu ? "relu" : "relu6";
          },
          [](const AddNode&) -> std::string { return "add"; },
          [](const MaxPoolNode& pool) {
            return absl::StrCat("max_pool kernel=", pool.kernel, " stride=", pool.stride,
                                " padding=", pool.padding);
          },
          [](const GlobalAveragePoolNode&) -> std::string { return "global_average_pool"; },
      },
      op);
}

std::string ShapeText(const Shape& shape) { return absl::StrJoin(shape, "x"); }

int64_t ElementCount(const Shape& shape) {
  int64_t product = 1;
  for (const int64_t factor : shape) {
    if (product > std::numeric_limits<int64_t>::max() / factor) return std::numeric_limits<int64_t>::max();
    product *= factor;
  }
  return product;
}

}  // namespace precis
