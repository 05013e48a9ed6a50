// Sums in double, so that the cut into chunks hardly shows.
#include "supernet/execution/chunks.h"

#include <ATen/ATen.h>

namespace precis {

at::Tensor MeanAlong(const Chunks& chunks, int64_t dimension) {
  at::Tensor sum;
  int64_t count = 0;
  for (const at::Tensor& x : chunks) {
    std::vector<int64_t> others;
    for (int64_t d = 0; d < x.dim(); ++d) {
      if (d != dimension) others.push_back(d);
    }
    const at::Tensor here = x.sum(others, /*keepdim=*/false, at::kDouble);
    sum = sum.defined() ? sum + here : here;
    count += x.numel() / x.size(dimension);
  }
  return sum / static_cast<double>(count);
}

at::Tensor Along(const at::Tensor& values, int64_t dimension, const at::Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[static_cast<size_t>(dimension)] = values.size(0);
  return values.reshape(shape);
}

}  // namespace precis
