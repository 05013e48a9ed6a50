// Ranges of rows and columns, and factors from them.
#include "supernet/execution/equalization.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <variant>

#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr int kMostRounds = 20;
constexpr double kCloseTo1 = 0.05;
constexpr double kLeastRange = 1e-9;

// {out, in / groups, …} as {groups, out / groups, in / groups, kernel positions}.
at::Tensor InGroups(const Supernet& net, NodeId layer) {
  const at::Tensor& weight = net.Weight(layer);
  const auto* conv = std::get_if<Conv2dNode>(&net.graph().node(layer).op);
  const int64_t groups = conv == nullptr ? 1 : conv->groups;
  return weight.reshape({groups, weight.size(0) / groups, weight.size(1), -1});
}

// Of the weights that read a channel: {in}.
at::Tensor ColumnRange(const Supernet& net, NodeId layer) {
  return InGroups(net, layer).abs().amax({1, 3}).flatten();
}

// Of the weights that make a channel: {out}; undefined where there are none.
at::Tensor RowRange(const Supernet& net, const NormStatistics& norms, NodeId producer) {
  const Node& node = net.graph().node(producer);
  const auto* norm = std::get_if<BatchNormNode>(&node.op);
  const NodeId layer = norm == nullptr ? producer : node.inputs.front();
  const NodeOp& op = net.graph().node(layer).op;
  if (!std::holds_alternative<Conv2dNode>(op) && !std::holds_alternative<LinearNode>(op)) return {};
  const at::Tensor range = net.Weight(layer).abs().flatten(1).amax(1);
  if (norm == nullptr) return range;
  const at::Tensor& variance = norms.variance[static_cast<size_t>(producer)];
  return range * net.Weight(producer).abs() * (variance + norm->epsilon).rsqrt();
}

at::Tensor Largest(const at::Tensor& a, const at::Tensor& b) { return a.defined() ? at::maximum(a, b) : b; }

at::Tensor ColumnRange(const Supernet& net, const ChannelGroup& group) {
  at::Tensor range;
  for (const NodeId consumer : group.consumers) range = Largest(range, ColumnRange(net, consumer));
  return range;
}

at::Tensor RowRange(const Supernet& net, const NormStatistics& norms, const ChannelGroup& group) {
  at::Tensor range;
  for (const NodeId producer : group.producers) {
    const at::Tensor of_one = RowRange(net, norms, producer);
    if (!of_one.defined()) return {};
    range = Largest(range, of_one);
  }
  return range;
}

// Channels times `factor`, {channels}, where they are made, and divided where they are read.
void Scale(Supernet& net, const ChannelGroup& group, const at::Tensor& factor) {
  for (const NodeId producer : group.producers) {
    const at::Tensor& weight = net.Weight(producer);
    std::vector<int64_t> along(static_cast<size_t>(weight.dim()), 1);
    along[0] = group.channels;
    weight.mul_(factor.reshape(along));
    if (net.Bias(producer).defined()) net.Bias(producer).mul_(factor);
  }
  for (const NodeId consumer : group.consumers) {
    const at::Tensor& weight = net.Weight(consumer);
    const at::Tensor grouped = InGroups(net, consumer);
    weight.copy_(
        (grouped / factor.reshape({grouped.size(0), 1, grouped.size(2), 1})).reshape(weight.sizes()));
  }
}

// 1 where one of the ranges says nothing.
at::Tensor WhereBoth(const at::Tensor& a, const at::Tensor& b, const at::Tensor& factor) {
  const at::Tensor known = a.gt(kLeastRange).logical_and(b.gt(kLeastRange)).logical_and(factor.isfinite());
  return at::where(known, factor, at::ones_like(factor));
}

}  // namespace

void EqualizeLayers(Supernet& net, const NormStatistics& norms) {
  PRECIS_CHECK(!norms.relative);
  const c10::NoGradGuard no_gradients;
  const std::vector<ChannelGroup> groups = FindChannelGroups(net.graph());
  for (int round = 0; round < kMostRounds; ++round) {
    double furthest = 0;
    for (const ChannelGroup& group : groups) {
      const at::Tensor made = RowRange(net, norms, group);
      if (!made.defined()) continue;
      const at::Tensor read = ColumnRange(net, group);
      const at::Tensor factor = WhereBoth(made, read, (read / made).sqrt());
      Scale(net, group, factor);
      furthest = std::max(furthest, (1 - factor).abs().max().item<double>());
    }
    if (furthest < kCloseTo1) break;
  }
}

void MigrateScales(Supernet& net, const std::vector<ChannelGroup>& groups,
                   const std::vector<at::Tensor>& max_abs, double alpha) {
  PRECIS_CHECK(groups.size() == max_abs.size());
  const c10::NoGradGuard no_gradients;
  for (size_t g = 0; g < groups.size(); ++g) {
    const at::Tensor read = ColumnRange(net, groups[g]);
    Scale(net, groups[g], WhereBoth(max_abs[g], read, read.pow(1 - alpha) / max_abs[g].pow(alpha)));
  }
}

}  // namespace precis
