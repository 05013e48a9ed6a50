// Supernet: the shared weights of a ModelGraph, and its differentiable forward pass under an assignment.
// Internal to supernet/execution.
//
// There is one FP32 weight a layer, whatever its formats: it is fake-quantised on the fly. Batch norm uses
// the statistics of the batch here unless a pass is given others, and activations a range found on the batch
// unless one is kept (RangeBook), so a pass changes nothing; fixed statistics are the business of Calibration
// and FrozenNetwork.
//
// Threading: const calls are safe while nobody changes the parameters.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

#include "supernet/execution/graph_walk.h"
#include "supernet/execution/operand_cache.h"
#include "supernet/execution/range_book.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/model_graph.h"

namespace precis {

struct Parameter {
  std::string name;  // NODE.weight or NODE.bias
  at::Tensor value;  // requires a gradient; convolution weights are channels last
  bool decays;       // whether weight decay applies
};

// What a forward pass sees on its way, in graph order.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  // The range of the operand with that index in ActivationOperands(), in the format in which its layer reads
  // it: the learned one if there is one, else what the rule finds on the batch. max|x|, shape {}, for a
  // format without range. A product's second operand follows its first.
  virtual void OnOperand(size_t operand, const at::Tensor& range) = 0;
  // Batch mean and 1/sqrt(biased variance + epsilon) of a batch-norm node, whatever it takes: {channels}.
  virtual void OnBatchNorm(NodeId node, const at::Tensor& mean, const at::Tensor& inverse_deviation) = 0;
};

// Sees every layer as it has run: what it was about to read, not yet quantised (`second` is undefined where
// it has a weight), and what it gave from quantised operands. All are part of what autograd records.
class LayerObserver {
 public:
  virtual ~LayerObserver() = default;
  virtual void OnLayer(size_t layer, const at::Tensor& x, const at::Tensor& second, const at::Tensor& y) = 0;
};

// What batch norms take in place of the batch's statistics. By node; undefined but for batch norms;
// {channels}.
struct NormStatistics {
  std::vector<at::Tensor> mean;
  std::vector<at::Tensor> variance;
  // The batch's mean plus `mean`, and its variance times `variance`, in place of these themselves.
  bool relative = false;
};

struct PassOptions {
  const NormStatistics* norms = nullptr;  // null: the batch's
  ForwardObserver* observer = nullptr;    // every operand is measured for it, whatever its format
  LayerObserver* layers = nullptr;        // keeps the inputs of a layer in memory while it runs
  bool averages = true;                   // whether moving averages serve as ranges where there are any
  uint64_t seed = 0;                      // of stochastic rounding: 0 for all that is no training step
};

class Supernet {
 public:
  // Fresh weights (fresh_weights.h), a function of `seed` alone.
  Supernet(const ModelGraph& graph, uint64_t seed, c10::Device device, const RangeOptions& ranges = {});

  // The network of `graph`, whose nodes are among this one's by name (but for additions) and no larger: every
  // tensor is this one's first channels and the middle of its kernel, and so are kept ranges. Gradients of
  // those, recorded if gradients are on, reach this one's; a range that the part learns does not.
  Supernet CutOut(const ModelGraph& graph) const;

  // One with weights of its own, equal to these, and the same ranges.
  Supernet Clone() const;

  // The node of the network that this one is cut out of; itself if it is whole.
  NodeId Whole(NodeId node) const { return whole_.empty() ? node : whole_[static_cast<size_t>(node)]; }

  // Logits {N, classes}. Records for autograd if gradients are on. The assignment must have one entry a
  // layer (checked).
  at::Tensor Forward(const at::Tensor& images, const Assignment& assignment,
                     const PassOptions& options = {}) const;

  // The weight of a layer in a format, under its learned range or the one that the rule finds. Stochastic
  // rounding takes RoundingSeed.
  at::Tensor QuantizedWeight(NodeId node, const Format& format, uint64_t pass_seed) const;

  // As ActivationOperands() of the graph.
  const std::vector<ActivationOperand>& operands() const { return operands_; }
  // The format in which the operand is read.
  const Format& FormatOf(size_t operand, const Assignment& assignment) const {
    const LayerFormats& formats = assignment.layers[operands_[operand].layer];
    return operands_[operand].is_second ? formats.weight : formats.activation;
  }
  OperandRead ReadOf(size_t operand, const Assignment& assignment) const;
  // Of a product: the index of its second operand.
  size_t SecondOperand(size_t layer) const { return second_operands_[layer]; }

  const ModelGraph& graph() const { return graph_; }
  const GraphWalk& walk() const { return walk_; }
  size_t layer_count() const { return layers_.size(); }
  const std::vector<Layer>& layers() const { return layers_; }
  const RangeBook& ranges() const { return ranges_; }
  RangeBook& ranges() { return ranges_; }

  // In graph order, weight before bias. Their values may be written, under NoGradGuard, never replaced.
  const std::vector<Parameter>& parameters() const { return parameters_; }

  // Undefined where the node has none.
  const at::Tensor& Weight(NodeId node) const { return weights_[static_cast<size_t>(node)]; }
  const at::Tensor& Bias(NodeId node) const { return biases_[static_cast<size_t>(node)]; }

 private:
  // Without weights.
  Supernet(const ModelGraph& graph, RangeBook ranges);

  bool IsMeasured(NodeId node, const Assignment& assignment) const;

  ModelGraph graph_;
  GraphWalk walk_;
  std::vector<Layer> layers_;
  std::vector<ActivationOperand> operands_;
  std::vector<size_t> second_operands_;                // by layer: index into operands_, 0 for none
  std::vector<std::vector<size_t>> operands_reading_;  // by node: indices into operands_
  RangeBook ranges_;
  std::vector<Parameter> parameters_;
  std::vector<NodeId> whole_;        // by node; empty if whole
  std::vector<at::Tensor> weights_;  // by node
  std::vector<at::Tensor> biases_;
};

}  // namespace precis
