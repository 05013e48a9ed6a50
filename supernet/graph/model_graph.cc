// Shape inference, the layer list, and the canonical text.
#include "supernet/graph/model_graph.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"

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

// The product, or a number above every limit if it is that large. All factors positive.
int64_t Product(const Shape& factors) {
  int64_t product = 1;
  for (const int64_t factor : factors) {
    if (product > std::numeric_limits<int64_t>::max() / factor) return std::numeric_limits<int64_t>::max();
    product *= factor;
  }
  return product;
}

std::string ShapeText(const Shape& shape) { return absl::StrJoin(shape, "x"); }

// Printable ASCII without spaces, so that a name is one word of the canonical text and a key of any file.
bool IsWord(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

// What is wrong with a node; all of it, since a user's own network may have several faults.
class Faults {
 public:
  template <typename... Parts>
  void Add(const Parts&... parts) {
    faults_.push_back(absl::StrCat(parts...));
  }
  void RequireRange(const char* attribute, int64_t value, int64_t lowest) {
    if (value >= lowest && value <= kMaxAttribute) return;
    Add(attribute, " is ", value, ", allowed are ", lowest, " to ", kMaxAttribute);
  }
  bool empty() const { return faults_.empty(); }
  std::string Text() const { return absl::StrJoin(faults_, "; "); }

 private:
  std::vector<std::string> faults_;
};

bool IsImage(const Shape& shape, Faults& faults) {
  if (shape.size() == 3) return true;
  faults.Add("the input must be an image {channels, height, width}, not {", ShapeText(shape), "}");
  return false;
}

// {height, width} of the windows' positions; empty, with a fault, where no window fits.
Shape WindowPositions(const Shape& image, int64_t kernel, int64_t stride, int64_t padding, Faults& faults) {
  const int64_t height = image[1] + 2 * padding - kernel;
  const int64_t width = image[2] + 2 * padding - kernel;
  if (height >= 0 && width >= 0) return {height / stride + 1, width / stride + 1};
  faults.Add("a kernel of ", kernel, " does not fit an image of ", image[1], "x", image[2], " with padding ",
             padding);
  return {};
}

Shape InferConv(const Conv2dNode& conv, const Shape& in, Faults& faults) {
  faults.RequireRange("out_channels", conv.out_channels, 1);
  faults.RequireRange("kernel", conv.kernel, 1);
  faults.RequireRange("stride", conv.stride, 1);
  faults.RequireRange("padding", conv.padding, 0);
  faults.RequireRange("groups", conv.groups, 1);
  if (!IsImage(in, faults) || !faults.empty()) return {};
  if (in[0] % conv.groups != 0 || conv.out_channels % conv.groups != 0) {
    faults.Add("groups ", conv.groups, " must divide the ", in[0], " input and ", conv.out_channels,
               " output channels");
  }
  const Shape positions = WindowPositions(in, conv.kernel, conv.stride, conv.padding, faults);
  if (!faults.empty()) return {};
  return {conv.out_channels, positions[0], positions[1]};
}

Shape InferLinear(const LinearNode& linear, const Shape& in, Faults& faults) {
  faults.RequireRange("out_features", linear.out_features, 1);
  if (in.size() != 1) faults.Add("the input must be a vector {features}, not {", ShapeText(in), "}");
  return {linear.out_features};
}

Shape InferMaxPool(const MaxPoolNode& pool, const Shape& in, Faults& faults) {
  faults.RequireRange("kernel", pool.kernel, 1);
  faults.RequireRange("stride", pool.stride, 1);
  faults.RequireRange("padding", pool.padding, 0);
  if (pool.padding > pool.kernel / 2) {
    faults.Add("padding ", pool.padding, " is more than half of kernel ", pool.kernel,
               ", so a window could see padding alone");
  }
  if (!IsImage(in, faults) || !faults.empty()) return {};
  const Shape positions = WindowPositions(in, pool.kernel, pool.stride, pool.padding, faults);
  if (!faults.empty()) return {};
  return {in[0], positions[0], positions[1]};
}

size_t InputCount(const NodeOp& op) {
  if (std::holds_alternative<InputNode>(op)) return 0;
  return std::holds_alternative<AddNode>(op) ? 2 : 1;
}

Shape InferShape(const NodeOp& op, const std::vector<const Shape*>& in, Faults& faults) {
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

struct WeightSize {
  int64_t outputs = 0;    // output channels or features
  int64_t reduction = 0;  // products summed into one output
  bool bias = false;
};

// All zero for a node without a weight.
WeightSize WeightOf(const NodeOp& op, const Shape& in) {
  if (const auto* conv = std::get_if<Conv2dNode>(&op)) {
    return {conv->out_channels, Product({in[0] / conv->groups, conv->kernel, conv->kernel}), conv->bias};
  }
  if (const auto* linear = std::get_if<LinearNode>(&op)) return {linear->out_features, in[0], linear->bias};
  return {};
}

void CheckSize(const NodeOp& op, const Shape& in, const Shape& out, Faults& faults) {
  if (Product(out) > kMaxElements) faults.Add("the output {", ShapeText(out), "} is too large");
  const WeightSize weight = WeightOf(op, in);
  if (weight.outputs == 0) return;
  if (Product({weight.outputs, weight.reduction}) > kMaxElements) {
    faults.Add("the weight is too large: ", weight.outputs, " times ", weight.reduction, " elements");
  }
  if (Product({Product(out), weight.reduction}) > kMaxLayerMacs) faults.Add("it computes too much");
}

Layer::Kind KindOf(const NodeOp& op, const Shape& in) {
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

}  // namespace

const char* LayerKindName(Layer::Kind kind) {
  switch (kind) {
    case Layer::Kind::kConv2d:
      return "conv2d";
    case Layer::Kind::kDepthwiseConv2d:
      return "depthwise_conv2d";
    case Layer::Kind::kLinear:
      return "linear";
  }
  PRECIS_CHECK(false);
}

ModelGraph::ModelGraph(std::string name, Shape input_shape) : name_(std::move(name)) {
  PRECIS_CHECK(IsWord(name_));
  PRECIS_CHECK(input_shape.size() == 1 || input_shape.size() == 3);
  for (const int64_t dimension : input_shape) PRECIS_CHECK(dimension > 0);
  PRECIS_CHECK(Product(input_shape) <= kMaxElements);
  nodes_.push_back({.name = "input", .op = InputNode{}, .inputs = {}, .shape = std::move(input_shape)});
}

absl::StatusOr<NodeId> ModelGraph::Add(std::string node_name, NodeOp op, std::vector<NodeId> inputs) {
  Faults faults;
  if (!IsWord(node_name)) faults.Add("a name is printable ASCII without spaces, and not empty");
  if (std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.name == node_name; })) {
    faults.Add("the name is taken");
  }
  if (std::holds_alternative<InputNode>(op)) faults.Add("a graph has one input, and it has it already");
  if (inputs.size() != InputCount(op)) {
    faults.Add("it takes ", InputCount(op), " input(s), not ", inputs.size());
  }
  std::vector<const Shape*> input_shapes;
  for (const NodeId input : inputs) {
    if (input < 0 || input > output()) {
      faults.Add("there is no node ", input, " to take as input");
    } else {
      input_shapes.push_back(&node(input).shape);
    }
  }
  Shape shape;
  if (input_shapes.size() == InputCount(op)) {
    shape = InferShape(op, input_shapes, faults);
    if (faults.empty()) CheckSize(op, *input_shapes[0], shape, faults);
  }
  if (!faults.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("node \"", node_name, "\": ", faults.Text()));
  }
  nodes_.push_back(
      {.name = std::move(node_name), .op = op, .inputs = std::move(inputs), .shape = std::move(shape)});
  return output();
}

