// Vectorised quantisation over contiguous FP32 memory: what scalar.h and block_scale.h define, at memory
// speed.
//
// Judged against those bit for bit. The binary runs on every x86-64: each kernel is compiled for several
// instruction sets (kernel_sets.h) and the best one is picked when the program loads. Large results that are
// not written in place go past the caches, as memcpy's do.
//
// NaN stays NaN; infinities saturate (in block formats both make their whole block NaN). `in` and `out` may
// be the same memory, but must not overlap otherwise. Threading: pure functions; they use the calling thread
// only. To share a tensor among threads, give each a span (of whole blocks) and its index; no result depends
// on the cut.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/format.h"
#include "supernet/formats/kernel_sets.h"

namespace precis {

// Largest |in[i]|; 0 for an empty span; NaN if any element is NaN.
float MaxAbs(const float* in, size_t count);

// The same over the finite elements only.
float MaxAbsFinite(const float* in, size_t count);

// out[i] = QuantizeScaled(element, in[i], scale). scale > 0 and finite.
void QuantizeSpan(const ElementFormat& element, float scale, const float* in, float* out, size_t count);

// out[i] = QuantizeAffine(element, in[i], scale, zero_point).
void QuantizeAffineSpan(const ElementFormat& element, float scale, int zero_point, const float* in,
                        float* out, size_t count);

// out[i] = QuantizeScaledStochastic(element, in[i], scale, bits, CounterBits of index first_index + i).
// The span may not cross a multiple of 2^32 indices (checked).
void QuantizeStochasticSpan(const ElementFormat& element, float scale, int bits, const RandomStream& random,
                            const float* in, float* out, size_t count);

// Finds the range of each row, the scale from it, and quantises: two passes, the second over memory that is
// still in a cache where the row fits there. The format has one FP32 or E8M0 scale an operand or tensor, or
// none, and no zero point. A row whose range is 0 or not finite is copied. `scales`, unless null, takes one a
// row (0 where the row was copied). random.first_index is that of in[0]; it is used by stochastic formats.
void QuantizeRows(const Format& format, const RandomStream& random, const float* in, float* out, size_t rows,
                  size_t row_size, float* scales = nullptr);

// What QuantizeBlocksByReference does, for one row or a part of it that begins at the start of a block.
void QuantizeBlocksSpan(const Format& format, const GlobalScale& global, const RandomStream& random,
                        const float* in, float* out, size_t count);

// The straight-through gradient: grad_in[i] = grad_out[i] where low <= in[i] <= high, else 0 (also where
// in[i] is NaN). grad_in may be grad_out or in.
void StraightThroughSpan(float low, float high, const float* in, const float* grad_out, float* grad_in,
                         size_t count);

}  // namespace precis
