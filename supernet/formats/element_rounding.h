// Rounding of one FP32 value to an element, written so that loops over it vectorise. Internal to the kernels.
//
// Each rounding is a small object made once for a loop: rounding(value, index) returns the element's value.
// Branch-free; NaN stays NaN, everything else saturates. `index` chooses the random word of stochastic
// rounding. Judged by scalar.h bit for bit.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "supernet/formats/counter_random.h"
#include "supernet/formats/format.h"

#ifdef __FAST_MATH__
#error "fast-math breaks the rounding that these kernels rely on"
#endif

// The same memory may be read and written at one index, but no iteration reads what another wrote.
#ifdef __clang__
#define PRECIS_NO_LOOP_CARRIED_DEPENDENCE _Pragma("clang loop vectorize(assume_safety)")
#else
#define PRECIS_NO_LOOP_CARRIED_DEPENDENCE _Pragma("GCC ivdep")
#endif
// g++ would take a loop of 16 apart before it can become a vector.
#ifdef __clang__
#define PRECIS_VECTORISE_WHOLE
#else
#define PRECIS_VECTORISE_WHOLE _Pragma("GCC unroll 1")
#endif
#define PRECIS_INLINE inline __attribute__((always_inline))

namespace precis::kernels {

constexpr int32_t kMagnitudeMask = 0x7FFFFFFF;
constexpr int32_t kInfinityBits = 0x7F800000;
constexpr int kMantissaBits = 23;
constexpr int kExponentBias = 127;

PRECIS_INLINE int32_t BitsOf(double value) { return std::bit_cast<int32_t>(static_cast<float>(value)); }

// To the nearest integer of an element, ties to even.
struct NearestInteger {
  // With a zero point the grid is the same, and its ends move.
  explicit NearestInteger(const ElementFormat& element, int zero_point = 0)
      : lowest(static_cast<float>(MinFinite(element) - zero_point)),
        highest(static_cast<float>(MaxFinite(element) - zero_point)) {}

  PRECIS_INLINE float operator()(float value, uint32_t /*index*/) const {
    // Floats of this size lie 1 apart, so adding it rounds to an integer, ties to even; taking it away
    // again leaves +0 where the integer is 0.
    constexpr float kMagic = 0x1.8p23f;
    value = value < lowest ? lowest : value;  // false for NaN, which passes
    value = value > highest ? highest : value;
    return (value + kMagic) - kMagic;
  }

  float lowest, highest;
};

// To the nearest value of any float, ties to the even code.
struct NearestAnyFloat {
  explicit NearestAnyFloat(const ElementFormat& element)
      : shift(kMantissaBits - element.mantissa_bits),
        parity_mask(shift == 0 ? 0 : 1),
        parity_offset(element.mantissa_bits == 0 ? (kExponentBias - element.bias) & 1 : 0),
        below_half(shift == 0 ? 0 : (1 << (shift - 1)) - 1),
        keep_mask(-1 << shift),
        smallest_normal(BitsOf(std::ldexp(1.0, 1 - element.bias))),
        magic(static_cast<float>(std::ldexp(1.0, 1 - element.bias - element.mantissa_bits + kMantissaBits))),
        largest(BitsOf(MaxFinite(element))) {}

  PRECIS_INLINE float operator()(float value, uint32_t /*index*/) const {
    const int32_t bits = std::bit_cast<int32_t>(value);
    const int32_t magnitude = bits & kMagnitudeMask;
    // Normal: add half a last place, less a bit if the code below is even, and cut; a carry moves on into
    // the exponent as it should. Unsigned, since the sum of a NaN may pass 2^31.
    const uint32_t odd = ((magnitude >> shift) + parity_offset) & parity_mask;
    const int32_t cut =
        static_cast<int32_t>(static_cast<uint32_t>(magnitude) + static_cast<uint32_t>(below_half) + odd) &
        keep_mask;
    const int32_t normal = std::min(cut, largest);
    const int32_t subnormal = std::bit_cast<int32_t>((std::bit_cast<float>(magnitude) + magic) - magic);
    const int32_t finite = magnitude < smallest_normal ? subnormal : normal;
    const int32_t result = magnitude > kInfinityBits ? magnitude : finite;
    return std::bit_cast<float>(result | (bits & ~kMagnitudeMask));
  }

