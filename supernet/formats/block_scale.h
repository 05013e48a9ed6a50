// How the scale of a block, or of a whole tensor, is found from its largest magnitude.
//
// Elements x of a block become Q(x') · decode, where x' = x · encode (FP32 scales: x' = x / decode).
//   E8M0   decode = 2^e by PowerRule, e in -127…127 (a subnormal FP32 at -127); encode = 2^-e. Found from the
//          bits of max_abs, never by a logarithm, which errs next to powers of two. Products with both are
//          exact but for FP32 subnormals, so decode is also what x could be divided by.
//   E4M3,  code = RNE(max_abs / Q · global.encode), Q the element's largest value; never 0 but the smallest
//   UE5M3  positive scale; saturating. decode = code's value · global.decode, encode = 1 / decode, each an
//   FP32
//          operation (NVFP4, arXiv 2509.25149, appendix B).
//   FP32   decode = max_abs / Q as ScaleForMaxAbs.
// An all-zero block gets the smallest scale (FP32: 1). A block that holds a NaN or an infinity gets the scale
// NaN, and all its elements with it: that is what its stored form can say.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/formats/format.h"

namespace precis {

// The FP32 scale of a tensor whose block scales are relative to it; 1 and 1 for formats without.
struct GlobalScale {
  float encode = 1;  // largest scale · Q / max_abs, at most 2^110 so that all that follows is finite
  float decode = 1;  // 1 / encode in FP32
};

// max_abs: of the tensor's finite elements; 0 gives 1 and 1.
GlobalScale GlobalScaleFor(const Format& format, float max_abs);

struct BlockScale {
  uint32_t code = 0;  // as stored: 8 bits, or an FP32's 32
  float decode = 1;
  float encode = 1;
};

// The format has a scale (checked). max_abs may be an infinity or NaN.
BlockScale BlockScaleFor(const Format& format, float max_abs, const GlobalScale& global = {});

// The scale of a stored code; `encode` as it was when the code was found.
BlockScale BlockScaleOfCode(const Format& format, uint32_t code, const GlobalScale& global = {});

// The element whose values a scale of small floats takes: E4M3, or UE5M3 with a sign that is never set.
ElementFormat ScaleElement(const ScaleFormat& scale);

// Where randomness comes from: element i of the span takes the random word of index first_index + i.
struct RandomStream {
  uint64_t seed = 0;
  uint64_t first_index = 0;
};

// The scalar reference of block formats: quantises in[0, count), which begins at the start of a block (the
// last block may be short), and writes each block's scale to `scales` unless that is null. Rotation is not
// part of it (hadamard.h). in and out may be the same.
void QuantizeBlocksByReference(const Format& format, const GlobalScale& global, const RandomStream& random,
                               const float* in, float* out, size_t count, BlockScale* scales = nullptr);

}  // namespace precis
