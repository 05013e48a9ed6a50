// The scalar reference: a binary search over the codes, judged by exact midpoints.
#include "supernet/formats/scalar.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/check.h"

#ifdef __FAST_MATH__
#error "fast-math breaks the rounding that this file defines"
#endif

namespace precis {
namespace {

uint32_t SignBit(const ElementFormat& element) { return uint32_t{1} << (element.bits - 1); }

// The value of a magnitude code as if every code were finite and the exponent had no end: the grid that
// rounding sees, specials aside.
double GridValue(const ElementFormat& element, uint32_t magnitude) {
  const int exponent_code = static_cast<int>(magnitude >> element.mantissa_bits);
  const int mantissa = static_cast<int>(magnitude & ((uint32_t{1} << element.mantissa_bits) - 1));
  const int significand = mantissa + (exponent_code == 0 ? 0 : 1 << element.mantissa_bits);
  return std::ldexp(significand, std::max(exponent_code, 1) - element.bias - element.mantissa_bits);
}

uint32_t LargestFiniteCode(const ElementFormat& element) {
  const uint32_t all_ones = SignBit(element) - 1;
  switch (element.specials) {
    case Specials::kNone:
      return all_ones;
    case Specials::kNanOnly:
      return all_ones - 1;
    case Specials::kIeee:
      return all_ones - (uint32_t{1} << element.mantissa_bits);
  }
  PRECIS_CHECK(false);
}

// Infinity, or the only special there is.
uint32_t OverflowCode(const ElementFormat& element) {
  return element.specials == Specials::kIeee ? LargestFiniteCode(element) + 1 : SignBit(element) - 1;
}

uint32_t NanCode(const ElementFormat& element) {
  switch (element.specials) {
    case Specials::kNone:
      return 0;
    case Specials::kNanOnly:
      return SignBit(element) - 1;
    case Specials::kIeee:  // quiet: the highest mantissa bit
      return OverflowCode(element) | (uint32_t{1} << (element.mantissa_bits - 1));
  }
  PRECIS_CHECK(false);
}

// The code of a magnitude >= 0, rounded to nearest, ties to the even code.
uint32_t EncodeMagnitude(const ElementFormat& element, double magnitude, Overflow overflow) {
  const uint32_t largest = LargestFiniteCode(element);
  uint32_t below = 0;  // the largest finite code whose value is <= magnitude
  for (uint32_t above = largest + 1; above - below > 1;) {
    const uint32_t middle = below + (above - below) / 2;
    (GridValue(element, middle) <= magnitude ? below : above) = middle;
  }
  // Exact: a sum of neighbours has at most two bits more than either.
  const double midpoint = (GridValue(element, below) + GridValue(element, below + 1)) / 2;
  const bool up = magnitude > midpoint || (magnitude == midpoint && below % 2 == 1);
  if (below + (up ? 1 : 0) <= largest) return below + (up ? 1 : 0);
  return overflow == Overflow::kSaturate || element.specials == Specials::kNone ? largest
                                                                                : OverflowCode(element);
}

uint32_t EncodeInteger(const ElementFormat& element, double value) {
  const double clamped = std::clamp(value, MinFinite(element), MaxFinite(element));
  const double floor = std::floor(clamped);
  const double fraction = clamped - floor;
  const int64_t below = static_cast<int64_t>(floor);
  const bool up = fraction > 0.5 || (fraction == 0.5 && below % 2 != 0);
  return static_cast<uint32_t>(below + (up ? 1 : 0)) & (2 * SignBit(element) - 1);
}

}  // namespace

double Decode(const ElementFormat& element, uint32_t code) {
  PRECIS_CHECK(element.bits == 32 || code >> element.bits == 0);
  const uint32_t sign = code & SignBit(element);
  const uint32_t magnitude = code & (SignBit(element) - 1);
  if (element.kind == ElementKind::kInteger) {
    if (!element.is_signed) return code;
    return static_cast<double>(magnitude) - static_cast<double>(sign);
  }
  double value = GridValue(element, magnitude);
  if (magnitude > LargestFiniteCode(element)) {
    const bool infinite = element.specials == Specials::kIeee && magnitude == OverflowCode(element);
    value = infinite ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return sign != 0 ? -value : value;
}

uint32_t Encode(const ElementFormat& element, double value, Overflow overflow) {
  if (element.kind == ElementKind::kInteger) return std::isnan(value) ? 0 : EncodeInteger(element, value);
  if (std::isnan(value)) return NanCode(element);
  const uint32_t sign = std::signbit(value) ? SignBit(element) : 0;
  return sign | EncodeMagnitude(element, std::fabs(value), overflow);
}

double Quantize(const ElementFormat& element, double value, Overflow overflow) {
  return std::isnan(value) ? value : Decode(element, Encode(element, value, overflow));
}

double QuantizeStochastic(const ElementFormat& element, double value, int bits, uint32_t random) {
  PRECIS_CHECK(bits >= 1 && bits <= 16);
  if (std::isnan(value)) return value;
  const double clamped = std::clamp(value, MinFinite(element), MaxFinite(element));
  const double magnitude = std::fabs(clamped);
  double below = std::floor(magnitude), above = below + 1;
  if (element.kind == ElementKind::kFloat) {
    uint32_t code = Encode(element, magnitude);
    if (Decode(element, code) > magnitude) --code;
    below = Decode(element, code);
    above = code == LargestFiniteCode(element) ? below : GridValue(element, code + 1);
  }
  // Exact: the gap is a power of two.
  const double distance = above == below ? 0 : (magnitude - below) / (above - below);
  const double threshold = std::ldexp(2.0 * (random >> (32 - bits)) + 1, -(bits + 1));
  const double result = distance + threshold >= 1 ? above : below;
  const bool keeps_sign = element.kind == ElementKind::kFloat || result != 0;
  return keeps_sign ? std::copysign(result, value) : 0.0;
}

float ScaleForMaxAbs(const Format& format, float max_abs) {
  PRECIS_CHECK(max_abs >= 0 && std::isfinite(max_abs));
  PRECIS_CHECK(!IsBlockScaled(format));
  if (format.scale.type == ScaleType::kE8M0) return BlockScaleFor(format, max_abs).decode;
  if (!IsScaled(format) || max_abs == 0) return 1.0f;
  return std::max(FLT_MIN, max_abs / static_cast<float>(MaxFinite(format.element)));
}

float QuantizeScaled(const ElementFormat& element, float value, float scale) {
  const float scaled = value / scale;
  return scale * static_cast<float>(Quantize(element, scaled));
}

float QuantizeScaledStochastic(const ElementFormat& element, float value, float scale, int bits,
                               uint32_t random) {
  const float scaled = value / scale;
  return scale * static_cast<float>(QuantizeStochastic(element, scaled, bits, random));
}

float QuantizeAffine(const ElementFormat& element, float value, float scale, int zero_point) {
  PRECIS_CHECK(element.kind == ElementKind::kInteger && zero_point >= MinFinite(element) &&
               zero_point <= MaxFinite(element));
  const float scaled = value / scale;
  if (std::isnan(scaled)) return scaled;
  const double rounded = std::nearbyint(static_cast<double>(scaled));
  const double code = std::clamp(rounded + zero_point, MinFinite(element), MaxFinite(element));
  return scale * static_cast<float>(code - zero_point);
}

AffineScale AffineScaleForRange(const ElementFormat& element, float low, float high) {
  PRECIS_CHECK(std::isfinite(low) && std::isfinite(high) && low <= high);
  const double from = std::min(0.0f, low), to = std::max(0.0f, high);
  if (from == to) return {};
  const double min = MinFinite(element), max = MaxFinite(element);
  AffineScale affine;
  affine.scale = std::max(FLT_MIN, static_cast<float>((to - from) / (max - min)));
  affine.zero_point = static_cast<int>(std::clamp(std::nearbyint(min - from / affine.scale), min, max));
  return affine;
}

}  // namespace precis
