// Channels that can be scaled without changing what a network computes. Internal to supernet/execution.
//
// If a channel is multiplied by a positive factor where it is made, and the weights that read it are divided
// by it, everything behind them stays as it is, as long as all in between passes the factor on: ReLU and
// leaky ReLU, pools, additions, multiplication by a constant, and what cuts or pads in space with zeros. An
// addition ties its operands, so that a whole residual stream is one group. A group that reaches anything
// else (ReLU6, a sigmoid, a product, a reshape, channels put together or cut, the graph's input or output, a
// norm that reads it) is none.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "supernet/graph/model_graph.h"

namespace precis {

struct ChannelGroup {
  int64_t channels = 0;
  std::vector<NodeId> producers;  // batch norms, affine layer norms, convolutions, linear layers; ascending
  std::vector<NodeId> consumers;  // convolutions and linear layers; ascending
};

// All groups with a producer and a consumer, in the order of their first node.
std::vector<ChannelGroup> FindChannelGroups(const ModelGraph& graph);

}  // namespace precis
