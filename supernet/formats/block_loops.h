// Block formats over contiguous memory: largest magnitudes, scales, elements, a group of blocks at a time.
// Internal to the kernels. The scales are those of block_scale.h, found with FP32 and integer operations.
#pragma once

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/element_rounding.h"
#include "supernet/formats/format.h"

namespace precis::kernels {

// Blocks whose scales are found together: enough for the widest vectors, few enough to stay in cache.
constexpr size_t kGroup = 32;

struct GroupScales {
  alignas(64) int32_t max_abs[kGroup];  // bits of the largest magnitude
  alignas(64) float encode[kGroup];
  alignas(64) float decode[kGroup];
};

constexpr float kScaleNan = std::numeric_limits<float>::quiet_NaN();

// Powers of two by rule.
struct PowerScales {
  explicit PowerScales(const Format& format) {
    const ElementFormat& element = format.element;
    const int32_t largest = BitsOf(MaxFinite(element));
    const int mantissa = element.kind == ElementKind::kInteger ? element.bits - 2 : element.mantissa_bits;
    half = format.scale.rule == PowerRule::kEven ? 1 << (kMantissaBits - 1 - mantissa) : 0;
    // Past this mantissa the next power is needed; no mantissa is past all ones.
    last_mantissa = format.scale.rule == PowerRule::kCeil ? largest & kMantissaMask : kMantissaMask;
    offset = format.scale.headroom - ((largest >> kMantissaBits) - kExponentBias) - kExponentBias;
  }

  PRECIS_INLINE void operator()(GroupScales& group, size_t count) const {
    for (size_t i = 0; i < count; ++i) {
      const int32_t bits = group.max_abs[i];
      // A subnormal is first made normal by an exact product.
      const bool tiny = bits < kSmallestNormal;
      const int32_t scaled = std::bit_cast<int32_t>(std::bit_cast<float>(bits) * 0x1p64f);
      // Of a NaN the sum may wrap; it gets no power below.
      const auto rounded =
          static_cast<int32_t>(static_cast<uint32_t>(tiny ? scaled : bits) + static_cast<uint32_t>(half));
      int32_t exponent = (rounded >> kMantissaBits) + offset - (tiny ? 64 : 0);
      exponent += (rounded & kMantissaMask) > last_mantissa ? 1 : 0;
      exponent = std::clamp(exponent, -127, 127);
      const int32_t up = (exponent + kExponentBias) << kMantissaBits;
      const int32_t down = (kExponentBias - exponent) << kMantissaBits;
      const float decode = std::bit_cast<float>(exponent == -127 ? kSubnormalPower : up);
      const float encode = std::bit_cast<float>(exponent == 127 ? kSubnormalPower : down);
      group.decode[i] = bits >= kInfinityBits ? kScaleNan : decode;
      group.encode[i] = bits >= kInfinityBits ? kScaleNan : encode;
    }
  }

  static constexpr int32_t kMantissaMask = 0x007FFFFF;
  static constexpr int32_t kSmallestNormal = 0x00800000;
  static constexpr int32_t kSubnormalPower = 0x00400000;  // 2^-127
  int32_t half;
  int32_t last_mantissa;
  int32_t offset;  // from the exponent field of a magnitude to that of its scale
};

// E4M3 and UE5M3.
struct SmallFloatScales {
  SmallFloatScales(const Format& format, const GlobalScale& global_scale)
      : rounding(ScaleElement(format.scale)),
        global(global_scale),
        largest(static_cast<float>(MaxFinite(format.element))),
        smallest(static_cast<float>(SmallestStep(ScaleElement(format.scale)))) {}

  PRECIS_INLINE void operator()(GroupScales& group, size_t count) const {
    for (size_t i = 0; i < count; ++i) {
      const float max_abs = std::bit_cast<float>(group.max_abs[i]);
      const float code_value = rounding(max_abs / largest * global.encode, 0);
      const float decode = (code_value < smallest ? smallest : code_value) * global.decode;
      const bool finite = group.max_abs[i] < kInfinityBits;
      group.decode[i] = finite ? decode : kScaleNan;
      group.encode[i] = finite ? 1 / decode : kScaleNan;
    }
  }