std::vector<Layer> ModelGraph::Layers() const {
  std::vector<Layer> layers;
  for (NodeId id = 1; id <= output(); ++id) {
    const Node& current = node(id);
    const Shape& in = node(current.inputs[0]).shape;
    const WeightSize weight = WeightOf(current.op, in);
    if (weight.outputs == 0) continue;
    layers.push_back({.node = id,
                      .name = current.name,
                      .kind = KindOf(current.op, in),
                      .macs = Product(current.shape) * weight.reduction,
                      .weights = weight.outputs * weight.reduction,
                      .output_channels = weight.outputs,
                      .reduction = weight.reduction,
                      .input_elements = Product(in)});
  }
  return layers;
}

int64_t ModelGraph::ParameterCount() const {
  int64_t count = 0;
  for (NodeId id = 1; id <= output(); ++id) {
    const Node& current = node(id);
    const WeightSize weight = WeightOf(current.op, node(current.inputs[0]).shape);
    count += weight.outputs * (weight.reduction + (weight.bias ? 1 : 0));
    if (std::holds_alternative<BatchNormNode>(current.op)) count += 2 * current.shape[0];
  }
  return count;
}

std::string ModelGraph::CanonicalText() const {
  std::string text = absl::StrCat("graph ", name_, "\n");
  for (const Node& current : nodes_) {
    absl::StrAppend(&text, current.name, " = ", OpText(current.op));
    for (const NodeId input : current.inputs) absl::StrAppend(&text, " ", node(input).name);
    absl::StrAppend(&text, " -> ", ShapeText(current.shape), "\n");
  }
  return text;
}

int64_t TotalMacs(const ModelGraph& graph) {
  int64_t macs = 0;
  for (const Layer& layer : graph.Layers()) macs += layer.macs;
  return macs;
}

}  // namespace precis
