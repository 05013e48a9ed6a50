// What walking a ModelGraph needs to know beyond its nodes, and the nodes that need no parameters. Internal
// to supernet/execution.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "supernet/graph/model_graph.h"

namespace precis {

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

 private:
  std::vector<int> readers_;
  std::vector<std::vector<NodeId>> last_read_by_;
};

// Runs an activation, add, max-pool or global-average-pool node; any other is a bug (checked). With
// `overwrite`, the first input may become the output.
at::Tensor RunPlainNode(const NodeOp& op, const std::vector<at::Tensor>& inputs, bool overwrite);

at::Tensor RunConv(const Conv2dNode& conv, const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& bias);

}  // namespace precis
