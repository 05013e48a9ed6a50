// Rows of a tensor in memory order, shared out among threads. Internal to the fused path.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

namespace precis::quantize_paths {

// Fewer elements than this are not worth waking another thread for.
inline constexpr int64_t kGrain = 32768;

// Dense, the elements of one index of the first dimension together and those one after the other.
inline at::Tensor WithRowsInOrder(const at::Tensor& x, int64_t rows) {
  if (!x.is_non_overlapping_and_dense()) return x.contiguous();
  const bool in_order = rows <= 1 || x.stride(0) == x.numel() / rows;
  return in_order ? x : x.contiguous();
}

// Calls run(row, begin, count) so that all elements of all rows are covered once, in parallel. A single row
// is cut at multiples of `unit`.
template <typename Run>
void ForEachSpan(int64_t rows, int64_t row_size, int64_t unit, const Run& run) {
  if (rows == 1) {
    const int64_t units = (row_size + unit - 1) / unit;
    at::parallel_for(0, units, std::max<int64_t>(1, kGrain / unit), [&](int64_t begin, int64_t end) {
      run(0, begin * unit, std::min(end * unit, row_size) - begin * unit);
    });
    return;
  }
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, row_size));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) run(row, row * row_size, row_size);
  });
}

}  // namespace precis::quantize_paths
