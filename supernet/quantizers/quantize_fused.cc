// The CPU's way: one parallel pass over memory with the kernels of supernet/formats.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "supernet/formats/check.h"
#include "supernet/formats/hadamard.h"
#include "supernet/formats/kernels.h"
#include "supernet/quantizers/quantize_paths.h"
#include "supernet/quantizers/row_loops.h"

namespace precis::quantize_paths {
namespace {

// `ranges` row by row: one number, or two with a zero point.
class RangeOfRow {
 public:
  RangeOfRow(const at::Tensor& ranges, bool two_ends)
      : ranges_(ranges.contiguous()), data_(ranges_.data_ptr<float>()), two_ends_(two_ends) {}

  ValueRange operator[](int64_t row) const {
    return two_ends_ ? ValueRange{data_[2 * row], data_[2 * row + 1]} : ValueRange{-data_[row], data_[row]};
  }

 private:
  at::Tensor ranges_;
  const float* data_;
  bool two_ends_;
};

bool IsUsable(const ValueRange& range) {
  return std::isfinite(range.low) && std::isfinite(range.high) && range.low < range.high;
}

void QuantizeElements(const Format& format, const OperandScale& scale, const RandomStream& random,
                      const float* from, float* to, int64_t count) {
  const auto size = static_cast<size_t>(count);
  if (format.scale.zero_point) {
    QuantizeAffineSpan(format.element, scale.scale, scale.zero_point, from, to, size);
  } else if (format.stochastic_bits != 0) {
    QuantizeStochasticSpan(format.element, scale.scale, format.stochastic_bits, random, from, to, size);
  } else {
    QuantizeSpan(format.element, scale.scale, from, to, size);
  }
}

void QuantizeBlocks(const at::Tensor& in, const Request& request, float* to) {
  const Format& format = request.format;
  GlobalScale global;
  if (format.scale.global) {
    const float max_abs = request.ranges.item<float>();
    if (max_abs > 0 && std::isfinite(max_abs)) global = GlobalScaleFor(format, max_abs);
  }
  int64_t row_size = BlockRow(in, request.operand, format);
  if (row_size == 0) return;
  int64_t rows = in.numel() / row_size;
  // Rows of whole blocks need not be told apart.
  if (row_size % format.scale.block == 0) {
    row_size = in.numel();
    rows = 1;
  }
  const float* from = in.data_ptr<float>();
  ForEachSpan(rows, row_size, format.scale.block, [&](int64_t /*row*/, int64_t begin, int64_t count) {
    const RandomStream random = {request.seed, static_cast<uint64_t>(begin)};
    QuantizeBlocksSpan(format, global, random, from + begin, to + begin, static_cast<size_t>(count));
  });
}

}  // namespace

bool HasRangePerRow(Operand operand, const Format& format) {
  return operand == Operand::kWeight && IsScaled(format) && format.scale.extent == ScaleExtent::kOperand;
}

int64_t RangeRows(const at::Tensor& x, Operand operand, const Format& format) {
  return HasRangePerRow(operand, format) ? x.size(0) : 1;
}

int64_t BlockRow(const at::Tensor& x, Operand operand, const Format& format) {
  if (x.numel() == 0) return 0;
  const int64_t whole = x.numel() / x.size(0);
  if (operand == Operand::kWeight || x.dim() < 2) return whole;
  return x.size(1) >= format.scale.block ? x.size(1) : whole;
}

bool OrderMatters(const Format& format) { return IsBlockScaled(format) || format.stochastic_bits != 0; }

at::Tensor InOrder(const at::Tensor& x) {
  return x.dim() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x.contiguous();
}

at::Tensor QuantizeFused(const at::Tensor& x, const Request& request) {
  const Format& format = request.format;
  const int64_t rows = RangeRows(x, request.operand, format);
  const at::Tensor in = OrderMatters(format) ? InOrder(x) : WithRowsInOrder(x, rows);
  at::Tensor out = at::empty_like(in);
  float* to = out.data_ptr<float>();
  if (IsBlockScaled(format)) {
    QuantizeBlocks(in, request, to);
    return out;
  }
  const float* from = in.data_ptr<float>();
  const auto run = [&](const OperandScale& scale, int64_t begin, int64_t count) {
    QuantizeElements(format, scale, {request.seed, static_cast<uint64_t>(begin)}, from + begin, to + begin,
                     count);
  };
  const int64_t row_size = rows == 0 ? 0 : in.numel() / rows;
  if (!NeedsRange(format)) {
    ForEachSpan(1, in.numel(), 1, [&](int64_t, int64_t begin, int64_t count) { run({}, begin, count); });
    return out;
  }
  const RangeOfRow ranges(request.ranges, format.scale.zero_point);
  ForEachSpan(rows, row_size, 1, [&](int64_t row, int64_t begin, int64_t count) {
    const ValueRange range = ranges[row];
    if (IsUsable(range)) {
      run(ScaleForRange(format, range), begin, count);
    } else {
      std::copy_n(from + begin, count, to + begin);
    }
  });
  return out;
}

at::Tensor RotateFused(const at::Tensor& x, int size, bool back) {
  PRECIS_CHECK(x.dim() >= 2);
  const at::Tensor in = InOrder(x);
  const int64_t channels = x.size(1);
  if (in.numel() == 0 || channels < size) return in.clone();
  at::Tensor out = at::empty_like(in);
  const float* from = in.data_ptr<float>();
  float* to = out.data_ptr<float>();
  const auto rotate = back ? HadamardRotateBack : HadamardRotate;
  // Cut at pixels; where channels are whole groups, pixels need not be told apart.
  const int64_t unit = channels % size == 0 ? size : channels;
  ForEachSpan(1, in.numel(), unit, [&](int64_t, int64_t begin, int64_t count) {
    rotate(size, /*seed=*/0, from + begin, to + begin, static_cast<size_t>(count),
           static_cast<size_t>(channels % size == 0 ? count : channels));
  });
  return out;
}

namespace {

// x as memory has it, and a gradient in the same order.
struct Aligned {
  Aligned(const at::Tensor& x, const at::Tensor& grad, int64_t rows)
      : in(WithRowsInOrder(x, rows)),
        grad_out(HasOrderOf(grad, in) ? grad : at::empty_like(in).copy_(grad)),
        grad_in(at::empty_like(in)) {}

