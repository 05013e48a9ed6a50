// The node list: adding to it, and what is derived from it.
#include "supernet/graph/model_graph.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"

namespace precis {
namespace {

constexpr int64_t kMaxInputElements = int64_t{1} << 40;

// Printable ASCII without spaces, so that a name is one word of the canonical text and a key of any file.
bool IsWord(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

// "1", "2", "2 or more".
std::string LimitsText(const InputLimits& limits) {
  return limits.least == limits.most ? absl::StrCat(limits.least) : absl::StrCat(limits.least, " or more");
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
    case Layer::Kind::kMatMul:
      return "matmul";
  }
  PRECIS_CHECK(false);
}

ModelGraph::ModelGraph(std::string name, Shape input_shape) : name_(std::move(name)) {
  PRECIS_CHECK(IsWord(name_));
  PRECIS_CHECK(!input_shape.empty() && input_shape.size() <= 3);
  for (const int64_t dimension : input_shape) PRECIS_CHECK(dimension > 0);
  PRECIS_CHECK(ElementCount(input_shape) <= kMaxInputElements);
  nodes_.push_back({.name = "input", .op = InputNode{}, .inputs = {}, .shape = std::move(input_shape)});
}

absl::StatusOr<NodeId> ModelGraph::Add(std::string node_name, NodeOp op, std::vector<NodeId> inputs,
                                       std::string group) {
  NodeFaults faults;
  if (!IsWord(node_name)) faults.Add("a name is printable ASCII without spaces, and not empty");
  if (std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& n) { return n.name == node_name; })) {
    faults.Add("the name is taken");
  }
  if (!group.empty() && !IsWord(group)) faults.Add("a group is printable ASCII without spaces");
  if (std::holds_alternative<InputNode>(op)) faults.Add("a graph has one input, and it has it already");
  const InputLimits limits = InputLimitsOf(op);
  const bool fits = inputs.size() >= limits.least && inputs.size() <= limits.most;
  if (!fits) faults.Add("it takes ", LimitsText(limits), " input(s), not ", inputs.size());
  std::vector<const Shape*> input_shapes;
  for (const NodeId input : inputs) {
    if (input < 0 || input > output()) {
      faults.Add("there is no node ", input, " to take as input");
    } else {
      input_shapes.push_back(&node(input).shape);
    }
  }
  Shape shape;
  if (fits && input_shapes.size() == inputs.size()) {
    NodeFaults op_faults;
    shape = InferShape(op, input_shapes, op_faults);
    if (!op_faults.empty()) faults.Add(op_faults.Text());
    if (!group.empty() && op_faults.empty() && !inputs.empty() &&
        !LayerSizeOf(op, *input_shapes[0]).has_value()) {
      faults.Add("it is no layer, so it is in no group");
    }
  }
  if (!faults.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("node \"", node_name, "\": ", faults.Text()));
  }
  nodes_.push_back({.name = std::move(node_name),
                    .op = std::move(op),
                    .inputs = std::move(inputs),
                    .shape = std::move(shape),
                    .group = std::move(group)});
  return output();
}

std::vector<Layer> ModelGraph::Layers() const {
  std::vector<Layer> layers;
  std::vector<bool> nonnegative(nodes_.size(), false);
  for (NodeId id = 1; id <= output(); ++id) {
    const Node& current = node(id);
    const Shape& in = node(current.inputs[0]).shape;
    const auto is_nonnegative = [&](NodeId input) { return nonnegative[static_cast<size_t>(input)]; };
    const bool inputs_are = std::all_of(current.inputs.begin(), current.inputs.end(), is_nonnegative);
    nonnegative[static_cast<size_t>(id)] =
        IsNonnegative(current.op) || (inputs_are && KeepsNonnegative(current.op));
    const std::optional<LayerSize> size = LayerSizeOf(current.op, in);
    if (!size.has_value()) continue;
    const bool has_weight = size->kind != Layer::Kind::kMatMul;
    layers.push_back({.node = id,
                      .name = current.name,
                      .kind = size->kind,
                      .macs = ElementCount(current.shape) * size->reduction,
                      .weights = has_weight ? size->output_channels * size->reduction : 0,
                      .output_channels = size->output_channels,
                      .reduction = size->reduction,
                      .input_elements = ElementCount(in),
                      .nonnegative_input = is_nonnegative(current.inputs[0]),
                      .group = current.group});
  }
  return layers;
}

std::vector<ActivationOperand> ModelGraph::ActivationOperands() const {
  std::vector<ActivationOperand> operands;
  std::vector<ActivationOperand> second;
  const std::vector<Layer> layers = Layers();
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::vector<NodeId>& inputs = node(layers[i].node).inputs;
    operands.push_back({.layer = i, .node = inputs[0], .is_second = false});
    if (!layers[i].HasWeight()) second.push_back({.layer = i, .node = inputs[1], .is_second = true});
  }
  operands.insert(operands.end(), second.begin(), second.end());
  return operands;
}

std::vector<ParameterInfo> ModelGraph::Parameters() const {
  std::vector<ParameterInfo> parameters;
  for (NodeId id = 1; id <= output(); ++id) {
    const Node& current = node(id);
    for (ParameterShape& each : ParametersOf(current.op, node(current.inputs[0]).shape)) {
      parameters.push_back({id, absl::StrCat(current.name, ".", each.name), std::move(each.shape)});
    }
  }
  return parameters;
}

int64_t ModelGraph::ParameterCount() const {
  int64_t count = 0;
  for (const ParameterInfo& parameter : Parameters()) count += ElementCount(parameter.shape);
  return count;
}

std::string ModelGraph::CanonicalText() const {
  std::string text = absl::StrCat("graph ", name_, "\n");
  for (const Node& current : nodes_) {
    absl::StrAppend(&text, current.name, " = ", OpText(current.op));
    for (const NodeId input : current.inputs) absl::StrAppend(&text, " ", node(input).name);
    absl::StrAppend(&text, " -> ", ShapeText(current.shape));
    if (!current.group.empty()) absl::StrAppend(&text, " group=", current.group);
    absl::StrAppend(&text, "\n");
  }
  return text;
}

int64_t TotalMacs(const ModelGraph& graph) {
  int64_t macs = 0;
  for (const Layer& layer : graph.Layers()) macs += layer.macs;
  return macs;
}

}  // namespace precis
