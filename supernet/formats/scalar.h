// The exact scalar reference for every element format: slow, obvious, and the judge of all kernels.
//
// All arithmetic is in double, which holds every value, midpoint and FP32 input of every element
// exactly. Rounding is to nearest; a tie goes to the even code. For a format with no mantissa bit
// (e2m0, e3m0, …) the neighbours of a tie are two powers of two, and the one whose *exponent code* is
// even wins: e3m0 rounds 0.375 to 0.5 (codes 1 and 2: 0.25, 0.5) and 3 to 2 (codes 4 and 5: 2, 4). No
// standard settles this case.
//
// Stochastic rounding with r random bits R (0…2^r - 1) goes to the neighbour further from zero if
// d + (2R + 1) / 2^(r+1) >= 1, where d is the distance from the nearer neighbour to zero in units of their
// gap: unbiased to within 2^-(r+1) of a gap, and exact for what is on the grid. (It is what gfloat calls
// StochasticFast. Rounding d to r bits first, or cutting it, are the other ways in use; the latter is biased
// toward zero.)
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

// `value` rounded stochastically, with the top `bits` (1…16) of `random`. Saturates; NaN stays NaN.
double QuantizeStochastic(const ElementFormat& element, double value, int bits, uint32_t random);

// Of a scale that serves operands or tensors (checked).
// FP32: the scale under which `max_abs` maps to the largest finite value: max_abs / MaxFinite, one FP32
// division, never below the smallest normal FP32 (so that its reciprocal is finite). max_abs must be
// finite and >= 0; 0 gives scale 1. Always 1 for a format without scale.
// E8M0: the power of two by the format's rule, plus its headroom; 2^-127 for 0.
float ScaleForMaxAbs(const Format& format, float max_abs);

// scale · Quantize(x / scale) in FP32: one FP32 division, one FP32 product. This is the definition that
// kernels and fake quantisation reproduce bit for bit.
// With a scale from ScaleForMaxAbs the product of finite numbers is finite, unless max_abs is the largest
// FP32 itself, where it may round to infinity.
float QuantizeScaled(const ElementFormat& element, float value, float scale);

// The same with stochastic rounding.
float QuantizeScaledStochastic(const ElementFormat& element, float value, float scale, int bits,
                               uint32_t random);

// scale · (c - zero_point), c = Quantize(x / scale + zero_point) with x / scale rounded to an integer first
// (ONNX QuantizeLinear). zero_point is a value of the element, which is an integer.
float QuantizeAffine(const ElementFormat& element, float value, float scale, int zero_point);

// Scale and zero point under which [low, high], widened to hold 0, covers all codes; 0 itself is exact.
struct AffineScale {
  float scale = 1;
  int zero_point = 0;
};
// low <= high, finite.
AffineScale AffineScaleForRange(const ElementFormat& element, float low, float high);

}  // namespace precis
