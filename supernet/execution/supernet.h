// Supernet: the shared weights of a ModelGraph, and its differentiable forward pass under an assignment.
// Internal to supernet/execution.
//
// There is one FP32 weight a layer, whatever its formats: it is fake-quantised on the fly. Batch norm always
// uses the statistics of the batch here, and activations a range found on the batch unless one is kept
// (RangeBook), so a pass changes nothing; fixed statistics are the business of Calibration and FrozenNetwork.
//
// Threading: const calls are safe while nobody changes the parameters.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

#include "supernet/execution/graph_walk.h"
#include "supernet/execution/range_book.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/model_graph.h"

namespace precis {

struct Parameter {
  std::string name;  // NODE.weight or NODE.bias
  at::Tensor value;  // requires a gradient; convolution weights are channels last
  bool decays;       // whether weight decay applies: conv and linear weights only
};

// What a forward pass sees on its way, in graph order.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  // The range of the input of the layer with that index in Layers(), in its format: the learned one if there
  // is one, else what the rule finds on the batch. max|input|, shape {}, for a format without range.
  virtual void OnLayerInput(size_t layer, const at::Tensor& range) = 0;
  // Batch mean and 1/sqrt(biased variance + epsilon) of a batch-norm node: shape {channels}.
  virtual void OnBatchNorm(NodeId node, const at::Tensor& mean, const at::Tensor& inverse_deviation) = 0;
};

struct PassOptions {
  ForwardObserver* observer = nullptr;  // every layer's input is measured for it, whatever its format
  bool averages = true;                 // whether moving averages serve as ranges where there are any
  uint64_t seed = 0;                    // of stochastic rounding: 0 for all that is no training step
};

class Supernet {
 public:
  // Fresh weights, a function of `seed` alone: uniform with variance 2 / fan-in (He et al. 2015) for
  // convolutions, 1 / fan-in for linear layers; biases 0; batch norm 1 and 0.
  Supernet(const ModelGraph& graph, uint64_t seed, c10::Device device, const RangeOptions& ranges = {});

  // Logits {N, classes}. Records for autograd if gradients are on. The assignment must have one entry a
  // layer (checked).
  at::Tensor Forward(const at::Tensor& images, const Assignment& assignment,
                     const PassOptions& options = {}) const;

  // The weight of a layer in a format, under its learned range or the one that the rule finds. Stochastic
  // rounding takes RoundingSeed.
  at::Tensor QuantizedWeight(NodeId node, const Format& format, uint64_t pass_seed) const;

  // Of a tensor in a pass: the weight of a node, or its output as a layer reads it.
  static uint64_t RoundingSeed(uint64_t pass_seed, NodeId node, Operand operand) {
    return pass_seed + 2 * static_cast<uint64_t>(node) + (operand == Operand::kActivation ? 1 : 0);
  }

  // The node whose output the layer of that index reads.
  NodeId InputOf(size_t layer) const { return layer_inputs_[layer]; }

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
  bool IsMeasured(NodeId node, const Assignment& assignment) const;

  ModelGraph graph_;
  GraphWalk walk_;
  std::vector<Layer> layers_;
  std::vector<NodeId> layer_inputs_;                 // by layer
  std::vector<std::vector<size_t>> layers_reading_;  // by node: indices of the layers whose input it is
  RangeBook ranges_;
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> weights_;  // by node
  std::vector<at::Tensor> biases_;
};

}  // namespace precis
