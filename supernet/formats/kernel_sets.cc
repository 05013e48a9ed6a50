// Branch-free loops that the compiler vectorises, once for every instruction set.
//
// Written for the vectoriser rather than with intrinsics, so that one body serves all sets and no set can
// drift from another. The set is chosen by hand and not by the target_clones attribute, because the ifunc
// resolvers that it makes run before a sanitizer is ready, and because tests want to call each set.
#include "supernet/formats/kernel_sets.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "supernet/formats/block_loops.h"
#include "supernet/formats/element_rounding.h"

namespace precis {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): this file is the kernels

PRECIS_INLINE float MaxAbsLoop(const float* in, size_t count) {
  // Magnitudes order like their bits, and every NaN lies above infinity: no special case for it.
  return std::bit_cast<float>(MaxAbsBits(in, count));
}

PRECIS_INLINE float MaxAbsFiniteLoop(const float* in, size_t count) {
  int32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t magnitude = std::bit_cast<int32_t>(in[i]) & kMagnitudeMask;
    largest = std::max(largest, magnitude >= kInfinityBits ? 0 : magnitude);
  }
  return std::bit_cast<float>(largest);
}

PRECIS_INLINE void StraightThroughLoop(float low, float high, const float* in, const float* grad_out,
                                       float* grad_in, size_t count) {
  PRECIS_NO_LOOP_CARRIED_DEPENDENCE
  for (size_t i = 0; i < count; ++i) {
    const float gradient = grad_out[i];
    // Not &&, which would be a branch.
    const bool inside = (in[i] >= low) & (in[i] <= high);
    grad_in[i] = inside ? gradient : 0.0f;
  }
}

template <typename Rounding>
PRECIS_INLINE void ElementLoop(const Rounding& rounding, uint32_t first_index, float scale, const float* in,
                               float* out, size_t count) {
  PRECIS_NO_LOOP_CARRIED_DEPENDENCE
  for (size_t i = 0; i < count; ++i) {
    out[i] = rounding(in[i] / scale, first_index + static_cast<uint32_t>(i)) * scale;
  }
}

// Calls run(rounding) with the object that the element and the random bits ask for.
template <typename Run>
PRECIS_INLINE void WithRounding(const ElementRounding& rounding, const Run& run) {
  const bool integer = rounding.element.kind == ElementKind::kInteger;
  const CounterKey key = MakeCounterKey(rounding.random.seed, rounding.random.first_index);
  if (rounding.stochastic_bits == 0) {
    if (integer) {
      run(NearestInteger(rounding.element, rounding.zero_point));
    } else if (NearestNarrowFloat::Takes(rounding.element)) {
      run(NearestNarrowFloat(rounding.element));
    } else {
      run(NearestAnyFloat(rounding.element));
    }
  } else if (integer) {
    run(StochasticInteger(rounding.element, key, rounding.stochastic_bits));
  } else if (HasNarrowExponent(rounding.element)) {
    run(StochasticNarrowFloat(rounding.element, key, rounding.stochastic_bits));
  } else {
    run(StochasticAnyFloat(rounding.element, key, rounding.stochastic_bits));
  }
}

PRECIS_INLINE void QuantizeLoop(const ElementRounding& rounding, float scale, const float* in, float* out,
                                size_t count) {
  const auto first_index = static_cast<uint32_t>(rounding.random.first_index);
  WithRounding(
      rounding, [&](const auto& round) __attribute__((always_inline)) {
        ElementLoop(round, first_index, scale, in, out, count);
      });
}

PRECIS_INLINE void QuantizeBlocksLoop(const Format& format, const GlobalScale& global,
                                      const RandomStream& random, const float* in, float* out, size_t count) {
  const auto first_index = static_cast<uint32_t>(random.first_index);
  WithRounding(
      {format.element, 0, format.stochastic_bits, random}, [&](const auto& round) __attribute__((
                                                               always_inline)) {
        BlockLoopOfScale(format, global, round, first_index, in, out, count);
      });
}

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute cannot stand in parentheses.
#define PRECIS_KERNEL_SET(SET, TARGET)                                                                     \
  TARGET float MaxAbs##SET(const float* in, size_t count) { return MaxAbsLoop(in, count); }                \
  TARGET float MaxAbsFinite##SET(const float* in, size_t count) { return MaxAbsFiniteLoop(in, count); }    \
  TARGET void Quantize##SET(const ElementRounding& rounding, float scale, const float* in, float* out,     \
                            size_t count) {                                                                \
    QuantizeLoop(rounding, scale, in, out, count);                                                         \
  }                                                                                                        \
  TARGET void QuantizeBlocks##SET(const Format& format, const GlobalScale& global,                         \
                                  const RandomStream& random, const float* in, float* out, size_t count) { \
    QuantizeBlocksLoop(format, global, random, in, out, count);                                            \
  }                                                                                                        \
  TARGET void StraightThrough##SET(float low, float high, const float* in, const float* grad_out,          \
                                   float* grad_in, size_t count) {                                         \
    StraightThroughLoop(low, high, in, grad_out, grad_in, count);                                          \
  }
#define PRECIS_KERNEL_SET_ROW(NAME, SET) \
  { NAME, MaxAbs##SET, MaxAbsFinite##SET, Quantize##SET, QuantizeBlocks##SET, StraightThrough##SET }
// NOLINTEND(bugprone-macro-parentheses)

PRECIS_KERNEL_SET(Portable, )

#ifdef __x86_64__
PRECIS_KERNEL_SET(Avx2, __attribute__((target("avx2"))))
PRECIS_KERNEL_SET(Avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))

// A block of 16 is one vector of AVX-512, and finding the largest of its lanes takes longer than two shorter
// vectors do.
void QuantizeBlocksWide(const Format& format, const GlobalScale& global, const RandomStream& random,
                        const float* in, float* out, size_t count) {
  const bool is_short = format.scale.block < 32 && format.stochastic_bits == 0;
  (is_short ? QuantizeBlocksAvx2 : QuantizeBlocksAvx512)(format, global, random, in, out, count);
}

constexpr KernelSet kSets[] = {
    PRECIS_KERNEL_SET_ROW("x86-64", Portable),
    PRECIS_KERNEL_SET_ROW("avx2", Avx2),
    {"avx512", MaxAbsAvx512, MaxAbsFiniteAvx512, QuantizeAvx512, QuantizeBlocksWide, StraightThroughAvx512},
};

size_t CountSupportedSets() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return 1;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? 3 : 2;
}
#else
constexpr KernelSet kSets[] = {PRECIS_KERNEL_SET_ROW("portable", Portable)};

size_t CountSupportedSets() { return 1; }
#endif

}  // namespace

std::span<const KernelSet> SupportedKernelSets() {
  static const size_t count = CountSupportedSets();
  return {kSets, count};
}

}  // namespace precis
