// FrozenNetwork: a supernet under one assignment with fixed statistics, as fast as it goes. Internal to
// supernet/execution.
//
// Weights are quantised once; a batch norm that alone reads a convolution or linear layer is folded into it
// after quantisation, which leaves the quantised weights what they are: the fold scales whole channels.
//
// Threading: immutable after construction; concurrent calls are safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "supernet/execution/calibration.h"
#include "supernet/execution/supernet.h"

namespace precis {

class FrozenNetwork {
 public:
  // `net` must outlive this object; later changes of its weights are not seen.
  FrozenNetwork(const Supernet& net, const Assignment& assignment, const Calibration& calibration);

  // Logits {N, classes}; no gradients.
  at::Tensor Forward(const at::Tensor& images) const;

 private:
  // An activation that a layer quantises, under a fixed range.
  struct FrozenOperand {
    NodeId from = 0;  // the node whose output it is
    int64_t axis = 1;
    Format format;
    at::Tensor range;  // where its format needs one
  };

  // What a layer or a batch-norm node computes with.
  struct FrozenNode {
    at::Tensor weight;                    // of a batch norm: gamma / deviation; undefined for a product
    at::Tensor bias;                      // of a batch norm: beta - mean · gamma / deviation
    std::vector<FrozenOperand> operands;  // of a layer: its input, and a product's second operand
    bool folded = false;                  // a batch norm that is part of the layer before it
  };

  void FreezeOperands(const Assignment& assignment, const Calibration& calibration);
  at::Tensor RunFrozenLayer(const Node& node, const FrozenNode& frozen,
                            const std::vector<at::Tensor>& inputs) const;

  const Supernet& net_;
  std::vector<FrozenNode> nodes_;  // by node
};

}  // namespace precis
