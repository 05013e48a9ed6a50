// Fake quantisation of tensors: to a format's grid and back, with a straight-through gradient.
//
// On the CPU it is the kernels of supernet/formats, in one pass; on any other device the same arithmetic
// in ATen operations. Both give the same bits.
//
// Ranges are tensors on x's device, so that no call waits for a device.
//
// Shapes and types: FP32 tensors; a weight is {out, …}, an activation {N, C} or {N, C, H, W}, or, in a format
// whose result does not depend on the order of elements, of any shape. The result has x's shape, and its
// memory format unless the order matters: then it is channels last. Anything else, and a range of the wrong
// shape, is a bug of the caller (checked).
// Threading: thread-safe; uses LibTorch's intra-op pool for large tensors; no result depends on its size.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "supernet/formats/format.h"
#include "supernet/formats/range.h"

namespace precis {

// Which elements share a scale, and along what blocks and rotations run.
enum class Operand {
  // A scale an operand is one for each index of the first dimension. Blocks run along the rest of it, as
  // memory has it in channels-last order: kernel row, kernel column, input channel. Rotations stay within the
  // input channels of one kernel position.
  kWeight,
  // A scale an operand is one. Blocks and rotations run along the channels of a pixel; where a pixel has
  // fewer channels than a block, blocks run on over the pixels of the image.
  kActivation,
};

// What the caller knows of x and its range.
enum class Clipping {
  kPossible,  // elements may lie beyond the range; x is kept for the backward pass
  kNone,      // no element does (max_abs was just measured on x): the gradient of a scaled format is the
              // identity, and nothing is kept
};

// max|x| over the whole tensor: shape {}. 0 for an empty tensor; NaN if any element is NaN. No gradient.
at::Tensor MaxAbsPerTensor(const at::Tensor& x);

// Whether the format is FP32 itself, which FakeQuantize returns untouched.
bool IsFloat32(const Format& format);

// Whether the range of x in this format is MaxAbsPerTensor(x) for an activation under RangeRule::kMaxAbs, and
// likewise max|w| for a weight: a range there is, without zero point and of values that are not rotated.
bool HasPlainRange(const Format& format);

// FindRange of everything that shares a scale (rotated first, if the format rotates): shape {}, or {out} for
// the weights of a format with a scale an operand; with a zero point a last dimension {…, 2} of low and high.
// Undefined for a format without range (NeedsRange). No gradient.
at::Tensor MeasureRange(const at::Tensor& x, Operand operand, const Format& format,
                        const RangeMethod& method);

struct FakeQuantizeOptions {
  at::Tensor range;  // as MeasureRange gives it; undefined where NeedsRange is false
  Clipping clipping = Clipping::kPossible;
  uint64_t seed = 0;  // of stochastic rounding: element i, in channels-last order, takes the random word i
};

// Fake-quantises `x`: QuantizeScaled, QuantizeAffine or QuantizeBlocksByReference under the scale of the
// range.
// Range:  Values beyond saturate; NaN stays NaN. Where a range is 0 or not finite, what it serves is left as
//         it is; blocks whose scales are relative to such a range do without. Signs of a rotation are those
//         of seed 0.
// Grad:   dL/dx = dL/dy where x lies within its range, an unsigned format's from 0 on, else 0, also where x
//         is NaN; dL/dy in blocks, which hold all their values, and where x is left as it is. A format
//         without scale has the range of its element. Rotations pass the gradient on as the orthogonal maps
//         they are.
// Learned ranges: if range requires a gradient (no zero point, no blocks), dL/drange is Σ dL/dy · (x within ?
//         y - x : y) / range, times √(Q / N), Q the largest code and N the elements that share the range (of
//         an activation: of one image). It is the scaled gradient that LSQ (Esser 2020, arXiv 1902.08153)
//         gives the step range / Q, 1 / √(Q·N) times dL/dstep; applied to the range it changes the step Q
//         times less, as the smaller learning rates do that LSQ takes for more bits.
at::Tensor FakeQuantize(const at::Tensor& x, Operand operand, const Format& format,
                        const FakeQuantizeOptions& options);

}  // namespace precis