  NearestAnyFloat rounding;
  GlobalScale global;
  float largest;   // of the element
  float smallest;  // scale
};

// FP32, by which elements are divided.
struct Float32Scales {
  explicit Float32Scales(const Format& format) : largest(static_cast<float>(MaxFinite(format.element))) {}

  PRECIS_INLINE void operator()(GroupScales& group, size_t count) const {
    for (size_t i = 0; i < count; ++i) {
      const float wanted = std::bit_cast<float>(group.max_abs[i]) / largest;
      const float decode = wanted < FLT_MIN ? FLT_MIN : wanted;
      const float used = group.max_abs[i] == 0 ? 1.0f : decode;
      group.decode[i] = group.max_abs[i] < kInfinityBits ? used : kScaleNan;
    }
  }

  float largest;
};

PRECIS_INLINE int32_t MaxAbsBits(const float* in, size_t count) {
  int32_t largest = 0;
  PRECIS_VECTORISE_WHOLE
  for (size_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<int32_t>(in[i]) & kMagnitudeMask);
  }
  return largest;
}

// kBlock: the block's size where the compiler may count on it, 0 where it is `block`.
template <size_t kBlock, bool kDivide, typename Scales, typename Rounding>
PRECIS_INLINE void BlockLoop(const Scales& scales, const Rounding& rounding, size_t block,
                             uint32_t first_index, const float* in, float* out, size_t count) {
  const size_t size = kBlock != 0 ? kBlock : block;
  GroupScales group;
  while (count > 0) {
    const size_t here = std::min(count, size);
    // A short last block is a group of its own.
    const size_t blocks = here < size ? 1 : std::min(kGroup, count / size);
    const bool whole = here == size;
    for (size_t b = 0; b < blocks; ++b) {
      group.max_abs[b] =
          kBlock != 0 && whole ? MaxAbsBits(in + b * kBlock, kBlock) : MaxAbsBits(in + b * size, here);
    }
    scales(group, blocks);
    for (size_t b = 0; b < blocks; ++b) {
      const float* from = in + b * size;
      float* to = out + b * size;
      const uint32_t index = first_index + static_cast<uint32_t>(b * size);
      const float decode = group.decode[b];
      const float encode = kDivide ? decode : group.encode[b];
      const auto run = [&](size_t length) __attribute__((always_inline)) {
        PRECIS_NO_LOOP_CARRIED_DEPENDENCE
        PRECIS_VECTORISE_WHOLE
        for (size_t i = 0; i < length; ++i) {
          const float scaled = kDivide ? from[i] / encode : from[i] * encode;
          to[i] = rounding(scaled, index + static_cast<uint32_t>(i)) * decode;
        }
      };
      if (kBlock != 0 && whole) {
        run(kBlock);
      } else {
        run(here);
      }
    }
    const size_t done = here < size ? here : blocks * size;
    in += done;
    out += done;
    count -= done;
    first_index += static_cast<uint32_t>(done);
  }
}

template <bool kDivide, typename Scales, typename Rounding>
PRECIS_INLINE void BlockLoopOfSize(const Scales& scales, const Rounding& rounding, size_t block,
                                   uint32_t first_index, const float* in, float* out, size_t count) {
  if (!kDivide && block == 32) {
    BlockLoop<32, kDivide>(scales, rounding, block, first_index, in, out, count);
  } else if (!kDivide && block == 16) {
    BlockLoop<16, kDivide>(scales, rounding, block, first_index, in, out, count);
  } else {
    BlockLoop<0, kDivide>(scales, rounding, block, first_index, in, out, count);
  }
}

template <typename Rounding>
PRECIS_INLINE void BlockLoopOfScale(const Format& format, const GlobalScale& global, const Rounding& rounding,
                                    uint32_t first_index, const float* in, float* out, size_t count) {
  const auto block = static_cast<size_t>(format.scale.block);
  if (format.scale.type == ScaleType::kE8M0) {
    BlockLoopOfSize<false>(PowerScales(format), rounding, block, first_index, in, out, count);
  } else if (format.scale.type == ScaleType::kFloat32) {
    BlockLoopOfSize<true>(Float32Scales(format), rounding, block, first_index, in, out, count);
  } else {
    BlockLoopOfSize<false>(SmallFloatScales(format, global), rounding, block, first_index, in, out, count);
  }
}

}  // namespace precis::kernels
