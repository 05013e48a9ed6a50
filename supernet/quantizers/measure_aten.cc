// Ranges on any device.
#include <ATen/ATen.h>

#include <limits>
#include <vector>

#include "supernet/formats/check.h"
#include "supernet/quantizers/quantize_paths.h"

namespace precis::quantize_paths {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// low and high of each row of {rows, n}, along a last dimension; of magnitudes without zero point.
at::Tensor Widest(const at::Tensor& rows, bool two_ends) {
  if (!two_ends) {
    const at::Tensor max_abs = rows.abs().amax(1);
    return at::stack({max_abs.neg(), max_abs}, 1);
  }
  const auto [low, high] = at::aminmax(rows, /*dim=*/1);
  return at::stack({low.clamp_max(0), high.clamp_min(0)}, 1);
}

at::Tensor OfPercentile(const at::Tensor& rows, double percentile, bool two_ends) {
  const int64_t count = rows.size(1);
  const auto rank = static_cast<int64_t>(PercentileRank(percentile, static_cast<size_t>(count)));
  if (!two_ends) {
    const at::Tensor high = std::get<0>(rows.abs().kthvalue(rank, 1));
    return at::stack({high.neg(), high}, 1);
  }
  const at::Tensor high = std::get<0>(rows.kthvalue(rank, 1));
  const at::Tensor low = std::get<0>(rows.kthvalue(count - rank + 1, 1));
  return at::stack({low.clamp_max(0), high.clamp_min(0)}, 1);
}

// `ends` as QuantizeAten takes ranges.
at::Tensor AsRanges(const at::Tensor& ends, bool two_ends) { return two_ends ? ends : ends.select(1, 1); }

at::Tensor OfLeastError(const at::Tensor& rows, Format format, bool two_ends) {
  format.scale.extent = ScaleExtent::kOperand;
  format.stochastic_bits = 0;
  const auto stride = static_cast<int64_t>(RangeStride(static_cast<size_t>(rows.size(1))));
  const at::Tensor values = rows.slice(1, 0, rows.size(1), stride);
  const at::Tensor widest = Widest(rows, two_ends);
  // {rows}: the error under each row's factor.
  const auto error_of = [&](const at::Tensor& factor) {
    const at::Tensor ranges = AsRanges(widest * factor.unsqueeze(1), two_ends).contiguous();
    const at::Tensor rounded = QuantizeAten(values, {Operand::kWeight, format, ranges});
    return (values.to(at::kDouble) - rounded).square().sum(1);
  };
  const auto constant = [&](float value) { return at::full({rows.size(0)}, value, rows.options()); };

  at::Tensor best = constant(1);
  at::Tensor least =
      at::full({rows.size(0)}, std::numeric_limits<double>::infinity(), rows.options().dtype(at::kDouble));
  at::Tensor coarse_index = at::zeros({rows.size(0)}, rows.options().dtype(at::kLong));
  const auto take = [&](const at::Tensor& factor) {
    const at::Tensor error = error_of(factor);
    const at::Tensor better = error.lt(least);
    least = at::where(better, error, least);
    best = at::where(better, factor, best);
    return better;
  };
  const std::span<const float> coarse = CoarseRangeFactors();
  for (size_t c = 0; c < coarse.size(); ++c) {
    const at::Tensor better = take(constant(coarse[c]));
    coarse_index = at::where(better, at::full_like(coarse_index, static_cast<int64_t>(c)), coarse_index);
  }
  // Every row has its own neighbours to try; the widest range has only narrower ones.
  std::vector<std::vector<float>> table;
  for (size_t c = 0; c < coarse.size(); ++c) {
    const std::span<const float> fine = FineRangeFactors(c);
    table.emplace_back(fine.begin(), fine.end());
    table.back().resize(FineRangeFactors(1).size(), fine[0]);
  }
  for (size_t f = 0; f < table[0].size(); ++f) {
    std::vector<float> column;
    for (const std::vector<float>& fine : table) column.push_back(fine[f]);
    take(at::tensor(at::ArrayRef<float>(column)).to(rows.device()).index_select(0, coarse_index));
  }
  return widest * best.unsqueeze(1);
}

}  // namespace

at::Tensor MaxAbsAten(const at::Tensor& x, bool per_row) {
  const at::Tensor in = x.detach();
  if (per_row) {
    if (in.numel() == 0) return at::zeros({in.size(0)}, in.options());
    const auto [lowest, highest] = at::aminmax(in.reshape({in.size(0), -1}), /*dim=*/1);
    return at::maximum(lowest.neg(), highest).abs();
  }
  if (in.numel() == 0) return at::zeros({}, in.options());
  const auto [lowest, highest] = at::aminmax(in);
  return at::maximum(lowest.neg(), highest).abs();
}

at::Tensor MeasureAten(const at::Tensor& x, Operand operand, const Format& format,
                       const RangeMethod& method) {
  const bool per_row = HasRangePerRow(operand, format);
  const bool two_ends = format.scale.zero_point;
  if (TakesLargest(format, method.rule) && !two_ends) return MaxAbsAten(x, per_row);
  const at::Tensor in = x.detach();
  // In the order of memory, by which kMeanSquareError takes its samples.
  const at::Tensor in_order = in.dim() == 4 ? in.permute({0, 2, 3, 1}) : in;
  const at::Tensor rows = in_order.reshape({per_row ? in.size(0) : 1, -1});
  at::Tensor ends;
  if (rows.numel() == 0) {
    ends = at::zeros({rows.size(0), 2}, in.options());
  } else {
    switch (method.rule) {
      case RangeRule::kMaxAbs:
      case RangeRule::kMovingAverage:
        ends = Widest(rows, two_ends);
        break;
      case RangeRule::kPercentile:
        ends = OfPercentile(rows, method.percentile, two_ends);
        ends = at::where(ends.eq(0).all(1, /*keepdim=*/true), Widest(rows, two_ends), ends);
        break;
      case RangeRule::kMeanSquareError:
      case RangeRule::kLearned:
        ends = OfLeastError(rows, format, two_ends);
        break;
    }
  }
  const at::Tensor usable = ends.isfinite().all(1, /*keepdim=*/true);
  ends = at::where(usable, ends, at::full_like(ends, kNan));
  const at::Tensor ranges = AsRanges(ends, two_ends);
  return (per_row ? ranges : ranges.squeeze(0)).contiguous();
}

}  // namespace precis::quantize_paths
