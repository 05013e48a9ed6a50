// The gradients around the two paths.
#include "supernet/quantizers/fake_quantize.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "supernet/formats/check.h"
#include "supernet/quantizers/quantize_paths.h"

namespace precis {
namespace {

using quantize_paths::Request;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Quantize(const at::Tensor& x, const Request& request) {
  const at::AutoDispatchBelowAutograd below;
  return x.is_cpu() ? quantize_paths::QuantizeFused(x, request) : quantize_paths::QuantizeAten(x, request);
}

at::Tensor RotateNow(const at::Tensor& x, int size, bool back) {
  const at::AutoDispatchBelowAutograd below;
  return x.is_cpu() ? quantize_paths::RotateFused(x, size, back) : quantize_paths::RotateAten(x, size, back);
}

// √(Q / N).
double LearnedFactor(const at::Tensor& x, Operand operand, const Format& format) {
  const double largest = std::exp2(format.element.bits - (format.element.is_signed ? 1 : 0)) - 1;
  const auto rows = static_cast<double>(
      operand == Operand::kActivation ? x.size(0) : quantize_paths::RangeRows(x, operand, format));
  return std::sqrt(largest * rows / static_cast<double>(x.numel()));
}

class Rotation : public torch::autograd::Function<Rotation> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, int size, bool back) {
    context->saved_data["size"] = size;
    context->saved_data["back"] = back;
    return RotateNow(x, size, back);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto size = static_cast<int>(context->saved_data["size"].toInt());
    return {RotateNow(grads[0], size, !context->saved_data["back"].toBool()), {}, {}};
  }
};

at::Tensor Rotate(const at::Tensor& x, int size, bool back) {
  if (!x.requires_grad() || !c10::GradMode::is_enabled()) return RotateNow(x, size, back);
  return Rotation::apply(x, size, back);
}

// Everything but the tensors that may have gradients, in a struct so that autograd does not look into it.
struct Arguments {
  const Request& request;
  bool clips;
};

class StraightThrough : public torch::autograd::Function<StraightThrough> {
 public:
  // ranges: those to be learned, if any.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const c10::optional<at::Tensor>& ranges, const Arguments& arguments) {
    const Request& request = arguments.request;
    at::Tensor y = Quantize(x, request);
    context->saved_data["learned"] = ranges.has_value();
    if (ranges.has_value()) {
      PRECIS_CHECK(!IsBlockScaled(request.format) && !request.format.scale.zero_point);
      context->saved_data["factor"] = LearnedFactor(x, request.operand, request.format);
      context->save_for_backward({x, y, *ranges});
    } else if (arguments.clips) {
      context->save_for_backward({x, quantize_paths::GradientLimits(x, request.format, request.ranges)});
    }
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& grad = grads[0];
    if (saved.empty()) return {grad, {}, {}};
    const at::Tensor& x = saved[0];
    if (context->saved_data["learned"].toBool()) {
      const auto [of_x, of_ranges] = x.is_cpu() ? quantize_paths::LearnedFused(x, saved[1], saved[2], grad)
                                                : quantize_paths::LearnedAten(x, saved[1], saved[2], grad);
      return {of_x, of_ranges * context->saved_data["factor"].toDouble(), {}};
    }
    return {x.is_cpu() ? quantize_paths::StraightThroughFused(x, saved[1], grad)
                       : quantize_paths::StraightThroughAten(x, saved[1], grad),
            {},
            {}};
  }
};

// One range for each row that the operand has in this format.
bool HasShapeOfRange(const at::Tensor& ranges, const at::Tensor& x, Operand operand, const Format& format) {
  const int64_t ends = format.scale.zero_point ? 2 : 1;
  const bool per_row = quantize_paths::HasRangePerRow(operand, format);
  return ranges.defined() && ranges.scalar_type() == at::kFloat &&
         ranges.dim() == (per_row ? 1 : 0) + (ends == 2 ? 1 : 0) &&
         ranges.numel() == ends * quantize_paths::RangeRows(x, operand, format);
}

}  // namespace

at::Tensor MaxAbsPerTensor(const at::Tensor& x) {
  PRECIS_CHECK(x.scalar_type() == at::kFloat);
  const at::AutoDispatchBelowAutograd below;
  return x.is_cpu() ? quantize_paths::MaxAbsFused(x, /*per_row=*/false)
                    : quantize_paths::MaxAbsAten(x, /*per_row=*/false);
}

bool IsFloat32(const Format& format) {
  const ElementFormat& element = format.element;
  return element.kind == ElementKind::kFloat && element.exponent_bits == 8 && element.mantissa_bits == 23;
}

bool HasPlainRange(const Format& format) {
  return NeedsRange(format) && !format.scale.zero_point && format.hadamard == 0;
}

at::Tensor MeasureRange(const at::Tensor& x, Operand operand, const Format& format,
                        const RangeMethod& method) {
  PRECIS_CHECK(x.scalar_type() == at::kFloat);
  if (!NeedsRange(format)) return {};
  const at::AutoDispatchBelowAutograd below;
  const at::Tensor values = format.hadamard == 0 ? x : RotateNow(x, format.hadamard, /*back=*/false);
  return x.is_cpu() ? quantize_paths::MeasureFused(values, operand, format, method)
                    : quantize_paths::MeasureAten(values, operand, format, method);
}

at::Tensor FakeQuantize(const at::Tensor& x, Operand operand, const Format& format,
                        const FakeQuantizeOptions& options) {
  PRECIS_CHECK(x.scalar_type() == at::kFloat && (operand == Operand::kActivation || x.dim() > 0));
  PRECIS_CHECK(!NeedsRange(format) || HasShapeOfRange(options.range, x, operand, format));
  if (IsFloat32(format) && format.hadamard == 0) return x;
  if (format.hadamard != 0) {
    Format plain = format;
    plain.hadamard = 0;
    const at::Tensor rotated = Rotate(x, format.hadamard, /*back=*/false);
    const at::Tensor y = FakeQuantize(rotated, operand, plain, options);
    return Rotate(y, format.hadamard, /*back=*/true);
  }
  const Request request = {operand, format, NeedsRange(format) ? options.range.detach() : at::Tensor(),
                           options.seed};
  const bool learned = NeedsRange(format) && options.range.requires_grad();
  if (!(x.requires_grad() || learned) || !c10::GradMode::is_enabled()) return Quantize(x, request);
  // A format without scale may clip at its own end whatever the caller measured.
  const bool clips = !IsBlockScaled(format) && (options.clipping == Clipping::kPossible || !IsScaled(format));
  return StraightThrough::apply(x, learned ? c10::make_optional(options.range) : c10::nullopt,
                                Arguments{request, clips});
}

}  // namespace precis
