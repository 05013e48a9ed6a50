// LayerMoments: the second moments of what a layer reads, which say all that its weights need to know of its
// data: with y = w·x of the float network and y' = v·x' of the rounded one,
//
//   mean (y - y')² = w·E[x xᵀ]·wᵀ - 2 w·E[x x'ᵀ]·vᵀ + v·E[x' x'ᵀ]·vᵀ
//
// for every row by itself, the mean over images and positions. Internal to supernet/execution.
//
// Columns as in weight_grid.h. FP32 products, sums in double. Of images with very many positions an evenly
// spaced part is taken (kMostPositions or 16 a column, whichever is more).
//
// Threading: not thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "supernet/graph/model_graph.h"

namespace precis {

class LayerMoments {
 public:
  // Of a layer with a weight (checked) that reads `images` images in all. cross: whether E[x x'ᵀ] is wanted.
  LayerMoments(const Node& layer, int64_t images, bool cross);

  // What it reads of some of the images in the float network, and in the rounded one.
  void Add(const at::Tensor& plain, const at::Tensor& rounded);

  // {groups, columns, columns}, double, on the CPU: E[x' x'ᵀ], and E[x x'ᵀ] (undefined if not wanted).
  at::Tensor Second() const;
  at::Tensor Cross() const;

 private:
  at::Tensor Columns(const at::Tensor& x, int64_t slice) const;

  const Node& layer_;
  const int64_t images_;
  const bool wants_cross_;
  int64_t slices_ = 0;
  int64_t positions_ = 0;
  at::Tensor second_;
  at::Tensor cross_;
};

}  // namespace precis
