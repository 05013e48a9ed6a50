// Chunks: a tensor of many images in several pieces, a batch each, as it is too large for one. Internal to
// supernet/execution.
//
// Threading: values; pure functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace precis {

using Chunks = std::vector<at::Tensor>;  // the batch is the first dimension

template <typename Function>
Chunks Map(const Chunks& chunks, const Function& function) {
  Chunks mapped;
  for (const at::Tensor& x : chunks) mapped.push_back(function(x));
  return mapped;
}

// Along a dimension: {size}, double, over all others and all chunks.
at::Tensor MeanAlong(const Chunks& chunks, int64_t dimension);

// {size} as {1, …, size, …, 1}, to meet tensors like this one.
at::Tensor Along(const at::Tensor& values, int64_t dimension, const at::Tensor& like);

}  // namespace precis
