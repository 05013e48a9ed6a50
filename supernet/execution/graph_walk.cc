// Readers of every node, and what a batch norm takes along.
#include "supernet/execution/graph_walk.h"

#include <variant>

namespace precis {
namespace {

// What NormActivate computes with the batch norm.
bool IsFusible(ActivationKind kind) {
  return kind == ActivationKind::kRelu || kind == ActivationKind::kRelu6;
}

}  // namespace

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
      if (other > id || graph.node(other).shape != graph.node(id).shape) continue;
      fused.residual = other;
      fused.output = next;
      in_fused_norm_[static_cast<size_t>(next)] = true;
      next = only_reader();
    }
    if (next < 0) continue;
    const auto* activation = std::get_if<ActivationNode>(&graph.node(next).op);
    if (activation != nullptr && IsFusible(activation->kind)) {
      fused.activation = activation->kind;
      fused.output = next;
      in_fused_norm_[static_cast<size_t>(next)] = true;
    }
  }
}

}  // namespace precis
