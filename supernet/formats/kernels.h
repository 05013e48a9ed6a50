// Vectorised quantisation over contiguous FP32 memory: what QuantizeScaled does, at memory speed.
//
// Judged against supernet/formats/scalar.h bit for bit. The binary runs on every x86-64: each kernel is
// compiled for several instruction sets and the best one is picked when the program loads.
//
// NaN stays NaN; infinities saturate. `in` and `out` may be the same memory, but must not overlap
// otherwise. Threading: pure functions; they use the calling thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "supernet/formats/format.h"

namespace precis {

// Largest |in[i]|; 0 for an empty span; NaN if any element is NaN.
float MaxAbs(const float* in, size_t count);

// out[i] = QuantizeScaled(element, in[i], scale). scale > 0 and finite.
void QuantizeSpan(const ElementFormat& element, float scale, const float* in, float* out, size_t count);

// The straight-through gradient: grad_in[i] = grad_out[i] where |in[i]| <= limit, else 0 (also where
// in[i] is NaN).
void StraightThroughSpan(float limit, const float* in, const float* grad_out, float* grad_in, size_t count);

// The three functions above as compiled for one instruction set.
struct KernelSet {
  const char* name;  // "x86-64", "avx2", "avx512"
  float (*max_abs)(const float* in, size_t count);
  void (*quantize)(const ElementFormat& element, float scale, const float* in, float* out, size_t count);
  void (*straight_through)(float limit, const float* in, const float* grad_out, float* grad_in, size_t count);
};

// The sets that this machine can run, slowest first; the functions above use the last. For tests and
// benchmarks, which try each.
std::span<const KernelSet> SupportedKernelSets();

}  // namespace precis
