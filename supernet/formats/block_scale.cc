// Block scales by exact arithmetic in double, and the block reference on top of them.
#include "supernet/formats/block_scale.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

#include "supernet/formats/check.h"
#include "supernet/formats/counter_random.h"
#include "supernet/formats/scalar.h"

#ifdef __FAST_MATH__
#error "fast-math breaks the rounding that this file defines"
#endif

namespace precis {
namespace {

constexpr int kLowestExponent = -127;
constexpr int kHighestExponent = 127;
constexpr uint32_t kE8M0Nan = 255;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargestGlobalEncode = 0x1p110f;

// e with 2^e <= x < 2^(e+1).
int FloorLog2(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return exponent - 1;
}

// x rounded to `mantissa_bits` after its leading one, halves away from zero.
double RoundHalfUp(double x, int mantissa_bits) {
  const int unit = FloorLog2(x) - mantissa_bits;
  return std::ldexp(std::floor(std::ldexp(x, -unit) + 0.5), unit);
}

int PowerFor(const Format& format, double max_abs) {
  const ElementFormat& element = format.element;
  const double largest = MaxFinite(element);
  if (max_abs == 0) return kLowestExponent;
  int exponent = 0;
  switch (format.scale.rule) {
    case PowerRule::kFloor:
      exponent = FloorLog2(max_abs) - FloorLog2(largest);
      break;
    case PowerRule::kCeil:
      exponent = FloorLog2(max_abs) - FloorLog2(largest);
      if (std::ldexp(largest, exponent) < max_abs) ++exponent;
      break;
    case PowerRule::kEven: {
      const int mantissa = element.kind == ElementKind::kInteger ? element.bits - 2 : element.mantissa_bits;
      exponent = FloorLog2(RoundHalfUp(max_abs, mantissa)) - FloorLog2(largest);
      break;
    }
  }
  return std::clamp(exponent + format.scale.headroom, kLowestExponent, kHighestExponent);
}

float PowerOfTwo(int exponent) { return std::ldexp(1.0f, exponent); }

uint32_t ScaleNanCode(ScaleType type) {
  return type == ScaleType::kFloat32 ? std::bit_cast<uint32_t>(kNan) : type == ScaleType::kE4M3 ? 127 : 255;
}

}  // namespace

ElementFormat ScaleElement(const ScaleFormat& scale) {
  PRECIS_CHECK(scale.type == ScaleType::kE4M3 || scale.type == ScaleType::kUe5m3);
  if (scale.type == ScaleType::kE4M3) return FloatElement(4, 3, Specials::kNanOnly);
  return FloatElement(5, 3, scale.tall ? Specials::kNanOnly : Specials::kIeee);
}

GlobalScale GlobalScaleFor(const Format& format, float max_abs) {
  PRECIS_CHECK(max_abs >= 0 && std::isfinite(max_abs));
  if (!format.scale.global || max_abs == 0) return {};
  const auto reach = static_cast<float>(MaxFinite(ScaleElement(format.scale)) * MaxFinite(format.element));
  const float encode = std::min(kLargestGlobalEncode, reach / max_abs);
  return {encode, 1 / encode};
}

BlockScale BlockScaleFor(const Format& format, float max_abs, const GlobalScale& global) {
  PRECIS_CHECK(IsScaled(format) && !(max_abs < 0));
  if (!std::isfinite(max_abs)) return {ScaleNanCode(format.scale.type), kNan, kNan};
  const auto largest = static_cast<float>(MaxFinite(format.element));
  switch (format.scale.type) {
    case ScaleType::kFloat32: {
      const float decode = max_abs == 0 ? 1.0f : std::max(FLT_MIN, max_abs / largest);
      return BlockScaleOfCode(format, std::bit_cast<uint32_t>(decode), global);
    }
    case ScaleType::kE8M0:
      return BlockScaleOfCode(format, static_cast<uint32_t>(PowerFor(format, max_abs) - kLowestExponent));
    default: {
      const float wanted = max_abs / largest * global.encode;
      return BlockScaleOfCode(format, std::max(1u, Encode(ScaleElement(format.scale), wanted)), global);
    }
  }
}

BlockScale BlockScaleOfCode(const Format& format, uint32_t code, const GlobalScale& global) {
  const ScaleType type = format.scale.type;
  if (type == ScaleType::kFloat32) {
    const auto decode = std::bit_cast<float>(code);
    return {code, decode, 1 / decode};
  }
  PRECIS_CHECK(IsScaled(format) && code <= 255);
  if (type == ScaleType::kE8M0) {
    if (code == kE8M0Nan) return {code, kNan, kNan};
    const int exponent = static_cast<int>(code) + kLowestExponent;
    return {code, PowerOfTwo(exponent), PowerOfTwo(-exponent)};
  }
  const float decode = static_cast<float>(Decode(ScaleElement(format.scale), code)) * global.decode;
  return {code, decode, 1 / decode};
}

void QuantizeBlocksByReference(const Format& format, const GlobalScale& global, const RandomStream& random,
                               const float* in, float* out, size_t count, BlockScale* scales) {
  PRECIS_CHECK(IsBlockScaled(format));
  const auto block = static_cast<size_t>(format.scale.block);
  for (size_t begin = 0; begin < count; begin += block) {
    const size_t end = std::min(begin + block, count);
    float max_abs = 0;
    for (size_t i = begin; i < end; ++i) {
      const float magnitude = std::fabs(in[i]);
      if (magnitude > max_abs || std::isnan(magnitude)) max_abs = magnitude;
      if (std::isnan(max_abs)) break;
    }
    const BlockScale scale = BlockScaleFor(format, max_abs, global);
    for (size_t i = begin; i < end; ++i) {
      const float x = format.scale.type == ScaleType::kFloat32 ? in[i] / scale.decode : in[i] * scale.encode;
      double rounded = 0;
      if (format.stochastic_bits == 0) {
        rounded = Quantize(format.element, x);
      } else {
        const uint64_t index = random.first_index + i;
        const uint32_t word = CounterBits(MakeCounterKey(random.seed, index), static_cast<uint32_t>(index));
        rounded = QuantizeStochastic(format.element, x, format.stochastic_bits, word);
      }
      out[i] = static_cast<float>(rounded) * scale.decode;
    }
    if (scales != nullptr) scales[begin / block] = scale;
  }
}

}  // namespace precis
