// What element_rounding.h does for kernels, operation by operation.
#include "supernet/quantizers/aten_rounding.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "supernet/formats/check.h"
#include "supernet/formats/counter_random.h"

namespace precis::quantize_paths::aten {
namespace {

constexpr int32_t kMagnitudeMask = 0x7FFFFFFF;
constexpr int32_t kInfinityBits = 0x7F800000;

at::Tensor RoundInteger(const ElementFormat& element, const at::Tensor& value) {
  // Adding 0 turns -0 into +0, which integers cannot hold.
  return value.clamp(MinFinite(element), MaxFinite(element)).round().add(0.0);
}

at::Tensor RoundFloat(const ElementFormat& element, const at::Tensor& value) {
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

// The neighbour below, or the one above where the distance reaches the threshold.
at::Tensor UpOrDown(const at::Tensor& steps, const at::Tensor& threshold) {
  const at::Tensor below = steps.floor();
  return below.add(steps.sub(below).ge(threshold).to(at::kFloat));
}

}  // namespace

at::Tensor Round(const ElementFormat& element, const at::Tensor& value) {
  return element.kind == ElementKind::kInteger ? RoundInteger(element, value) : RoundFloat(element, value);
}

at::Tensor RandomThresholds(uint64_t seed, int64_t count, int bits, const at::Tensor& like) {
  PRECIS_CHECK(count < int64_t{1} << 32);
  const CounterKey key = MakeCounterKey(seed, 0);
  // CounterBits on 64 bits, of which the lower 32 count; products may wrap above them.
  constexpr int64_t kMask = 0xFFFFFFFF;
  at::Tensor x =
      at::arange(count, like.options().dtype(at::kLong)).bitwise_xor(static_cast<int64_t>(key.first));
  x = x.bitwise_xor(x.bitwise_right_shift(16));
  x = x.mul(0x7feb352d).bitwise_and(kMask);
  x = x.bitwise_xor(x.bitwise_right_shift(15));
  x = x.add(static_cast<int64_t>(key.second)).bitwise_and(kMask);
  x = x.mul(int64_t{0x846ca68b}).bitwise_and(kMask);
  x = x.bitwise_xor(x.bitwise_right_shift(16));
  const at::Tensor random = x.bitwise_right_shift(32 - bits);
  return random.mul(-2).add((int64_t{2} << bits) - 1).to(at::kFloat).mul(std::ldexp(1.0, -(bits + 1)));
}

at::Tensor RoundStochastically(const ElementFormat& element, const at::Tensor& value,
                               const at::Tensor& threshold) {
  if (element.kind == ElementKind::kInteger) {
    const at::Tensor clamped = value.clamp(MinFinite(element), MaxFinite(element));
    return at::copysign(UpOrDown(clamped.abs(), threshold), clamped).add(0.0);
  }
  const at::Tensor magnitude = value.abs();
  const at::Tensor bits = magnitude.view(at::kInt);
  const int shift = kMantissaBits - element.mantissa_bits;
  const at::Tensor cut = bits.bitwise_and(-1 << shift);
  const at::Tensor distance = bits.sub(cut).to(at::kFloat).mul(std::ldexp(1.0, -shift));
  const at::Tensor normal = cut.add(distance.ge(threshold).to(at::kInt).mul(1 << shift))
                                .clamp(0, BitsOf(MaxFinite(element)))
                                .view(at::kFloat);
  at::Tensor finite = normal;
  // An element with FP32's own exponents has FP32's subnormals, which the bits round like the rest.
  if (element.bias < kExponentBias) {
    const double smallest_normal = std::ldexp(1.0, 1 - element.bias);
    const double step = std::ldexp(smallest_normal, -element.mantissa_bits);
    const at::Tensor steps = magnitude.clamp_max(smallest_normal).mul(1 / step);
    finite = at::where(magnitude.lt(smallest_normal), UpOrDown(steps, threshold).mul(step), normal);
  }
  return at::copysign(at::where(value.isnan(), value, finite), value);
}

std::pair<at::Tensor, at::Tensor> AffineScales(const ElementFormat& element, const at::Tensor& low,
                                               const at::Tensor& high) {
  const double min = MinFinite(element), max = MaxFinite(element);
  const at::Tensor from = low.to(at::kDouble).clamp_max(0), to = high.to(at::kDouble).clamp_min(0);
  const at::Tensor usable = from.lt(to).logical_and(from.isfinite()).logical_and(to.isfinite());
  const at::Tensor width = to.sub(from).div(at::full_like(to, max - min)).to(at::kFloat).clamp_min(FLT_MIN);
  const at::Tensor scale = at::where(usable, width, at::ones_like(width));
  const at::Tensor zero_point =
      from.div(scale.to(at::kDouble)).neg().add(min).round().clamp(min, max).to(at::kFloat);
  return {scale, at::where(usable, zero_point, at::zeros_like(zero_point))};
}

}  // namespace precis::quantize_paths::aten
