// The two ways in which a tensor is measured and quantised: fused kernels and ATen operations. Internal to
// supernet/quantizers; its tests hold them against each other.
//
// `ranges` as fake_quantize.h has them. What a range that is 0 or not finite serves is copied. Nothing here
// rotates but Rotate. No gradients are recorded. x that is not dense is made so first.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

#include "supernet/quantizers/fake_quantize.h"

namespace precis::quantize_paths {

struct Request {
  Operand operand;
  const Format& format;
  at::Tensor ranges;
  uint64_t seed = 0;
};

// Whether there is a range for each index of the first dimension.
bool HasRangePerRow(Operand operand, const Format& format);

// Ranges served by one element of `ranges`: x.size(0) for the weights of a format with a scale an operand,
// else 1.
int64_t RangeRows(const at::Tensor& x, Operand operand, const Format& format);

// Elements in a row that blocks do not cross, in channels-last order.
int64_t BlockRow(const at::Tensor& x, Operand operand, const Format& format);

// Whether the result depends on the order of elements.
bool OrderMatters(const Format& format);

// x with its elements in channels-last order, dense; x itself if they are.
at::Tensor InOrder(const at::Tensor& x);

// CPU only. x in any dense layout is read and written in memory order, without a copy unless the order
// matters.
at::Tensor MaxAbsFused(const at::Tensor& x, bool per_row);
at::Tensor MeasureFused(const at::Tensor& x, Operand operand, const Format& format,
                        const RangeMethod& method);
at::Tensor QuantizeFused(const at::Tensor& x, const Request& request);
// Groups of `size` channels: input channels of weights, those of a pixel of activations.
at::Tensor RotateFused(const at::Tensor& x, int size, bool back);
// limits: the ends of what passes, {2} or {rows, 2}.
at::Tensor StraightThroughFused(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad);
// Gradients of x and of the ranges ({} or {rows}), the latter not yet scaled for N and Q.
std::pair<at::Tensor, at::Tensor> LearnedFused(const at::Tensor& x, const at::Tensor& y,
                                               const at::Tensor& ranges, const at::Tensor& grad);

// Any device.
at::Tensor MaxAbsAten(const at::Tensor& x, bool per_row);
at::Tensor MeasureAten(const at::Tensor& x, Operand operand, const Format& format, const RangeMethod& method);
at::Tensor QuantizeAten(const at::Tensor& x, const Request& request);
at::Tensor RotateAten(const at::Tensor& x, int size, bool back);
at::Tensor StraightThroughAten(const at::Tensor& x, const at::Tensor& limits, const at::Tensor& grad);
std::pair<at::Tensor, at::Tensor> LearnedAten(const at::Tensor& x, const at::Tensor& y,
                                              const at::Tensor& ranges, const at::Tensor& grad);

// Up to where the gradient passes, low and high: the ends of each range, infinities where x is copied; those
// of the element, {2}, if the format has no scale.
at::Tensor GradientLimits(const at::Tensor& x, const Format& format, const at::Tensor& ranges);

}  // namespace precis::quantize_paths
