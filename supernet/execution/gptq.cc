// Blocks of columns, so that what lies far ahead is updated once a block.
#include "supernet/execution/gptq.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace precis {
namespace {

constexpr double kDamping = 0.01;
constexpr int64_t kBlock = 128;

at::Tensor UpperFactorOfInverse(const at::Tensor& second) {
  const at::Tensor lower = at::linalg_cholesky(second);
  return at::linalg_cholesky(at::cholesky_inverse(lower), /*upper=*/true);
}

// The columns of both sides in the order.
at::Tensor Ordered(const at::Tensor& second, const at::Tensor& order) {
  const int64_t groups = order.size(0);
  const int64_t columns = order.size(1);
  const at::Tensor rows = second.gather(1, order.unsqueeze(2).expand({groups, columns, columns}));
  return rows.gather(2, order.unsqueeze(1).expand({groups, columns, columns}));
}

// In the order of the grid's columns.
at::Tensor RoundInTurn(const WeightGrid& grid, const at::Tensor& upper, const at::Tensor& dead) {
  at::Tensor left = grid.weights().to(at::kDouble).masked_fill(dead.unsqueeze(1), 0);
  const at::Tensor nearest = grid.pinned().defined() ? grid.Nearest(grid.weights(), 0) : at::Tensor();
  at::Tensor chosen = at::empty_like(grid.weights());
  const int64_t columns = left.size(2);
  for (int64_t begin = 0; begin < columns; begin += kBlock) {
    const int64_t size = std::min(kBlock, columns - begin);
    at::Tensor errors = at::empty({left.size(0), left.size(1), size}, at::kDouble);
    at::Tensor here = left.narrow(2, begin, size).clone();
    for (int64_t i = 0; i < size; ++i) {
      const int64_t column = begin + i;
      const at::Tensor weight = here.narrow(2, i, 1);
      at::Tensor rounded = grid.Nearest(weight, column);
      if (nearest.defined()) {
        rounded = at::where(grid.pinned().narrow(2, column, 1), nearest.narrow(2, column, 1), rounded);
      }
      chosen.narrow(2, column, 1).copy_(rounded);
      const at::Tensor row = upper.narrow(1, column, 1).narrow(2, column, size - i);  // {groups, 1, size - i}
      const at::Tensor error = (weight - rounded) / row.narrow(2, 0, 1);
      errors.narrow(2, i, 1).copy_(error);
      here.narrow(2, i, size - i).sub_(at::bmm(error, row));
    }
    const int64_t behind = columns - begin - size;
    if (behind == 0) break;
    left.narrow(2, begin + size, behind)
        .sub_(at::bmm(errors, upper.narrow(1, begin, size).narrow(2, begin + size, behind)));
  }
  return chosen;
}

}  // namespace

at::Tensor RowErrors(const at::Tensor& weights, const at::Tensor& rounded, const at::Tensor& second,
                     const at::Tensor& cross) {
  const at::Tensor v = rounded.to(at::kDouble);
  const at::Tensor w = weights.to(at::kDouble);
  return (at::bmm(v, second) * v).sum(2) - 2 * (at::bmm(w, cross) * v).sum(2);
}

at::Tensor BetterRows(const WeightGrid& grid, const at::Tensor& chosen, const at::Tensor& second,
                      const at::Tensor& cross) {
  const at::Tensor nearest = grid.Nearest(grid.weights(), 0);
  const at::Tensor better =
      RowErrors(grid.weights(), chosen, second, cross).lt(RowErrors(grid.weights(), nearest, second, cross));
  return at::where(better.unsqueeze(2), chosen, nearest);
}

at::Tensor RoundByGptq(const WeightGrid& grid, const at::Tensor& second) {
  const at::Tensor diagonal = second.diagonal(0, 1, 2);
  const at::Tensor dead = diagonal.le(0);
  at::Tensor damped = second.clone();
  damped.diagonal(0, 1, 2).add_(kDamping * diagonal.mean(1, /*keepdim=*/true) + dead.to(at::kDouble));
  const at::Tensor order = diagonal.argsort(int64_t{1}, /*descending=*/true);
  const at::Tensor upper = UpperFactorOfInverse(Ordered(damped, order));
  const at::Tensor chosen = RoundInTurn(grid.Permuted(order), upper, dead.gather(1, order));
  const at::Tensor back = order.argsort(int64_t{1}).unsqueeze(1).expand_as(chosen);
  return BetterRows(grid, chosen.gather(2, back), second, second);
}

}  // namespace precis
