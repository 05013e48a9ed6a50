// RangeBook: the ranges that outlive a batch. Internal to supernet/execution.
//
// Learned ranges are parameters of the network; moving averages follow the batches of applied steps; the
// range of a weight that was put on a grid is the grid's. There is one for each tensor and format that has
// been trained with: formats share the weights, but not the range.
//
// Threading: const calls are safe while nobody changes it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/training_options.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {

// A range belongs to the weight of a node, or to the output of a node that layers read.
struct RangeKey {
  NodeId node = 0;
  Operand operand = Operand::kWeight;
  Format format;

  auto operator<=>(const RangeKey&) const = default;
};

class RangeBook {
 public:
  explicit RangeBook(const RangeOptions& options) : options_(options) {}

  RangeRule RuleOf(Operand operand) const {
    return operand == Operand::kWeight ? options_.weights : options_.activations;
  }
  RangeMethod MethodOf(Operand operand) const { return {RuleOf(operand), options_.percentile}; }

  // Whether the format's range is learned, or averaged, under the operand's rule: it needs one, and blocks do
  // not find the scale; learned ranges have no zero point.
  bool Learns(Operand operand, const Format& format) const;
  bool Averages(Operand operand, const Format& format) const;

  // Undefined if there is none.
  const at::Tensor& Find(const RangeKey& key) const;

  // Begins to learn from `start`, {} or {out}; false, and nothing happens, unless all of it is finite and
  // some of it above 0. What is 0 (the range of a channel of zeros) begins at the mean of the others.
  bool Learn(const RangeKey& key, const at::Tensor& start);

  void Forget(const RangeKey& key) { ranges_.erase(key); }

  // Takes a range as it was kept before.
  void Restore(const RangeKey& key, const at::Tensor& value);

  // Moves the average a step towards `measured`, unless that is not finite.
  void Average(const RangeKey& key, const at::Tensor& measured);

  void Clear() { ranges_.clear(); }

  // The ranges of a network that is cut out of this one's, whose node i is this one's node whole[i].
  RangeBook Translated(const std::vector<NodeId>& whole) const;
  // Of a range by channel the first channels(node).
  void CutChannels(const std::function<int64_t(NodeId)>& channels);

  // Whether a range of the operand can be part of a weight file: it is learned, or, whatever the rule, one a
  // weight was rounded under once (layer_tuning.h).
  bool Keeps(Operand operand, const Format& format) const;

  // Every range, in the order of their keys; the learned ones alone; those for a weight file.
  const std::map<RangeKey, at::Tensor>& ranges() const { return ranges_; }
  std::vector<std::pair<RangeKey, at::Tensor>> Learned() const;
  std::vector<std::pair<RangeKey, at::Tensor>> Kept() const;
  // As ranges are named in weight files: NODE.weight_range.FORMAT, NODE.output_range.FORMAT.
  static std::string Name(const ModelGraph& graph, const RangeKey& key);
  // NOT_FOUND if it is no such name.
  static absl::StatusOr<RangeKey> ParseName(const ModelGraph& graph, std::string_view name);

 private:
  RangeOptions options_;
  std::map<RangeKey, at::Tensor> ranges_;
};

}  // namespace precis
