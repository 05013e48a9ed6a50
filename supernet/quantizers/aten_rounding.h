// Rounding to the values of an element in ATen operations. Internal to the ATen path.
#pragma once

#include <ATen/core/Tensor.h>

#include <bit>
#include <cstdint>
#include <utility>

#include "supernet/formats/format.h"

namespace precis::quantize_paths::aten {

inline constexpr int kMantissaBits = 23;
inline constexpr int kExponentBias = 127;

inline int32_t BitsOf(double value) { return std::bit_cast<int32_t>(static_cast<float>(value)); }

// Quantize of every value.
at::Tensor Round(const ElementFormat& element, const at::Tensor& value);

// The part of a gap from which element i of `count` rounds up: 1 - (2R + 1) / 2^(bits+1), R the top bits of
// the random word i of the seed. Shape {count}, on the device of `like`.
at::Tensor RandomThresholds(uint64_t seed, int64_t count, int bits, const at::Tensor& like);

// QuantizeStochastic of every value, `threshold` being of value's shape.
at::Tensor RoundStochastically(const ElementFormat& element, const at::Tensor& value,
                               const at::Tensor& threshold);

// AffineScaleForRange of every pair: scale, and zero point as FP32. 1 and 0 where the ends are no range.
std::pair<at::Tensor, at::Tensor> AffineScales(const ElementFormat& element, const at::Tensor& low,
                                               const at::Tensor& high);

}  // namespace precis::quantize_paths::aten