  int32_t shift;            // mantissa bits of FP32 that the element lacks
  int32_t parity_mask;      // 0: nothing is rounded away, so there are no ties
  int32_t parity_offset;    // 1: even exponent codes of the element are odd in FP32, and no mantissa
                            // bit stands between the tie and the exponent
  int32_t below_half;       // of the last place, less one bit
  int32_t keep_mask;        // the bits that the element has
  int32_t smallest_normal;  // of the element
  float magic;              // floats of this size lie one smallest step of the element apart
  int32_t largest;          // finite magnitude of the element
};

// Whether a value's gap can be had from its exponent: elements whose exponents leave FP32 room on both sides.
inline bool HasNarrowExponent(const ElementFormat& element) {
  return element.exponent_bits < 8 && element.bias <= 64 && element.mantissa_bits <= 10 &&
         std::ilogb(MaxFinite(element)) <= 100;
}

// To the nearest value of a float with a mantissa and a narrow exponent, in about half as many operations.
struct NearestNarrowFloat {
  static bool Takes(const ElementFormat& element) {
    return HasNarrowExponent(element) && element.mantissa_bits >= 1;
  }

  explicit NearestNarrowFloat(const ElementFormat& element)
      : largest(static_cast<float>(MaxFinite(element))),
        smallest_normal(static_cast<float>(std::ldexp(1.0, 1 - element.bias))),
        to_magic(static_cast<float>(std::ldexp(1.5, kMantissaBits - element.mantissa_bits))) {}

  PRECIS_INLINE float operator()(float value, uint32_t /*index*/) const {
    const int32_t sign = std::bit_cast<int32_t>(value) & ~kMagnitudeMask;
    value = value < -largest ? -largest : value;  // false for NaN, which passes
    value = value > largest ? largest : value;
    const float power = std::bit_cast<float>(std::bit_cast<int32_t>(value) & kInfinityBits);
    // Floats of the size of `magic` lie one gap of the element apart, on either side of it.
    const float magic = (power < smallest_normal ? smallest_normal : power) * to_magic;
    // What was rounded to zero keeps its sign.
    return std::bit_cast<float>(std::bit_cast<int32_t>((value + magic) - magic) | sign);
  }

  float largest;          // finite magnitude of the element
  float smallest_normal;  // of the element; below it the gap stays the same
  float to_magic;
};

// The part of a gap from which a random word rounds up: 1 - (2R + 1) / 2^(r+1).
struct RandomThreshold {
  RandomThreshold(CounterKey counter_key, int bits)
      : key(counter_key), drop(32 - bits), unit(std::ldexp(1.0f, -(bits + 1))), top((2 << bits) - 1) {}

  PRECIS_INLINE float operator()(uint32_t index) const {
    const auto random = static_cast<int32_t>(CounterBits(key, index) >> drop);
    return static_cast<float>(top - 2 * random) * unit;
  }

  CounterKey key;
  int32_t drop;
  float unit;
  int32_t top;
};

// The largest integer <= x, for 0 <= x < 2^22.
PRECIS_INLINE float SmallFloor(float x) {
  constexpr float kMagic = 0x1.0p23f;
  const float nearest = (x + kMagic) - kMagic;
  return nearest > x ? nearest - 1.0f : nearest;
}

struct StochasticInteger {
  StochasticInteger(const ElementFormat& element, CounterKey key, int bits)
      : lowest(static_cast<float>(MinFinite(element))),
        highest(static_cast<float>(MaxFinite(element))),
        threshold(key, bits) {}

  PRECIS_INLINE float operator()(float value, uint32_t index) const {
    float clamped = value < lowest ? lowest : value;
    clamped = clamped > highest ? highest : clamped;
    const float magnitude = std::fabs(clamped);
    const float below = SmallFloor(magnitude);
    const float result = magnitude - below >= threshold(index) ? below + 1.0f : below;
    // NaN fails every comparison and is still in `below`. Adding 0 turns -0 into +0.
    return std::copysign(result, clamped) + 0.0f;
  }

