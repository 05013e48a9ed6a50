// Union-find over the nodes' outputs.
#include "supernet/execution/channel_groups.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <variant>

namespace precis {
namespace {

// Of an image {C, H, W}, a vector {C} and tokens {T, C}.
size_t ChannelAxis(const Shape& shape) { return shape.size() == 2 ? 1 : 0; }
int64_t Channels(const Shape& shape) { return shape[ChannelAxis(shape)]; }

// Whether the node passes a positive factor of a channel on to the same channel of its output. Shapes that
// mean something else than images, vectors and tokens do not reach layers but through what passes nothing on.
bool PassesOn(const ModelGraph& graph, const Node& node) {
  const Shape& in = graph.node(node.inputs.front()).shape;
  const auto axis = static_cast<int64_t>(ChannelAxis(in));
  if (const auto* activation = std::get_if<ActivationNode>(&node.op)) {
    return activation->kind == ActivationKind::kRelu || activation->kind == ActivationKind::kLeakyRelu;
  }
  if (std::holds_alternative<AddNode>(node.op)) return in == graph.node(node.inputs[1]).shape;
  if (const auto* scale = std::get_if<ScaleNode>(&node.op)) return scale->offset == 0;
  if (const auto* slice = std::get_if<SliceNode>(&node.op)) return slice->axis != axis;
  if (const auto* pad = std::get_if<PadNode>(&node.op)) {
    const auto at = static_cast<size_t>(axis);
    return pad->value == 0 && pad->before[at] == 0 && pad->after[at] == 0;
  }
  return std::holds_alternative<MaxPoolNode>(node.op) || std::holds_alternative<AveragePoolNode>(node.op) ||
         std::holds_alternative<GlobalAveragePoolNode>(node.op);
}

bool IsLayerWithWeight(const Node& node) {
  return std::holds_alternative<Conv2dNode>(node.op) || std::holds_alternative<LinearNode>(node.op);
}

bool CanProduce(const Node& node) {
  if (const auto* norm = std::get_if<LayerNormNode>(&node.op)) return norm->affine && node.shape.size() <= 2;
  if (std::holds_alternative<LinearNode>(node.op)) return node.shape.size() <= 2;
  return std::holds_alternative<BatchNormNode>(node.op) || std::holds_alternative<Conv2dNode>(node.op);
}

bool CanConsume(const ModelGraph& graph, const Node& node) {
  if (std::holds_alternative<Conv2dNode>(node.op)) return true;
  return std::holds_alternative<LinearNode>(node.op) && graph.node(node.inputs.front()).shape.size() <= 2;
}

class Sets {
 public:
  explicit Sets(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0); }
  size_t Find(size_t of) {
    while (parent_[of] != of) of = parent_[of] = parent_[parent_[of]];
    return of;
  }
  // The smaller root stays.
  void Join(size_t a, size_t b) {
    a = Find(a);
    b = Find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parent_;
};

}  // namespace

std::vector<ChannelGroup> FindChannelGroups(const ModelGraph& graph) {
  const size_t count = graph.nodes().size();
  Sets sets(count);
  std::vector<bool> passes(count);
  for (size_t i = 0; i < count; ++i) {
    const Node& node = graph.nodes()[i];
    passes[i] = !node.inputs.empty() && PassesOn(graph, node);
    if (!passes[i]) continue;
    for (const NodeId input : node.inputs) sets.Join(i, static_cast<size_t>(input));
  }
  std::map<size_t, ChannelGroup> groups;
  std::vector<bool> blocked(count);  // by root
  for (size_t i = 0; i < count; ++i) {
    const Node& node = graph.nodes()[i];
    if (passes[i]) continue;
    ChannelGroup& own = groups[sets.Find(i)];
    own.channels = Channels(node.shape);
    if (CanProduce(node)) {
      own.producers.push_back(static_cast<NodeId>(i));
    } else {
      blocked[sets.Find(i)] = true;
    }
    for (const NodeId input : node.inputs) {
      const size_t root = sets.Find(static_cast<size_t>(input));
      if (IsLayerWithWeight(node) && CanConsume(graph, node)) {
        groups[root].consumers.push_back(static_cast<NodeId>(i));
      } else {
        blocked[root] = true;
      }
    }
  }
  blocked[sets.Find(static_cast<size_t>(graph.output()))] = true;
  std::vector<ChannelGroup> usable;
  for (auto& [root, group] : groups) {
    if (blocked[root] || group.producers.empty() || group.consumers.empty()) continue;
    usable.push_back(std::move(group));
  }
  return usable;
}

}  // namespace precis
