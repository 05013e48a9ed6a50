// Fake quantisation of tensors: to a format's grid and back, with a straight-through gradient.
//
// On the CPU it is the kernels of supernet/formats, in one pass; on any other device the same arithmetic
// in ATen operations. Both give QuantizeScaled's result bit for bit.
//
// Threading: thread-safe; uses LibTorch's intra-op pool for large tensors.
#pragma once

#include <cstdint>

#include "supernet/formats/format.h"

namespace at {
class Tensor;
}

namespace precis {

// max|x| over the whole tensor, as a host number. 0 for an empty tensor. Not recorded for autograd.
float MaxAbsPerTensor(const at::Tensor& x);

// max|w| over all but the first dimension: shape {w.size(0)}. Not recorded for autograd.
at::Tensor MaxAbsPerChannel(const at::Tensor& w);

// Fake-quantises `x` per tensor: scale = ScaleForMaxAbs(format, max_abs).
// Shapes: any floating-point FP32 tensor; the result has x's shape and memory format.
// Range:  values beyond ±max_abs saturate; NaN stays NaN; rounding as Quantize. A max_abs that is 0 or not
//         finite leaves x as it is.
// Grad:   dL/dx = dL/dy where |x| <= max_abs, else 0. None to max_abs.
// Formats without scale ignore max_abs; their range is the format's own. fp32 returns x itself.
at::Tensor FakeQuantizePerTensor(const at::Tensor& x, const Format& format, float max_abs);

// The same with one range for each index of the first dimension; max_abs has shape {w.size(0)}. A channel
// whose max_abs is 0 (all-zero weights) stays zero.
at::Tensor FakeQuantizePerChannel(const at::Tensor& w, const Format& format, const at::Tensor& max_abs);

}  // namespace precis
