// The node list: adding to it, and what is derived from it.
#include "supernet/graph/model_graph.h"

#include <algorithm>
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

// Whether an output cannot be below 0 where no input is.
bool KeepsSign(const NodeOp& op) {
  return std::holds_alternative<AddNode>(op) || std::holds_alternative<MaxPoolNode>(op) ||
         std::holds_alternative<GlobalAveragePoolNode>(op);
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
  PRECIS_CHECK(ElementCount(input_shape) <= kMaxInputElements);
  nodes_.push_back({.name = "input", .op = InputNode{}, .inputs = {}, .shape = std::move(input_shape)});
}

absl::StatusOr<NodeId> ModelGraph::Add(std::string node_name, NodeOp op, std::vector<NodeId> inputs) {
  NodeFaults faults;
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
    NodeFaults op_faults;
    shape = InferShape(op, input_shapes, op_faults);
    if (!op_faults.empty()) faults.Add(op_faults.Text());
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
  std::vector<bool> nonnegative(nodes_.size(), false);
  for (NodeId id = 1; id <= output(); ++id) {
    const Node& current = node(id);
    const Shape& in = node(current.inputs[0]).shape;
    const WeightSize weight = WeightOf(current.op, in);
    const bool inputs_are = std::all_of(current.inputs.begin(), current.inputs.end(), [&](NodeId input) {
      return nonnegative[static_cast<size_t>(input)];
    });
    nonnegative[static_cast<size_t>(id)] =
        std::holds_alternative<ActivationNode>(current.op) || (inputs_are && KeepsSign(current.op));
    if (weight.outputs == 0) continue;
    layers.push_back({.node = id,
                      .name = current.name,
                      .kind = LayerKindOf(current.op, in),
                      .macs = ElementCount(current.shape) * weight.reduction,
                      .weights = weight.outputs * weight.reduction,
                      .output_channels = weight.outputs,
                      .reduction = weight.reduction,
                      .input_elements = ElementCount(in),
                      .nonnegative_input = inputs_are});
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
