// The straight-through gradient around the two paths.
#include "supernet/quantizers/fake_quantize.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "supernet/formats/check.h"
#include "supernet/quantizers/quantize_paths.h"

namespace precis {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Quantize(const at::Tensor& x, const Format& format, const at::Tensor& ranges) {
  const at::AutoDispatchBelowAutograd below;
  return x.is_cpu() ? quantize_paths::QuantizeFused(x, format, ranges)
                    : quantize_paths::QuantizeAten(x, format, ranges);
}

// Everything but x, in a struct so that autograd does not take the ranges for an input.
struct Arguments {
  const Format& format;
  const at::Tensor& ranges;
  bool clips;
};

class StraightThrough : public torch::autograd::Function<StraightThrough> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const Arguments& arguments) {
    const auto& [format, ranges, clips] = arguments;
    if (clips) context->save_for_backward({x, quantize_paths::GradientLimits(x, format, ranges)});
    return Quantize(x, format, ranges);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    at::Tensor grad = grads[0];
    if (!saved.empty()) {
      const at::Tensor& x = saved[0];
      const at::Tensor& limits = saved[1];
      grad = x.is_cpu() ? quantize_paths::StraightThroughFused(x, limits, grad)
                        : quantize_paths::StraightThroughAten(x, limits, grad);
    }
    return {grad, at::Tensor()};
  }
};

at::Tensor FakeQuantize(const at::Tensor& x, const Format& format, const at::Tensor& ranges,
                        Clipping clipping) {
  PRECIS_CHECK(x.scalar_type() == at::kFloat);
  PRECIS_CHECK(!IsScaled(format) || (ranges.defined() && ranges.scalar_type() == at::kFloat));
  if (IsFloat32(format)) return x;
  if (!x.requires_grad() || !c10::GradMode::is_enabled()) return Quantize(x, format, ranges);
  // A format without scale may clip at its own end whatever the caller measured.
  const bool clips = clipping == Clipping::kPossible || !IsScaled(format);
  return StraightThrough::apply(x, Arguments{format, ranges, clips});
}

at::Tensor MaxAbs(const at::Tensor& x, bool per_row) {
  PRECIS_CHECK(x.scalar_type() == at::kFloat);
  const at::AutoDispatchBelowAutograd below;
  return x.is_cpu() ? quantize_paths::MaxAbsFused(x, per_row) : quantize_paths::MaxAbsAten(x, per_row);
}

}  // namespace

at::Tensor MaxAbsPerTensor(const at::Tensor& x) { return MaxAbs(x, /*per_row=*/false); }

at::Tensor MaxAbsPerChannel(const at::Tensor& w) {
  PRECIS_CHECK(w.dim() > 0);
  return MaxAbs(w, /*per_row=*/true);
}

bool IsFloat32(const Format& format) {
  const ElementFormat& element = format.element;
  return element.kind == ElementKind::kFloat && element.exponent_bits == 8 && element.mantissa_bits == 23;
}

at::Tensor FakeQuantizePerTensor(const at::Tensor& x, const Format& format, const at::Tensor& max_abs,
                                 Clipping clipping) {
  PRECIS_CHECK(!max_abs.defined() || max_abs.dim() == 0);
  return FakeQuantize(x, format, max_abs, clipping);
}

at::Tensor FakeQuantizePerChannel(const at::Tensor& w, const Format& format, const at::Tensor& max_abs,
                                  Clipping clipping) {
  PRECIS_CHECK(w.dim() > 0 && (!max_abs.defined() || (max_abs.dim() == 1 && max_abs.size(0) == w.size(0))));
  return FakeQuantize(w, format, max_abs, clipping);
}

}  // namespace precis
