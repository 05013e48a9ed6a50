// AdaRound: learns for every weight whether it is rounded down or up (Nagel, Amjad, van Baalen, Louizos and
// Blankevoort 2020, arXiv 2004.10568), on the format's own grid. Internal to supernet/execution.
//
// Between the neighbours a <= w <= b of a weight the soft value is a + h·(b - a), h = clip(σ(V)·(ζ - γ) + γ,
// 0, 1), ζ = 1.1, γ = -0.1, from h = (w - a) / (b - a) on. Minimised by Adam: mean (y - y')² of the layer's
// output, y of the float network and y' from what the rounded one reads, plus λ·Σ (1 - |2h - 1|^β), λ = 0.01,
// where β falls linearly from 20 to 2 after the first fifth of the steps, and without that term before. In
// the end h > 0.5 is up.
//
// Two things differ from the paper. The error of a layer is a quadratic form in its weights, so its second
// moments stand for the data (layer_moments.h): every step sees all of them, and no draw of batches is
// needed; the activation behind the layer is left out of the error for that. And a row's error is in units of
// its mean square output, as a folded batch norm would have it, so that λ means the same in every layer.
//
// Threading: a pure function.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "supernet/execution/weight_grid.h"

namespace precis {

struct LearnedRoundingOptions {
  int64_t steps = 1000;
  double rate = 0.01;  // of Adam
  double lambda = 0.01;
};

// `second` is E[x' x'ᵀ], `cross` E[x x'ᵀ], {groups, columns, columns}, double. The values chosen as
// RoundByGptq gives them: no row is worse than its nearest ones.
at::Tensor LearnRounding(const WeightGrid& grid, const at::Tensor& second, const at::Tensor& cross,
                         const LearnedRoundingOptions& options = {});

}  // namespace precis
