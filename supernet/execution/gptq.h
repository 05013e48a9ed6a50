// GPTQ: rounds the weights of a layer column by column, and lets the columns that are left make up for what
// each rounding did (Frantar, Ashkboos, Hoefler and Alistarh 2022, arXiv 2210.17323). Internal to
// supernet/execution.
//
// Of H = E[x' x'ᵀ], damped by a hundredth of its mean diagonal, U is the upper Cholesky factor of its
// inverse; the error (w - q) / U_ii of column i goes to column j > i as -error · U_ij. Columns come in
// falling order of H_ii. The grid is the format's own, with the scales of the weights as they were. Columns
// that nothing is read from are 0. In double.
//
// Threading: a pure function.
#pragma once

#include <ATen/core/Tensor.h>

#include "supernet/execution/weight_grid.h"

namespace precis {

// `second` is E[x' x'ᵀ], {groups, columns, columns}, double. The values chosen, {groups, rows, columns},
// FP32, on the grid: of every row either those, or its nearest ones, whichever has the smaller error (w -
// q)·H·(w - q)ᵀ. May throw what LibTorch throws.
at::Tensor RoundByGptq(const WeightGrid& grid, const at::Tensor& second);

// Of every row, {groups, rows}: v·second·vᵀ - 2 w·cross·vᵀ, which is mean (y - y')² but for what does not
// depend on the rounded weights v.
at::Tensor RowErrors(const at::Tensor& weights, const at::Tensor& rounded, const at::Tensor& second,
                     const at::Tensor& cross);
// `chosen` where that error is smaller than that of nearest rounding, else nearest rounding; row by row.
at::Tensor BetterRows(const WeightGrid& grid, const at::Tensor& chosen, const at::Tensor& second,
                      const at::Tensor& cross);

}  // namespace precis
