// What exporters ask of a format.
//
// Threading: pure functions.
#pragma once

#include "search/plan.h"
#include "supernet/formats/format.h"

namespace precis::server {

// One FP32 scale an operand or tensor, no zero point, no rotation, nothing random.
inline bool IsPlain(const Format& format) {
  return format.hadamard == 0 && format.stochastic_bits == 0 && !format.scale.zero_point &&
         !IsBlockScaled(format) && format.scale.type == ScaleType::kFloat32;
}
inline bool IsInteger(const Format& format) { return format.element.kind == ElementKind::kInteger; }
// int2 … int16, int8_full.
inline bool IsPlainInteger(const Format& format) {
  return IsPlain(format) && IsInteger(format) && format.element.is_signed;
}
// FP8 as everyone else has it.
inline bool IsE4m3fn(const ElementFormat& element) {
  return element == FloatElement(4, 3, Specials::kNanOnly);
}
inline bool IsNoScaleFp32(const Format& format) {
  return !IsScaled(format) && format.element.bits == 32 && format.hadamard == 0 &&
         format.stochastic_bits == 0;
}
// OCP MX: blocks of 32 under a power of two.
inline bool IsMx(const Format& format) {
  return IsBlockScaled(format) && format.scale.type == ScaleType::kE8M0 && format.scale.block == 32 &&
         format.scale.headroom == 0 && format.hadamard == 0 && format.stochastic_bits == 0;
}
// NVIDIA's: e2m1, blocks of 16 under e4m3 under FP32.
inline bool IsNvfp4(const Format& format) {
  return IsBlockScaled(format) && format.scale.type == ScaleType::kE4M3 && format.scale.block == 16 &&
         format.scale.global && format.element == FloatElement(2, 1, Specials::kNone) &&
         format.hadamard == 0 && format.stochastic_bits == 0;
}
// Blocks of integers under FP32: "groups" of weight-only quantisation.
inline bool IsGrouped(const Format& format) {
  return IsBlockScaled(format) && format.scale.type == ScaleType::kFloat32 && IsInteger(format) &&
         format.element.is_signed && format.hadamard == 0 && format.stochastic_bits == 0;
}

}  // namespace precis::server
