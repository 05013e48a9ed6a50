// The two ways in which a tensor is quantised: fused kernels and ATen operations. Internal to
// supernet/quantizers; its tests hold them against each other.
//
// x is FP32 of shape {rows, …} or, with one row, any shape. `ranges` holds one entry for each row (shape
// {rows}, or {} for one row that is the whole tensor). A row whose range is 0 or not finite is copied.
// No gradients are recorded.
#pragma once

#include "supernet/formats/format.h"

namespace at {
class Tensor;
}

namespace precis::quantize_paths {

// CPU only. x in any dense layout is read and written in memory order, without a copy.
at::Tensor MaxAbsFused(const at::Tensor& x, bool per_row);
at::Tensor QuantizeFused(const at::Tensor& x, const Format& format, const at::Tensor& ranges);
at::Tensor StraightThroughFused(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad);

// Any device.
at::Tensor MaxAbsAten(const at::Tensor& x, bool per_row);
at::Tensor QuantizeAten(const at::Tensor& x, const Format& format, const at::Tensor& ranges);
at::Tensor StraightThroughAten(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad);

// Up to where the gradient passes: the range of each row, or infinity where the row is copied; the format's
// own range, of shape {}, if it has no scale.
at::Tensor GradientLimits(const at::Tensor& x, const Format& format, const at::Tensor& ranges);

}  // namespace precis::quantize_paths