  float lowest, highest;
  RandomThreshold threshold;
};

struct StochasticAnyFloat {
  StochasticAnyFloat(const ElementFormat& element, CounterKey key, int bits)
      : keep_mask(-1 << (kMantissaBits - element.mantissa_bits)),
        low_unit(std::ldexp(1.0f, element.mantissa_bits - kMantissaBits)),
        step_up(1 << (kMantissaBits - element.mantissa_bits)),
        // An element with FP32's own exponents has FP32's subnormals, which the bits round like the rest.
        smallest_normal(element.bias >= kExponentBias ? 0 : BitsOf(std::ldexp(1.0, 1 - element.bias))),
        step(static_cast<float>(std::ldexp(1.0, 1 - element.bias - element.mantissa_bits))),
        inverse_step(
            static_cast<float>(std::ldexp(1.0, std::min(126, element.bias + element.mantissa_bits - 1)))),
        largest(BitsOf(MaxFinite(element))),
        threshold(key, bits) {}

  PRECIS_INLINE float operator()(float value, uint32_t index) const {
    const float from = threshold(index);
    const int32_t bits = std::bit_cast<int32_t>(value);
    const int32_t magnitude = bits & kMagnitudeMask;
    const int32_t cut = magnitude & keep_mask;
    const float normal_distance = static_cast<float>(magnitude - cut) * low_unit;
    const auto raised = static_cast<int32_t>(static_cast<uint32_t>(cut) + static_cast<uint32_t>(step_up));
    const int32_t normal = std::min(normal_distance >= from ? raised : cut, largest);

    const float steps = std::bit_cast<float>(std::min(magnitude, smallest_normal)) * inverse_step;
    const float below = SmallFloor(steps);
    const float subnormal = (steps - below >= from ? below + 1.0f : below) * step;

    const int32_t finite = magnitude < smallest_normal ? std::bit_cast<int32_t>(subnormal) : normal;
    const int32_t result = magnitude > kInfinityBits ? magnitude : finite;
    return std::bit_cast<float>(result | (bits & ~kMagnitudeMask));
  }

  int32_t keep_mask;        // the bits that the element has
  float low_unit;           // one over the gap in units of FP32's last place
  int32_t step_up;          // one last place of the element
  int32_t smallest_normal;  // of the element; 0: every magnitude is rounded by its bits
  float step;               // of the element's subnormals
  float inverse_step;
  int32_t largest;  // finite magnitude of the element
  RandomThreshold threshold;
};

// With a narrow exponent.
struct StochasticNarrowFloat {
  StochasticNarrowFloat(const ElementFormat& element, CounterKey key, int bits)
      : largest(static_cast<float>(MaxFinite(element))),
        smallest_normal(BitsOf(std::ldexp(1.0, 1 - element.bias))),
        mantissa_shift(element.mantissa_bits << kMantissaBits),
        threshold(key, bits) {}

  PRECIS_INLINE float operator()(float value, uint32_t index) const {
    const int32_t sign = std::bit_cast<int32_t>(value) & ~kMagnitudeMask;
    const float magnitude = std::fabs(value);
    const float clamped = magnitude > largest ? largest : magnitude;
    const int32_t power = std::max(std::bit_cast<int32_t>(clamped) & kInfinityBits, smallest_normal);
    const int32_t gap = power - mantissa_shift;
    const float steps = clamped * std::bit_cast<float>((2 * kExponentBias << kMantissaBits) - gap);
    const float below = SmallFloor(steps);
    const float rounded =
        (steps - below >= threshold(index) ? below + 1.0f : below) * std::bit_cast<float>(gap);
    return std::bit_cast<float>(std::bit_cast<int32_t>(rounded) | sign);
  }

  float largest;            // finite magnitude of the element
  int32_t smallest_normal;  // of the element
  int32_t mantissa_shift;   // from a power of two to the gap of its binade, as FP32 bits
  RandomThreshold threshold;
};

}  // namespace precis::kernels
