// The CPU's way: one parallel pass over memory with the kernels of supernet/formats.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "supernet/formats/check.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/scalar.h"
#include "supernet/quantizers/quantize_paths.h"

namespace precis::quantize_paths {
namespace {

// Fewer elements than this are not worth waking another thread for.
constexpr int64_t kGrain = 32768;

// Elements of one row lie together, rows one after the other.
at::Tensor WithRowsInOrder(const at::Tensor& x, int64_t rows) {
  if (!x.is_non_overlapping_and_dense()) return x.contiguous();
  const bool in_order = rows <= 1 || x.stride(0) == x.numel() / rows;
  return in_order ? x : x.contiguous();
}

// Calls run(row, begin, count) so that all elements of all rows are covered once, in parallel.
template <typename Run>
void ForEachSpan(int64_t rows, int64_t row_size, const Run& run) {
  if (rows == 1) {
    at::parallel_for(0, row_size, kGrain, [&](int64_t begin, int64_t end) { run(0, begin, end - begin); });
    return;
  }
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, row_size));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) run(row, row * row_size, row_size);
  });
}

// The larger; NaN if either is.
float MergeMaxAbs(float a, float b) { return a > b || std::isnan(a) ? a : b; }

bool IsUsable(float range) { return range > 0 && std::isfinite(range); }

struct Rows {
  Rows(const at::Tensor& x, const at::Tensor& ranges)
      : count(ranges.defined() && ranges.dim() == 1 ? ranges.numel() : 1),
        size(count == 0 ? 0 : x.numel() / count),
        ranges(ranges.defined() ? ranges.contiguous() : ranges) {
    PRECIS_CHECK(!ranges.defined() || ranges.dim() == 0 || (x.dim() > 0 && x.size(0) == count));
  }
  float Range(int64_t row) const { return ranges.data_ptr<float>()[row]; }

  int64_t count;
  int64_t size;
  at::Tensor ranges;
};

}  // namespace

at::Tensor MaxAbsFused(const at::Tensor& x, bool per_row) {
  const int64_t rows = per_row ? x.size(0) : 1;
  const at::Tensor in = WithRowsInOrder(x, rows);
  at::Tensor out = per_row ? at::empty({rows}, x.options()) : at::empty({}, x.options());
  const float* data = in.data_ptr<float>();
  if (rows == 1) {
    *out.data_ptr<float>() = at::parallel_reduce(
        0, in.numel(), kGrain, 0.0f,
        [&](int64_t begin, int64_t end, float so_far) {
          return MergeMaxAbs(so_far, MaxAbs(data + begin, static_cast<size_t>(end - begin)));
        },
        MergeMaxAbs);
  } else if (rows > 1) {
    float* largest = out.data_ptr<float>();
    ForEachSpan(rows, in.numel() / rows, [&](int64_t row, int64_t begin, int64_t count) {
      largest[row] = MaxAbs(data + begin, static_cast<size_t>(count));
    });
  }
  return out;
}

at::Tensor QuantizeFused(const at::Tensor& x, const Format& format, const at::Tensor& ranges) {
  const Rows rows(x, ranges);
  const at::Tensor in = WithRowsInOrder(x, rows.count);
  at::Tensor out = at::empty_like(in);
  const float* from = in.data_ptr<float>();
  float* to = out.data_ptr<float>();
  ForEachSpan(rows.count, rows.size, [&](int64_t row, int64_t begin, int64_t count) {
    float scale = 1;
    if (IsScaled(format)) {
      const float range = rows.Range(row);
      if (!IsUsable(range)) {
        std::copy_n(from + begin, count, to + begin);
        return;
      }
      scale = ScaleForMaxAbs(format, range);
    }
    QuantizeSpan(format.element, scale, from + begin, to + begin, static_cast<size_t>(count));
  });
  return out;
}

at::Tensor StraightThroughFused(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad) {
  const Rows rows(x, limits);
  const at::Tensor in = WithRowsInOrder(x, rows.count);
  const bool same_layout = grad.is_non_overlapping_and_dense() && grad.strides() == in.strides();
  const at::Tensor grad_out = same_layout ? grad : at::empty_like(in).copy_(grad);
  at::Tensor grad_in = at::empty_like(in);
  const float* values = in.data_ptr<float>();
  const float* from = grad_out.data_ptr<float>();
  float* to = grad_in.data_ptr<float>();
  ForEachSpan(rows.count, rows.size, [&](int64_t row, int64_t begin, int64_t count) {
    const float limit = rows.Range(row);
    StraightThroughSpan(-limit, limit, values + begin, from + begin, to + begin, static_cast<size_t>(count));
  });
  return grad_in;
}

}  // namespace precis::quantize_paths
