// The operations of a graph on tensors, as the differentiable and the frozen pass share them. Internal to
// supernet/execution. Tensors have the batch before the node's shape; images are channels last in memory.
//
// Threading: pure functions, but for what `overwrite` says; they use LibTorch's intra-op pool.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "supernet/graph/model_graph.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {

struct NodeParameters {
  at::Tensor weight;  // undefined where the node has none
  at::Tensor bias;
};

// Runs a conv, linear or matrix-product node on quantised operands: its input, and its weight or second
// input.
at::Tensor RunLayer(const NodeOp& op, const at::Tensor& x, const at::Tensor& second, const at::Tensor& bias);

// Runs any other node but the input and a batch norm, which are bugs (checked). With `overwrite`, the first
// input may become the output.
at::Tensor RunPlainNode(const NodeOp& op, const std::vector<at::Tensor>& inputs,
                        const NodeParameters& parameters, bool overwrite);

// Whether the output shares the input's memory, so that nobody may overwrite it.
bool GivesView(const NodeOp& op);

// FakeQuantize and MeasureRange of an activation whose channels, along which blocks and rotations run, are
// the dimension `axis`. Tokens {N, T, F} are quantised as an image of T pixels and F channels.
at::Tensor FakeQuantizeAlong(int64_t axis, const at::Tensor& x, const Format& format,
                             const FakeQuantizeOptions& options);
at::Tensor MeasureRangeAlong(int64_t axis, const at::Tensor& x, const Format& format,
                             const RangeMethod& method);

}  // namespace precis
