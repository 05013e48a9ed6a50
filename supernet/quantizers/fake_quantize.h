// Fake quantisation of tensors: to a format's grid and back, with a straight-through gradient.
//
// On the CPU it is the kernels of supernet/formats, in one pass; on any other device the same arithmetic
// in ATen operations. Both give QuantizeScaled's result bit for bit.
//
// Ranges are tensors on x's device, so that no call waits for a device. They take no gradient.
//
// Shapes and types: FP32 tensors of any shape; the result has x's shape and memory format. Anything else,
// and a range of the wrong shape, is a bug of the caller (checked).
// Threading: thread-safe; uses LibTorch's intra-op pool for large tensors.
#pragma once

#include "supernet/formats/format.h"

namespace at {
class Tensor;
}

namespace precis {

// What the caller knows of x and its range.
enum class Clipping {
  kPossible,  // elements may lie beyond max_abs; x is kept for the backward pass
  kNone,      // no element does (max_abs was just measured on x): the gradient of a scaled format is the
              // identity, and nothing is kept
};

// max|x| over the whole tensor: shape {}. 0 for an empty tensor; NaN if any element is NaN.
at::Tensor MaxAbsPerTensor(const at::Tensor& x);

// max|w| over all but the first dimension: shape {w.size(0)}.
at::Tensor MaxAbsPerChannel(const at::Tensor& w);

// Whether the format is FP32 itself, which every function below returns untouched.
bool IsFloat32(const Format& format);

// Fake-quantises `x` per tensor: scale = ScaleForMaxAbs(format, max_abs); max_abs has shape {}.
// Range:  values beyond ±max_abs saturate; NaN stays NaN; rounding as Quantize. A max_abs that is 0 or not
//         finite leaves x as it is.
// Grad:   dL/dx = dL/dy where |x| <= max_abs, else 0 (also where x is NaN); dL/dy where x is left as it is.
// Formats without scale ignore max_abs, which may then be undefined; their range is the format's own.
at::Tensor FakeQuantizePerTensor(const at::Tensor& x, const Format& format, const at::Tensor& max_abs,
                                 Clipping clipping = Clipping::kPossible);

// The same with one range for each index of the first dimension; max_abs has shape {w.size(0)}.
at::Tensor FakeQuantizePerChannel(const at::Tensor& w, const Format& format, const at::Tensor& max_abs,
                                  Clipping clipping = Clipping::kPossible);

}  // namespace precis
