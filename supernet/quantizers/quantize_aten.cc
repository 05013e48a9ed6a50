// Any device's way: the kernels' arithmetic in ATen operations, each exact or correctly rounded by itself.
//
// Divisors are tensors on x's device, never host numbers: CUDA turns a division by a host number into a
// product with its reciprocal, which rounds differently.
#include <ATen/ATen.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "supernet/formats/check.h"
#include "supernet/quantizers/quantize_paths.h"

namespace precis::quantize_paths {
namespace {

constexpr int32_t kMagnitudeMask = 0x7FFFFFFF;
constexpr int32_t kInfinityBits = 0x7F800000;
constexpr int kMantissaBits = 23;
constexpr int kExponentBias = 127;

// {rows} as {rows, 1, 1, …} so that it meets x's first dimension.
at::Tensor AlignRows(const at::Tensor& per_row, const at::Tensor& x) {
  if (per_row.dim() == 0) return per_row;
  PRECIS_CHECK(x.dim() > 0 && per_row.size(0) == x.size(0));
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = per_row.size(0);
  return per_row.reshape(shape);
}

at::Tensor IsUsable(const at::Tensor& ranges) { return ranges.gt(0).logical_and(ranges.isfinite()); }

at::Tensor QuantizeInteger(const ElementFormat& element, const at::Tensor& value) {
  // Adding 0 turns -0 into +0, which integers cannot hold.
  return value.clamp(MinFinite(element), MaxFinite(element)).round().add(0.0);
}

at::Tensor QuantizeFloat(const ElementFormat& element, const at::Tensor& value) {
  const int shift = kMantissaBits - element.mantissa_bits;
  const auto largest = static_cast<float>(MaxFinite(element));
  const at::Tensor magnitude = value.abs().clamp_max(std::numeric_limits<float>::infinity());

  // Below the smallest normal number the grid is even: a float of this size has the same spacing.
  const double smallest_normal = std::ldexp(1.0, 1 - element.bias);
  const double magic = std::ldexp(1.0, 1 - element.bias - element.mantissa_bits + kMantissaBits);
  const at::Tensor subnormal = magnitude.add(magic).sub(magic);

  at::Tensor normal = magnitude;
  if (shift > 0) {
    // Half a last place is added to the bits, less one where the code below is even, and the rest cut off.
    // Where no mantissa bit is left, the code's parity is that of its exponent in the element's own bias.
    const int parity_offset = element.mantissa_bits == 0 ? (kExponentBias - element.bias) & 1 : 0;
    const at::Tensor bits = magnitude.view(at::kInt).clamp_max(kInfinityBits);
    const at::Tensor odd = bits.bitwise_right_shift(shift).add(parity_offset).bitwise_and(1);
    const at::Tensor cut = bits.add((1 << (shift - 1)) - 1).add(odd).bitwise_and(-1 << shift);
    normal = cut.view(at::kFloat);
  }
  const at::Tensor finite = at::where(magnitude.lt(smallest_normal), subnormal, normal.clamp_max(largest));
  const at::Tensor result = at::where(value.isnan(), value, finite);
  return at::copysign(result, value);
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

at::Tensor QuantizeAten(const at::Tensor& x, const Format& format, const at::Tensor& ranges) {
  const bool integer = format.element.kind == ElementKind::kInteger;
  auto quantize = [&](const at::Tensor& value) {
    return integer ? QuantizeInteger(format.element, value) : QuantizeFloat(format.element, value);
  };
  if (!IsScaled(format)) return quantize(x);
  const at::Tensor largest = at::full_like(ranges, MaxFinite(format.element));
  const at::Tensor scale = AlignRows(ranges.div(largest).clamp_min(FLT_MIN), x);
  return at::where(AlignRows(IsUsable(ranges), x), quantize(x.div(scale)).mul(scale), x);
}

at::Tensor StraightThroughAten(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad) {
  return at::where(x.abs().le(AlignRows(limits, x)), grad, at::zeros({}, grad.options()));
}

at::Tensor GradientLimits(const at::Tensor& x, const Format& format, const at::Tensor& ranges) {
  if (!IsScaled(format)) return at::full({}, MaxFinite(format.element), x.options());
  return at::where(IsUsable(ranges), ranges, at::full_like(ranges, std::numeric_limits<float>::infinity()));
}

}  // namespace precis::quantize_paths
