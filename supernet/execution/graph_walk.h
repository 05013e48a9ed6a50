// What walking a ModelGraph needs to know beyond its nodes. Internal to supernet/execution.
#pragma once

#include <optional>
#include <vector>

#include "supernet/graph/model_graph.h"

namespace precis {

// A batch norm together with the addition and the ReLU or ReLU6 that alone read what it gives.
struct FusedNorm {
  NodeId output = 0;     // the last node of the group
  NodeId residual = -1;  // the addition's other operand, which comes before the batch norm; -1 for none
  std::optional<ActivationKind> activation;
};

// By node. A value; concurrent const access is safe.
class GraphWalk {
 public:
  explicit GraphWalk(const ModelGraph& graph);

  // How many inputs of other nodes the node's output is.
  int Readers(NodeId node) const { return readers_[static_cast<size_t>(node)]; }

  // The nodes whose outputs nobody needs once `node` has run. Never the graph's output.
  const std::vector<NodeId>& LastReadBy(NodeId node) const {
    return last_read_by_[static_cast<size_t>(node)];
  }

  // What to compute at once where `batch_norm` stands.
  const FusedNorm& Fused(NodeId batch_norm) const { return fused_[static_cast<size_t>(batch_norm)]; }

  // Whether the node's output comes from the group of a batch norm before it.
  bool IsInFusedNorm(NodeId node) const { return in_fused_norm_[static_cast<size_t>(node)]; }

 private:
  std::vector<int> readers_;
  std::vector<FusedNorm> fused_;
  std::vector<bool> in_fused_norm_;
  std::vector<std::vector<NodeId>> last_read_by_;
};

}  // namespace precis
