// Everything that depends on the weights alone happens once, in the constructor.
#include "supernet/execution/frozen_network.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <variant>

#include "supernet/execution/graph_walk.h"
#include "supernet/execution/run_node.h"
#include "supernet/formats/check.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {
namespace {

// Whether a batch norm behind it can be folded into its weight.
bool HasWeight(const Node& node) {
  return std::holds_alternative<Conv2dNode>(node.op) || std::holds_alternative<LinearNode>(node.op);
}

// {channels} as {channels, 1, …} or {1, channels, 1, …}, to meet a tensor of that many dimensions.
at::Tensor Along(const at::Tensor& per_channel, int64_t dimension, int64_t dimensions) {
  std::vector<int64_t> shape(static_cast<size_t>(dimensions), 1);
  shape[static_cast<size_t>(dimension)] = per_channel.size(0);
  return per_channel.reshape(shape);
}

}  // namespace

FrozenNetwork::FrozenNetwork(const Supernet& net, const Assignment& assignment,
                             const Calibration& calibration)
    : net_(net), nodes_(net.graph().nodes().size()) {
  PRECIS_CHECK(assignment.layers.size() == net.layer_count());
  const c10::NoGradGuard no_gradients;
  size_t layer = 0;
  for (NodeId id = 0; id <= net.graph().output(); ++id) {
    const Node& node = net.graph().node(id);
    FrozenNode& frozen = nodes_[static_cast<size_t>(id)];
    if (layer < net.layer_count() && net.layers()[layer].node == id) {
      if (net.layers()[layer].HasWeight()) {
        frozen.weight = net.QuantizedWeight(id, assignment.layers[layer].weight, /*pass_seed=*/0);
        frozen.bias = net.Bias(id);
      }
      ++layer;
    } else if (const auto* norm = std::get_if<BatchNormNode>(&node.op)) {
      const auto at = static_cast<size_t>(id);
      const at::Tensor factor = net.Weight(id) * (calibration.variance[at] + norm->epsilon).rsqrt();
      const at::Tensor shift = net.Bias(id) - calibration.mean[at] * factor;
      FrozenNode& before = nodes_[static_cast<size_t>(node.inputs[0])];
      frozen.folded = HasWeight(net.graph().node(node.inputs[0])) && net.walk().Readers(node.inputs[0]) == 1;
      if (frozen.folded) {
        before.weight = before.weight * Along(factor, 0, before.weight.dim());
        before.bias = before.bias.defined() ? before.bias * factor + shift : shift;
      } else {
        frozen.weight = factor;
        frozen.bias = shift;
      }
    }
  }
  FreezeOperands(assignment, calibration);
}

void FrozenNetwork::FreezeOperands(const Assignment& assignment, const Calibration& calibration) {
  for (size_t i = 0; i < net_.operands().size(); ++i) {
    const ActivationOperand& operand = net_.operands()[i];
    const OperandRead read = net_.ReadOf(i, assignment);
    nodes_[static_cast<size_t>(net_.layers()[operand.layer].node)].operands.push_back(
        {.from = read.node,
         .axis = read.axis,
         .format = read.format,
         .range = NeedsRange(read.format) ? calibration.activation_ranges[i] : at::Tensor()});
  }
}

at::Tensor FrozenNetwork::RunFrozenLayer(const Node& node, const FrozenNode& frozen,
                                         const std::vector<at::Tensor>& inputs) const {
  const auto quantized = [&](size_t i) {
    const FrozenOperand& operand = frozen.operands[i];
    const uint64_t seed = RoundingSeed(/*pass_seed=*/0, operand.from, Operand::kActivation);
    return FakeQuantizeAlong(operand.axis, inputs[i], operand.format, {.range = operand.range, .seed = seed});
  };
  return RunLayer(node.op, quantized(0), frozen.weight.defined() ? frozen.weight : quantized(1), frozen.bias);
}

at::Tensor FrozenNetwork::Forward(const at::Tensor& images) const {
  const c10::NoGradGuard no_gradients;
  const ModelGraph& graph = net_.graph();
  std::vector<at::Tensor> values(graph.nodes().size());
  for (NodeId id = 0; id <= graph.output(); ++id) {
    const Node& node = graph.node(id);
    const FrozenNode& frozen = nodes_[static_cast<size_t>(id)];
    std::vector<at::Tensor> inputs;
    for (const NodeId input : node.inputs) inputs.push_back(values[static_cast<size_t>(input)]);
    at::Tensor& y = values[static_cast<size_t>(id)];

    if (std::holds_alternative<InputNode>(node.op)) {
      y = images;
    } else if (!frozen.operands.empty()) {
      y = RunFrozenLayer(node, frozen, inputs);
    } else if (std::holds_alternative<BatchNormNode>(node.op)) {
      const at::Tensor& x = inputs[0];
      y = frozen.folded ? x : x * Along(frozen.weight, 1, x.dim()) + Along(frozen.bias, 1, x.dim());
    } else {
      // No gradients: an output with one reader is nobody else's, unless it is part of another. The images
      // are the caller's.
      const NodeId first = node.inputs[0];
      const NodeOp& source = graph.node(first).op;
      const bool overwrite =
          net_.walk().Readers(first) == 1 && !std::holds_alternative<InputNode>(source) && !GivesView(source);
      y = RunPlainNode(node.op, inputs, {net_.Weight(id), net_.Bias(id)}, overwrite);
    }
    for (const NodeId done : net_.walk().LastReadBy(id)) values[static_cast<size_t>(done)] = at::Tensor();
  }
  return values.back();
}

}  // namespace precis
