// Ranges on the CPU: whole rows by threads, or one row shared among them.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "supernet/formats/check.h"
#include "supernet/formats/kernels.h"
#include "supernet/quantizers/quantize_paths.h"
#include "supernet/quantizers/row_loops.h"

namespace precis::quantize_paths {
namespace {

// The larger; NaN if either is.
float MergeMaxAbs(float a, float b) { return a > b || std::isnan(a) ? a : b; }

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
    ForEachSpan(rows, in.numel() / rows, 1, [&](int64_t row, int64_t begin, int64_t count) {
      largest[row] = MaxAbs(data + begin, static_cast<size_t>(count));
    });
  }
  return out;
}

at::Tensor MeasureFused(const at::Tensor& x, Operand operand, const Format& format,
                        const RangeMethod& method) {
  const bool per_row = HasRangePerRow(operand, format);
  if (TakesLargest(format, method.rule) && !format.scale.zero_point) return MaxAbsFused(x, per_row);

  const int64_t rows = RangeRows(x, operand, format);
  const bool samples = RangeStride(static_cast<size_t>(x.numel() / std::max<int64_t>(1, rows))) > 1;
  const at::Tensor in = samples ? InOrder(x) : WithRowsInOrder(x, rows);
  const float* data = in.data_ptr<float>();
  const int64_t row_size = rows == 0 ? 0 : in.numel() / rows;
  const int64_t ends = format.scale.zero_point ? 2 : 1;
  std::vector<int64_t> shape;
  if (per_row) shape.push_back(rows);
  if (ends == 2) shape.push_back(2);
  at::Tensor out = at::empty(shape, x.options());
  float* to = out.data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, row_size));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const ValueRange range =
          FindRange(format, method, data + row * row_size, static_cast<size_t>(row_size));
      if (ends == 2) to[2 * row] = range.low;
      to[ends * row + ends - 1] = range.high;
    }
  });
  return out;
}

}  // namespace precis::quantize_paths
