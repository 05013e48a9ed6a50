// Branch-free loops that the compiler vectorises, once for every instruction set.
//
// Written for the vectoriser rather than with intrinsics, so that one body serves all sets and no set can
// drift from another. The set is chosen by hand and not by the target_clones attribute, because the ifunc
// resolvers that it makes run before a sanitizer is ready, and because tests want to call each set.
#include "supernet/formats/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "supernet/formats/check.h"

#ifdef __FAST_MATH__
#error "fast-math breaks the rounding that these kernels rely on"
#endif

// The same memory may be read and written at one index, but no iteration reads what another wrote.
#ifdef __clang__
#define PRECIS_NO_LOOP_CARRIED_DEPENDENCE _Pragma("clang loop vectorize(assume_safety)")
#else
#define PRECIS_NO_LOOP_CARRIED_DEPENDENCE _Pragma("GCC ivdep")
#endif
#define PRECIS_INLINE inline __attribute__((always_inline))

namespace precis {
namespace {

constexpr int32_t kMagnitudeMask = 0x7FFFFFFF;
constexpr int32_t kInfinityBits = 0x7F800000;
constexpr int kMantissaBits = 23;
constexpr int kExponentBias = 127;

int32_t BitsOf(double value) { return std::bit_cast<int32_t>(static_cast<float>(value)); }

PRECIS_INLINE float MaxAbsLoop(const float* in, size_t count) {
  // Magnitudes order like their bits, and every NaN lies above infinity: no special case for it.
  int32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<int32_t>(in[i]) & kMagnitudeMask);
  }
  return std::bit_cast<float>(largest);
}

PRECIS_INLINE void StraightThroughLoop(float limit, const float* in, const float* grad_out, float* grad_in,
                                       size_t count) {
  PRECIS_NO_LOOP_CARRIED_DEPENDENCE
  for (size_t i = 0; i < count; ++i) {
    const float gradient = grad_out[i];
    grad_in[i] = std::fabs(in[i]) <= limit ? gradient : 0.0f;
  }
}

PRECIS_INLINE void QuantizeIntegerLoop(const ElementFormat& element, float scale, const float* in, float* out,
                                       size_t count) {
  const float lowest = static_cast<float>(MinFinite(element));
  const float highest = static_cast<float>(MaxFinite(element));
  // Floats of this size lie 1 apart, so adding it rounds to an integer, ties to even; taking it away
  // again leaves +0 where the integer is 0.
  constexpr float kMagic = 0x1.8p23f;
  PRECIS_NO_LOOP_CARRIED_DEPENDENCE
  for (size_t i = 0; i < count; ++i) {
    float value = in[i] / scale;
    value = value < lowest ? lowest : value;  // false for NaN, which passes
    value = value > highest ? highest : value;
    out[i] = ((value + kMagic) - kMagic) * scale;
  }
}

// What the loop over floats needs to know of an element, as FP32 bits.
struct FloatConstants {
  explicit FloatConstants(const ElementFormat& element)
      : shift(kMantissaBits - element.mantissa_bits),
        parity_mask(shift == 0 ? 0 : 1),
        parity_offset(element.mantissa_bits == 0 ? (kExponentBias - element.bias) & 1 : 0),
        below_half(shift == 0 ? 0 : (1 << (shift - 1)) - 1),
        keep_mask(-1 << shift),
        smallest_normal(BitsOf(std::ldexp(1.0, 1 - element.bias))),
        magic(static_cast<float>(std::ldexp(1.0, 1 - element.bias - element.mantissa_bits + kMantissaBits))),
        largest(BitsOf(MaxFinite(element))) {}

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

PRECIS_INLINE void QuantizeFloatLoop(const ElementFormat& element, float scale, const float* in, float* out,
                                     size_t count) {
  const FloatConstants k(element);
  PRECIS_NO_LOOP_CARRIED_DEPENDENCE
  for (size_t i = 0; i < count; ++i) {
    const float value = in[i] / scale;
    const int32_t bits = std::bit_cast<int32_t>(value);
    const int32_t magnitude = bits & kMagnitudeMask;
    // Normal: add half a last place, less a bit if the code below is even, and cut; a carry moves on into
    // the exponent as it should. Unsigned, since the sum of a NaN may pass 2^31.
    const uint32_t odd = ((magnitude >> k.shift) + k.parity_offset) & k.parity_mask;
    const int32_t cut =
        static_cast<int32_t>(static_cast<uint32_t>(magnitude) + static_cast<uint32_t>(k.below_half) + odd) &
        k.keep_mask;
    const int32_t normal = std::min(cut, k.largest);
    const int32_t subnormal = std::bit_cast<int32_t>((std::bit_cast<float>(magnitude) + k.magic) - k.magic);
    const int32_t finite = magnitude < k.smallest_normal ? subnormal : normal;
    const int32_t result = magnitude > kInfinityBits ? magnitude : finite;
    out[i] = std::bit_cast<float>(result | (bits & ~kMagnitudeMask)) * scale;
  }
}

PRECIS_INLINE void QuantizeLoop(const ElementFormat& element, float scale, const float* in, float* out,
                                size_t count) {
  if (element.kind == ElementKind::kInteger) {
    QuantizeIntegerLoop(element, scale, in, out, count);
  } else {
    QuantizeFloatLoop(element, scale, in, out, count);
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute cannot stand in parentheses.
#define PRECIS_KERNEL_SET(SET, TARGET)                                                                  \
  TARGET float MaxAbs##SET(const float* in, size_t count) { return MaxAbsLoop(in, count); }             \
  TARGET void Quantize##SET(const ElementFormat& element, float scale, const float* in, float* out,     \
                            size_t count) {                                                             \
    QuantizeLoop(element, scale, in, out, count);                                                       \
  }                                                                                                     \
  TARGET void StraightThrough##SET(float limit, const float* in, const float* grad_out, float* grad_in, \
                                   size_t count) {                                                      \
    StraightThroughLoop(limit, in, grad_out, grad_in, count);                                           \
  }
// NOLINTEND(bugprone-macro-parentheses)

PRECIS_KERNEL_SET(Portable, )

#ifdef __x86_64__
PRECIS_KERNEL_SET(Avx2, __attribute__((target("avx2"))))
PRECIS_KERNEL_SET(Avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))

constexpr KernelSet kSets[] = {
    {"x86-64", MaxAbsPortable, QuantizePortable, StraightThroughPortable},
    {"avx2", MaxAbsAvx2, QuantizeAvx2, StraightThroughAvx2},
    {"avx512", MaxAbsAvx512, QuantizeAvx512, StraightThroughAvx512},
};

size_t CountSupportedSets() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return 1;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? 3 : 2;
}
#else
constexpr KernelSet kSets[] = {{"portable", MaxAbsPortable, QuantizePortable, StraightThroughPortable}};

size_t CountSupportedSets() { return 1; }
#endif

const KernelSet& BestSet() {
  static const KernelSet& best = SupportedKernelSets().back();
  return best;
}

}  // namespace

std::span<const KernelSet> SupportedKernelSets() {
  static const size_t count = CountSupportedSets();
  return {kSets, count};
}

float MaxAbs(const float* in, size_t count) { return BestSet().max_abs(in, count); }

void QuantizeSpan(const ElementFormat& element, float scale, const float* in, float* out, size_t count) {
  PRECIS_CHECK(scale > 0 && std::isfinite(scale));
  BestSet().quantize(element, scale, in, out, count);
}

void StraightThroughSpan(float limit, const float* in, const float* grad_out, float* grad_in, size_t count) {
  BestSet().straight_through(limit, in, grad_out, grad_in, count);
}

}  // namespace precis