  static bool HasOrderOf(const at::Tensor& tensor, const at::Tensor& other) {
    return tensor.is_non_overlapping_and_dense() && tensor.strides() == other.strides();
  }

  at::Tensor in;
  at::Tensor grad_out;
  at::Tensor grad_in;
};

// One pass: the gradient of x, and the sum behind that of its range.
double LearnedSpan(float limit, const float* x, const float* y, const float* grad_out, float* grad_in,
                   int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const bool inside = std::fabs(x[i]) <= limit;
    grad_in[i] = inside ? grad_out[i] : 0.0f;
    sum += static_cast<double>(grad_out[i]) * (inside ? y[i] - x[i] : y[i]);
  }
  return sum;
}

}  // namespace

at::Tensor StraightThroughFused(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad) {
  const int64_t rows = limits.numel() / 2;
  const Aligned aligned(x, grad, rows);
  const RangeOfRow ends(limits, /*two_ends=*/true);
  const float* values = aligned.in.data_ptr<float>();
  const float* from = aligned.grad_out.data_ptr<float>();
  float* to = aligned.grad_in.data_ptr<float>();
  ForEachSpan(rows, rows == 0 ? 0 : x.numel() / rows, 1, [&](int64_t row, int64_t begin, int64_t count) {
    const ValueRange range = ends[row];
    StraightThroughSpan(range.low, range.high, values + begin, from + begin, to + begin,
                        static_cast<size_t>(count));
  });
  return aligned.grad_in;
}

std::pair<at::Tensor, at::Tensor> LearnedFused(const at::Tensor& x, const at::Tensor& y,
                                               const at::Tensor& ranges, const at::Tensor& grad) {
  const int64_t rows = ranges.numel();
  const Aligned aligned(x, grad, rows);
  const at::Tensor quantized = Aligned::HasOrderOf(y, aligned.in) ? y : at::empty_like(aligned.in).copy_(y);
  const float* values = aligned.in.data_ptr<float>();
  const float* rounded = quantized.data_ptr<float>();
  const float* from = aligned.grad_out.data_ptr<float>();
  float* to = aligned.grad_in.data_ptr<float>();
  at::Tensor of_ranges = at::zeros_like(ranges);
  float* of_range = of_ranges.data_ptr<float>();
  const RangeOfRow range_of(ranges, /*two_ends=*/false);
  const int64_t row_size = rows == 0 ? 0 : x.numel() / rows;
  // Sums of pieces of one size, added in order: the same on every thread count.
  const int64_t pieces = rows == 1 ? (row_size + kGrain - 1) / kGrain : rows;
  std::vector<double> sums(static_cast<size_t>(pieces));
  const int64_t piece_size = rows == 1 ? kGrain : row_size;
  at::parallel_for(0, pieces, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, piece_size)),
                   [&](int64_t first, int64_t last) {
                     for (int64_t piece = first; piece < last; ++piece) {
                       const int64_t begin = piece * piece_size;
                       const int64_t count = std::min(piece_size, x.numel() - begin);
                       const ValueRange range = range_of[rows == 1 ? 0 : piece];
                       if (IsUsable(range)) {
                         sums[static_cast<size_t>(piece)] =
                             LearnedSpan(range.high, values + begin, rounded + begin, from + begin,
                                         to + begin, count) /
                             range.high;
                       } else {
                         std::copy_n(from + begin, count, to + begin);
                       }
                     }
                   });
  if (rows == 1) {
    *of_range = static_cast<float>(std::accumulate(sums.begin(), sums.end(), 0.0));
  } else {
    std::transform(sums.begin(), sums.end(), of_range, [](double sum) { return static_cast<float>(sum); });
  }
  return {aligned.grad_in, of_ranges};
}

}  // namespace precis::quantize_paths
