// The exact scalar reference for every element format: slow, obvious, and the judge of all kernels.
//
// All arithmetic is in double, which holds every value, midpoint and FP32 input of every element
// exactly. Rounding is to nearest; a tie goes to the even code. For a format with no mantissa bit
// (e2m0, e3m0, …) the neighbours of a tie are two powers of two, and the one whose *exponent code* is
// even wins: e3m0 rounds 0.375 to 0.5 (codes 1 and 2: 0.25, 0.5) and 3 to 2 (codes 4 and 5: 2, 4). No
// standard settles this case.
//
// Threading: pure functions.
#pragma once

#include <cstdint>

#include "supernet/formats/format.h"

namespace precis {

// What a finite value past the largest finite magnitude, or an infinity, becomes.
enum class Overflow {
  kSaturate,  // the largest finite magnitude, sign kept (the default everywhere in Precis)
  kSpecial,   // infinity, or NaN where the format has only that; saturates where it has neither.
              // Overflow is judged after rounding, as IEEE 754 does.
};

// The value of `code`, whose bits above element.bits must be 0. NaN and infinities where the format
// has them. For a narrow integer the unused lowest code decodes to its two's complement value.
double Decode(const ElementFormat& element, uint32_t code);

// The code nearest to `value`. NaN becomes the format's NaN, or code 0 where it has none (Quantize is
// the function that keeps NaN visible). Negative zero keeps its sign in floats.
uint32_t Encode(const ElementFormat& element, double value, Overflow overflow = Overflow::kSaturate);

// Decode(Encode(value)), but NaN stays NaN in every format.
double Quantize(const ElementFormat& element, double value, Overflow overflow = Overflow::kSaturate);

// The FP32 scale under which `max_abs` maps to the largest finite value: max_abs / MaxFinite, one FP32
// division, never below the smallest normal FP32 (so that its reciprocal is finite). max_abs must be
// finite and >= 0; 0 gives scale 1. Always 1 for a format without scale.
float ScaleForMaxAbs(const Format& format, float max_abs);

// scale · Quantize(x / scale) in FP32: one FP32 division, one FP32 product. This is the definition that
// kernels and fake quantisation reproduce bit for bit.
// With a scale from ScaleForMaxAbs the product of finite numbers is finite, unless max_abs is the largest
// FP32 itself, where it may round to infinity.
float QuantizeScaled(const ElementFormat& element, float value, float scale);

}  // namespace precis
