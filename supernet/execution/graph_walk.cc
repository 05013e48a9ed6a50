// Readers of every node, and the operations that the differentiable and the frozen pass share.
#include "supernet/execution/graph_walk.h"

#include <ATen/ATen.h>

#include <variant>

#include "supernet/formats/check.h"

namespace precis {

GraphWalk::GraphWalk(const ModelGraph& graph)
    : readers_(graph.nodes().size()), last_read_by_(graph.nodes().size()) {
  std::vector<NodeId> last_reader(graph.nodes().size(), -1);
  for (size_t id = 0; id < graph.nodes().size(); ++id) {
    for (const NodeId input : graph.nodes()[id].inputs) {
      ++readers_[static_cast<size_t>(input)];
      last_reader[static_cast<size_t>(input)] = static_cast<NodeId>(id);
    }
  }
  for (size_t id = 0; id < last_reader.size(); ++id) {
    if (last_reader[id] >= 0)
      last_read_by_[static_cast<size_t>(last_reader[id])].push_back(static_cast<NodeId>(id));
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
