// Factors that move between layers leave the float network the function it is.
#include "supernet/execution/equalization.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

at::Tensor Drawn(at::IntArrayRef shape, uint64_t seed, double low, double high) {
  std::mt19937_64 generator(seed);
  at::Tensor tensor = at::empty(shape);
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const double unit = static_cast<double>(generator() >> 11) * 0x1p-53;
    tensor.data_ptr<float>()[i] = static_cast<float>(low + (high - low) * unit);
  }
  return tensor;
}

// Channels of very unequal range, and statistics to go with them.
NormStatistics MakeUneven(Supernet& net) {
  const c10::NoGradGuard no_gradients;
  uint64_t seed = 1;
  for (const Parameter& parameter : net.parameters()) {
    at::Tensor shape = at::ones({parameter.value.size(0)});
    const at::Tensor factor = Drawn(shape.sizes(), seed, -3, 3).exp2();
    std::vector<int64_t> along(static_cast<size_t>(parameter.value.dim()), 1);
    along[0] = factor.size(0);
    parameter.value.mul_(factor.reshape(along));
    if (parameter.value.dim() == 1) parameter.value.add_(Drawn(shape.sizes(), seed + 1, -0.2, 0.2));
    seed += 2;
  }
  NormStatistics norms{.mean = std::vector<at::Tensor>(net.graph().nodes().size()),
                       .variance = std::vector<at::Tensor>(net.graph().nodes().size())};
  for (NodeId id = 0; id <= net.graph().output(); ++id) {
    const Node& node = net.graph().node(id);
    if (!std::holds_alternative<BatchNormNode>(node.op)) continue;
    norms.mean[static_cast<size_t>(id)] = Drawn({node.shape[0]}, seed, -0.5, 0.5);
    norms.variance[static_cast<size_t>(id)] = Drawn({node.shape[0]}, seed + 1, 0.5, 4);
    seed += 2;
  }
  return norms;
}

at::Tensor Logits(const Supernet& net, const NormStatistics& norms) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor images = Drawn({3, 2, 8, 8}, 99, -2, 2).contiguous(at::MemoryFormat::ChannelsLast);
  return net.Forward(images, UniformAssignment(net.layer_count(), *ParseFormat("fp32")), {.norms = &norms});
}

void ExpectSame(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-5 * b.abs().max().item<double>());
}

TEST(Equalization, LeavesTheFunction) {
  for (const ModelGraph& graph : {SmallGraph(), AttentionGraph()}) {
    Supernet net(graph, 1, c10::kCPU);
    const NormStatistics norms = MakeUneven(net);
    const at::Tensor before = Logits(net, norms);
    EqualizeLayers(net, norms);
    ExpectSame(Logits(net, norms), before);
  }
}

TEST(ScaleMigration, LeavesTheFunction) {
  for (const ModelGraph& graph : {SmallGraph(), AttentionGraph()}) {
    Supernet net(graph, 1, c10::kCPU);
    const NormStatistics norms = MakeUneven(net);
    const at::Tensor before = Logits(net, norms);
    const std::vector<ChannelGroup> groups = FindChannelGroups(graph);
    std::vector<at::Tensor> max_abs;
    for (const ChannelGroup& group : groups) max_abs.push_back(Drawn({group.channels}, 5, 0, 8));
    max_abs.back()[0] = 0;  // a channel that never fires
    MigrateScales(net, groups, max_abs, 0.5);
    ExpectSame(Logits(net, norms), before);
  }
}

// Grouped and depthwise convolutions, a biased one without a norm, and a residual stream.
ModelGraph GroupedGraph() {
  ModelGraph g("grouped", {2, 8, 8});
  NodeId x = Append(g, "a", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = 1, .bias = true}, {0});
  const NodeId a = Append(g, "a.relu", ActivationNode{}, {x});
  x = Append(g, "b", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = 1, .groups = 8}, {a});
  x = Append(g, "b.norm", BatchNormNode{}, {x});
  x = Append(g, "b.relu", ActivationNode{}, {x});
  x = Append(g, "c", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = 1, .groups = 2}, {x});
  x = Append(g, "c.norm", BatchNormNode{}, {x});
  x = Append(g, "sum", AddNode{}, {x, a});
  x = Append(g, "sum.relu", ActivationNode{}, {x});
  x = Append(g, "pool", MaxPoolNode{}, {x});
  x = Append(g, "mean", GlobalAveragePoolNode{}, {x});
  Append(g, "head", LinearNode{.out_features = 4}, {x});
  return g;
}

double Spread(const at::Tensor& values) { return (values.amax() / values.amin()).item<double>(); }

TEST(Equalization, MakesRangesEqualAcrossGroupsAndStreams) {
  Supernet net(GroupedGraph(), 1, c10::kCPU);
  const NormStatistics norms = MakeUneven(net);
  const at::Tensor before = Logits(net, norms);
  EqualizeLayers(net, norms);
  ExpectSame(Logits(net, norms), before);
  const std::vector<ChannelGroup> groups = FindChannelGroups(net.graph());
  ASSERT_EQ(groups.size(), 2u);
  // Of b.norm > c: what makes a channel, folded, against what reads it.
  const NodeId b = 3;
  const NodeId c = 6;
  ASSERT_EQ(net.graph().node(b).name, "b");
  ASSERT_EQ(net.graph().node(c).name, "c");
  const at::Tensor made = net.Weight(b).abs().flatten(1).amax(1) * net.Weight(b + 1).abs() *
                          (norms.variance[static_cast<size_t>(b) + 1] + 1e-5).rsqrt();
  const at::Tensor read = net.Weight(c).reshape({2, 4, 4, 9}).abs().amax({1, 3}).flatten();
  EXPECT_LT(Spread(made / read), 1.11);
}

// X / s and W · s: at alpha 0.5 activations and weights end with equal ranges.
TEST(ScaleMigration, MovesByTheFormula) {
  Supernet net(GroupedGraph(), 1, c10::kCPU);
  MakeUneven(net);
  const std::vector<ChannelGroup> groups = FindChannelGroups(net.graph());
  const at::Tensor max_abs = Drawn({8}, 5, 1, 8);
  const NodeId c = 6;
  const auto range = [&] { return net.Weight(c).reshape({2, 4, 4, 9}).abs().amax({1, 3}).flatten(); };
  const at::Tensor before = range();
  MigrateScales(net, groups, {max_abs, max_abs}, 0.25);
  const at::Tensor s = max_abs.pow(0.25) / before.pow(0.75);
  EXPECT_TRUE(at::allclose(range(), before * s, 1e-5));
}

}  // namespace
}  // namespace precis
