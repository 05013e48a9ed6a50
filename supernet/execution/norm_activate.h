// Batch normalisation fused with the addition and the activation behind it. Internal to supernet/execution.
//
// On the CPU, in channels-last memory, one pass for the statistics and one for everything else, forward and
// backward; what the backward pass keeps is the input, and one byte an element where there is both a residual
// and an activation. Elsewhere the same in ATen operations; results differ in rounding only.
//
// Threading: thread-safe; uses LibTorch's intra-op pool. The result does not depend on the thread count.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "supernet/graph/model_graph.h"

namespace precis {

struct NormInputs {
  at::Tensor x;                              // {N, C, H, W} or {N, C}, FP32, N·H·W > 0
  at::Tensor weight;                         // {C}
  at::Tensor bias;                           // {C}
  at::Tensor residual;                       // of x's shape, added before the activation; or undefined
  std::optional<ActivationKind> activation;  // kRelu or kRelu6
  double epsilon = 1e-5;
};

struct NormOutputs {
  at::Tensor y;
  at::Tensor mean;               // {C}, of the batch; not recorded for autograd
  at::Tensor inverse_deviation;  // {C}, 1/sqrt(biased variance + epsilon); not recorded for autograd
  at::Tensor max_abs;            // {}: max|y| if it was asked for; not recorded for autograd
};

// y = activation((x - mean) · inverse_deviation · weight + bias + residual), with the batch's statistics.
NormOutputs NormActivate(const NormInputs& inputs, bool measure_max_abs);

// The ATen path on any device; NormActivate takes it wherever the fused one does not apply. For tests too.
NormOutputs NormActivateAten(const NormInputs& inputs, bool measure_max_abs);

}  // namespace precis
