// Weights before training. Internal to supernet/execution.
#pragma once

#include <ATen/core/Tensor.h>

#include <random>

#include "supernet/graph/model_graph.h"

namespace precis {

// The fresh value of a node's parameter, contiguous, weights of convolutions channels last: uniform with
// variance 2 / fan-in (He et al. 2015) for convolutions, 1 / fan-in for linear layers; near normal of
// deviation 0.02 for tokens and embeddings (Dosovitskiy et al. 2021); norms 1, biases 0. A function of what
// the generator gives, the same on every platform.
at::Tensor FreshParameter(const NodeOp& op, const ParameterInfo& parameter, std::mt19937_64& generator);

// Whether weight decay applies: to the weights of convolutions and linear layers only.
bool Decays(const NodeOp& op, const ParameterInfo& parameter);

}  // namespace precis
