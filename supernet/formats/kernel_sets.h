// The kernels as compiled for one instruction set, and the choice among them. For tests and benchmarks, which
// try each; everyone else calls kernels.h.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/counter_random.h"
#include "supernet/formats/format.h"

namespace precis {

// How the elements of a span are rounded.
struct ElementRounding {
  ElementFormat element;
  int zero_point = 0;
  int stochastic_bits = 0;  // 0: to nearest
  RandomStream random;
};

struct KernelSet {
  const char* name;  // "x86-64", "avx2", "avx512"
  float (*max_abs)(const float* in, size_t count);
  float (*max_abs_finite)(const float* in, size_t count);
  void (*quantize)(const ElementRounding& rounding, float scale, const float* in, float* out, size_t count);
  void (*quantize_blocks)(const Format& format, const GlobalScale& global, const RandomStream& random,
                          const float* in, float* out, size_t count);
  void (*straight_through)(float low, float high, const float* in, const float* grad_out, float* grad_in,
                           size_t count);
};

// The sets that this machine can run, slowest first; kernels.h uses the last.
std::span<const KernelSet> SupportedKernelSets();

}  // namespace precis
