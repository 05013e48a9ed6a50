// Readers of every node, and the operations that the differentiable and the frozen pass share.
#include "supernet/execution/graph_walk.h"

#include <ATen/ATen.h>

#include <variant>

#include "supernet/formats/check.h"

namespace precis {

GraphWalk::GraphWalk(const ModelGraph& graph)
    : readers_(graph.nodes().size()),
      fused_(graph.nodes().size()),
      in_fused_norm_(graph.nodes().size()),
      last_read_by_(graph.nodes().size()) {
  std::vector<NodeId> last_reader(graph.nodes().size(), -1);
  for (NodeId id = 0; id <= graph.output(); ++id) {
    for (const NodeId input : graph.node(id).inputs) {
      ++readers_[static_cast<size_t>(input)];
      last_reader[static_cast<size_t>(input)] = id;
    }
  }
  for (NodeId id = 0; id <= graph.output(); ++id) {
    const NodeId reader = last_reader[static_cast<size_t>(id)];
    if (reader >= 0) last_read_by_[static_cast<size_t>(reader)].push_back(id);
  }

  for (NodeId id = 0; id <= graph.output(); ++id) {
    if (!std::holds_alternative<BatchNormNode>(graph.node(id).op)) continue;
    FusedNorm& fused = fused_[static_cast<size_t>(id)];
    fused.output = id;
    auto only_reader = [&] {
      return Readers(fused.output) == 1 ? last_reader[static_cast<size_t>(fused.output)] : -1;
    };
    NodeId next = only_reader();
    if (next >= 0 && std::holds_alternative<AddNode>(graph.node(next).op)) {
      const std::vector<NodeId>& operands = graph.node(next).inputs;
      const NodeId other = operands[0] == id ? operands[1] : operands[0];
      if (other > id) continue;
      fused.residual = other;
      fused.output = next;
      in_fused_norm_[static_cast<size_t>(next)] = true;
      next = only_reader();
    }
    if (next < 0) continue;
    if (const auto* activation = std::get_if<ActivationNode>(&graph.node(next).op)) {
      fused.activation = activation->kind;
      fused.output = next;
      in_fused_norm_[static_cast<size_t>(next)] = true;
    }
  }
}

at::Tensor RunPlainNode(const NodeOp& op, const std::vector<at::Tensor>& inputs, bool overwrite) {
  at::Tensor x = inputs[0];
  if (const auto* activation = std::get_if<ActivationNode>(&op)) {
    switch (activation->kind) {
      case ActivationKind::kRelu:
        return overwrite ? at::relu_(x) : at::relu(x);
      case ActivationKind::kRelu6:
        return overwrite ? at::hardtanh_(x, 0, 6) : at::hardtanh(x, 0, 6);
    }
  }
  if (std::holds_alternative<AddNode>(op)) return overwrite ? x.add_(inputs[1]) : at::add(x, inputs[1]);
  if (const auto* pool = std::get_if<MaxPoolNode>(&op)) {
    return at::max_pool2d(x, pool->kernel, pool->stride, pool->padding);
  }
  PRECIS_CHECK(std::holds_alternative<GlobalAveragePoolNode>(op));
  return x.mean({2, 3});
}

at::Tensor RunConv(const Conv2dNode& conv, const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& bias) {
  return at::conv2d(x, weight, bias, conv.stride, conv.padding, 1, conv.groups);
}

}  // namespace precis
