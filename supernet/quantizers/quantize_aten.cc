// Any device's way: the kernels' arithmetic in ATen operations, each exact or correctly rounded by itself.
//
// Divisors are tensors on x's device, never host numbers: CUDA turns a division by a host number into a
// product with its reciprocal, which rounds differently.
#include <ATen/ATen.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/check.h"
#include "supernet/formats/hadamard.h"
#include "supernet/quantizers/aten_rounding.h"
#include "supernet/quantizers/quantize_paths.h"

namespace precis::quantize_paths {
namespace {

using aten::kExponentBias;
using aten::kMantissaBits;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// {rows} as {rows, 1, 1, …} so that it meets x's first dimension.
at::Tensor AlignRows(const at::Tensor& per_row, const at::Tensor& x) {
  if (per_row.dim() == 0) return per_row;
  PRECIS_CHECK(x.dim() > 0 && per_row.size(0) == x.size(0));
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = per_row.size(0);
  return per_row.reshape(shape);
}

// low and high without their last dimension.
struct Ends {
  Ends(const at::Tensor& ranges, bool two_ends)
      : low(two_ends ? ranges.select(-1, 0) : ranges.neg()), high(two_ends ? ranges.select(-1, 1) : ranges) {}

  at::Tensor Usable() const { return low.lt(high).logical_and(low.isfinite()).logical_and(high.isfinite()); }

