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
  // What a convolution, linear or batch-norm node computes with.
  struct FrozenNode {
    at::Tensor weight;  // of a batch norm: gamma / deviation
    at::Tensor bias;    // of a batch norm: beta - mean · gamma / deviation
    Format activation;
    at::Tensor range;     // of the layer's input, where its format needs one
    NodeId from = 0;      // the node whose output that is
    bool folded = false;  // a batch norm that is part of the layer before it
  };

  static at::Tensor QuantizedInput(const FrozenNode& frozen, const at::Tensor& x);

  const Supernet& net_;
  std::vector<FrozenNode> nodes_;  // by node
};

}  // namespace precis