  at::Tensor low;
  at::Tensor high;
};

// Powers of two by rule for largest magnitudes, as block_scale.h has them: decode and encode factors.
std::pair<at::Tensor, at::Tensor> PowerScales(const Format& format, const at::Tensor& max_abs) {
  const ElementFormat& element = format.element;
  const int32_t largest = aten::BitsOf(MaxFinite(element));
  const int mantissa = element.kind == ElementKind::kInteger ? element.bits - 2 : element.mantissa_bits;
  const int32_t half = format.scale.rule == PowerRule::kEven ? 1 << (kMantissaBits - 1 - mantissa) : 0;
  const int32_t mantissa_mask = (1 << kMantissaBits) - 1;
  const int32_t last = format.scale.rule == PowerRule::kCeil ? largest & mantissa_mask : mantissa_mask;
  const int offset = format.scale.headroom - (largest >> kMantissaBits);
  const at::Tensor bits = max_abs.view(at::kInt);
  const at::Tensor tiny = bits.lt(1 << kMantissaBits);
  const at::Tensor normal = at::where(tiny, max_abs.mul(0x1p64).view(at::kInt), bits).add(half);
  at::Tensor exponent = normal.bitwise_right_shift(kMantissaBits).add(offset).sub(tiny.to(at::kInt).mul(64));
  exponent = exponent.add(normal.bitwise_and(mantissa_mask).gt(last).to(at::kInt)).clamp(-127, 127);
  const auto power = [](const at::Tensor& e) {
    const at::Tensor field = e.add(kExponentBias).bitwise_left_shift(kMantissaBits);
    return at::where(e.eq(-127), at::full_like(field, 1 << (kMantissaBits - 1)), field).view(at::kFloat);
  };
  return {power(exponent), power(exponent.neg())};
}

// decode and encode of each block from its largest magnitude; encode of FP32 scales is undefined.
std::pair<at::Tensor, at::Tensor> BlockScales(const Format& format, const at::Tensor& max_abs,
                                              const at::Tensor& range) {
  const at::Tensor finite = max_abs.isfinite();
  const at::Tensor nan = at::full({}, kNan, max_abs.options());
  const at::Tensor largest = at::full({}, MaxFinite(format.element), max_abs.options());
  if (format.scale.type == ScaleType::kE8M0) {
    const auto [decode, encode] = PowerScales(format, max_abs);
    return {at::where(finite, decode, nan), at::where(finite, encode, nan)};
  }
  const at::Tensor one = at::ones({}, max_abs.options());
  if (format.scale.type == ScaleType::kFloat32) {
    const at::Tensor decode = at::where(max_abs.eq(0), one, max_abs.div(largest).clamp_min(FLT_MIN));
    return {at::where(finite, decode, nan), {}};
  }
  at::Tensor global_encode = one, global_decode = one;
  const ElementFormat scale = ScaleElement(format.scale);
  if (format.scale.global) {
    const at::Tensor usable = range.gt(0).logical_and(range.isfinite());
    const auto reach = static_cast<float>(MaxFinite(scale) * MaxFinite(format.element));
    const at::Tensor wanted = at::full_like(range, reach).div(range).clamp_max(0x1p110);
    global_encode = at::where(usable, wanted, one);
    global_decode = at::where(usable, one.div(wanted), one);
  }
  const at::Tensor stored = aten::Round(scale, max_abs.div(largest).mul(global_encode));
  const at::Tensor decode = stored.clamp_min(SmallestStep(scale)).mul(global_decode);
  return {at::where(finite, decode, nan), at::where(finite, one.div(decode), nan)};
}

// x in order as {rows, row_size}, and back.
at::Tensor AsRows(const at::Tensor& in_order, int64_t row_size) {
  const at::Tensor flat = in_order.dim() == 4 ? in_order.permute({0, 2, 3, 1}) : in_order;
  return flat.reshape({-1, row_size});
}

at::Tensor FromRows(const at::Tensor& rows, const at::Tensor& in_order) {
  if (in_order.dim() != 4) return rows.reshape(in_order.sizes());
  return rows.reshape(in_order.permute({0, 2, 3, 1}).sizes()).permute({0, 3, 1, 2});
}

at::Tensor QuantizeBlocks(const at::Tensor& x, const Request& request) {
  const Format& format = request.format;
  const at::Tensor in = InOrder(x);
  if (in.numel() == 0) return in.clone();
  const int64_t block = format.scale.block;
  const at::Tensor rows = AsRows(in, BlockRow(in, request.operand, format));
  const int64_t row_size = rows.size(1);
  const int64_t padding = (block - row_size % block) % block;
  const auto in_blocks = [&](const at::Tensor& each) {
    return at::constant_pad_nd(each, {0, padding}).reshape({each.size(0), -1, block});
  };
  const at::Tensor values = in_blocks(rows);
  const auto [decode, encode] = BlockScales(format, values.abs().amax(2, /*keepdim=*/true), request.ranges);
  const at::Tensor scaled = encode.defined() ? values.mul(encode) : values.div(decode);
  at::Tensor rounded;
  if (format.stochastic_bits == 0) {
    rounded = aten::Round(format.element, scaled);
  } else {
    const at::Tensor threshold =
        aten::RandomThresholds(request.seed, rows.numel(), format.stochastic_bits, rows);
    rounded = aten::RoundStochastically(format.element, scaled, in_blocks(threshold.reshape(rows.sizes())));
  }
  const at::Tensor out = rounded.mul(decode).reshape({rows.size(0), -1}).slice(1, 0, row_size);
  return FromRows(out, in);
}

}  // namespace

at::Tensor QuantizeAten(const at::Tensor& x, const Request& request) {
  const Format& format = request.format;
  if (IsBlockScaled(format)) return QuantizeBlocks(x, request);
  const auto round = [&](const at::Tensor& value) {
    if (format.stochastic_bits == 0) return aten::Round(format.element, value);
    const at::Tensor in = AsRows(InOrder(value), value.numel());
    const at::Tensor threshold = aten::RandomThresholds(request.seed, in.numel(), format.stochastic_bits, in);
    return FromRows(aten::RoundStochastically(format.element, in, threshold.reshape(in.sizes())),
                    InOrder(value));
  };
  if (!NeedsRange(format)) return round(x);
  const Ends ends(request.ranges, format.scale.zero_point);
  const at::Tensor usable = AlignRows(ends.Usable(), x);
  if (format.scale.zero_point) {
    const auto [scale, zero_point] = aten::AffineScales(format.element, ends.low, ends.high);
    const at::Tensor s = AlignRows(scale, x), z = AlignRows(zero_point, x);
    const at::Tensor code =
        x.div(s).round().add(z).clamp(MinFinite(format.element), MaxFinite(format.element));
    return at::where(usable, code.sub(z).mul(s), x);
  }
  at::Tensor scale;
  if (format.scale.type == ScaleType::kE8M0) {
    scale = PowerScales(format, ends.high).first;
  } else {
    scale = ends.high.div(at::full_like(ends.high, MaxFinite(format.element))).clamp_min(FLT_MIN);
  }
  scale = AlignRows(scale, x);
  return at::where(usable, round(x.div(scale)).mul(scale), x);
}

at::Tensor RotateAten(const at::Tensor& x, int size, bool back) {
  PRECIS_CHECK(x.dim() >= 2);
  const at::Tensor in = InOrder(x);
  if (in.numel() == 0) return in.clone();
  const at::Tensor rows = AsRows(in, x.size(1));
  const int64_t whole = rows.size(1) / size * size;
  if (whole == 0) return in.clone();
  std::vector<float> host;
  const auto root = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
  for (int i = 0; i < size; ++i) host.push_back(HadamardSign(/*seed=*/0, static_cast<uint32_t>(i)) * root);
  const at::Tensor factors = at::tensor(at::ArrayRef<float>(host)).to(x.device());

  at::Tensor values = rows.slice(1, 0, whole).reshape({-1, size});
  if (!back) values = values.mul(factors);
  for (int64_t half = 1; half < size; half *= 2) {
    const at::Tensor pairs = values.reshape({values.size(0), -1, 2, half});
    const at::Tensor a = pairs.select(2, 0), b = pairs.select(2, 1);
    values = at::stack({a.add(b), a.sub(b)}, 2).reshape({values.size(0), size});
  }
  if (back) values = values.mul(factors);
  const at::Tensor rotated = values.reshape({rows.size(0), whole});
  return FromRows(at::cat({rotated, rows.slice(1, whole)}, 1), in);
}

at::Tensor StraightThroughAten(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad) {
  const Ends ends(limits, /*two_ends=*/true);
  const at::Tensor inside = x.ge(AlignRows(ends.low, x)).logical_and(x.le(AlignRows(ends.high, x)));
  return at::where(inside, grad, at::zeros({}, grad.options()));
}

std::pair<at::Tensor, at::Tensor> LearnedAten(const at::Tensor& x, const at::Tensor& y,
                                              const at::Tensor& ranges, const at::Tensor& grad) {
  const at::Tensor usable = Ends(ranges, /*two_ends=*/false).Usable();
  const at::Tensor copied = AlignRows(usable.logical_not(), x);
  const at::Tensor inside = x.abs().le(AlignRows(ranges, x));
  const at::Tensor of_x = at::where(inside.logical_or(copied), grad, at::zeros({}, grad.options()));
  const at::Tensor terms = grad.to(at::kDouble).mul(at::where(inside, y.sub(x), y));
  const at::Tensor sums = ranges.dim() == 0 ? terms.sum() : terms.reshape({ranges.size(0), -1}).sum(1);
  const at::Tensor of_ranges = sums.div(ranges.to(at::kDouble)).to(at::kFloat);
  return {of_x, at::where(usable, of_ranges, at::zeros_like(of_ranges))};
}

at::Tensor GradientLimits(const at::Tensor& x, const Format& format, const at::Tensor& ranges) {
  if (!IsScaled(format)) {
    const at::Tensor high = at::full({}, MaxFinite(format.element), x.options());
    return at::stack({high.neg(), high}, -1);
  }
  const Ends ends(ranges, format.scale.zero_point);
  const at::Tensor usable = ends.Usable();
  const at::Tensor infinity = at::full_like(ends.high, std::numeric_limits<float>::infinity());
  const at::Tensor low = HoldsNegatives(format) ? ends.low : at::zeros_like(ends.low);
  return at::stack({at::where(usable, low, infinity.neg()), at::where(usable, ends.high, infinity)}, -1);
}

}  // namespace precis::quantize_paths
