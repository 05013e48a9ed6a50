// The fused pass around the kernels: statistics, the pass itself, and its gradient.
#include "supernet/execution/norm_activate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "supernet/execution/norm_kernels.h"
#include "supernet/execution/norm_layout.h"
#include "supernet/formats/check.h"
#include "supernet/formats/kernels.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::pair<float, float> Bounds(const std::optional<ActivationKind>& activation) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (!activation.has_value()) return {-kInfinity, kInfinity};
  return {0.0f, *activation == ActivationKind::kRelu6 ? 6.0f : kInfinity};
}

at::Tensor InRows(const at::Tensor& x) {
  return x.dim() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x.contiguous();
}

at::Tensor ToTensor(const std::vector<float>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

std::vector<float> ToVector(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  const float* data = contiguous.data_ptr<float>();
  return {data, data + contiguous.numel()};
}

struct Statistics {
  std::vector<float> mean;
  std::vector<float> inverse_deviation;
};

Statistics Measure(const NormLayout& layout, const at::Tensor& x, double epsilon) {
  const float* data = x.data_ptr<float>();
  const auto channels = static_cast<size_t>(layout.channels());
  const auto pixels = static_cast<double>(layout.pixels());
  // The first pixel is near enough to the mean to keep the squares small.
  const std::vector<float> near_mean(data, data + channels);
  const std::vector<float> centre = layout.Repeat(near_mean);
  NormTile prototype;
  prototype.mean = centre.data();
  PairSums sums(layout);
  layout.ForEachPiece(prototype, [&](int64_t part, const NormTile& tile, int64_t begin) {
    sums.Add(part, tile.width, [&](float* sum, float* squares) {
      BestNormKernels().moments(tile, data + begin, sum, squares);
    });
  });
  const std::vector<double> totals = sums.Totals();
  Statistics statistics;
  for (size_t c = 0; c < channels; ++c) {
    const double offset = totals[c] / pixels;
    const double variance = std::max(0.0, totals[channels + c] / pixels - offset * offset);
    statistics.mean.push_back(static_cast<float>(near_mean[c] + offset));
    statistics.inverse_deviation.push_back(static_cast<float>(1 / std::sqrt(variance + epsilon)));
  }
  return statistics;
}

// Per-channel factors of the pass: z = x · scale + shift.
std::pair<std::vector<float>, std::vector<float>> ScaleAndShift(const Statistics& statistics,
                                                                const at::Tensor& weight,
                                                                const at::Tensor& bias) {
  std::vector<float> scale = ToVector(weight);
  std::vector<float> shift = ToVector(bias);
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] *= statistics.inverse_deviation[c];
    shift[c] -= statistics.mean[c] * scale[c];
  }
  return {std::move(scale), std::move(shift)};
}

// Fills outputs; returns the bytes that say where the gradient passes, if the backward pass needs them.
at::Tensor FusedForward(const NormInputs& inputs, bool measure_max_abs, bool keep_passes,
                        NormOutputs& outputs) {
  const NormLayout layout(inputs.x.numel(), inputs.x.size(1));
  const Statistics statistics = Measure(layout, inputs.x, inputs.epsilon);
  const auto [scale, shift] = ScaleAndShift(statistics, inputs.weight, inputs.bias);
  outputs.mean = ToTensor(statistics.mean);
  outputs.inverse_deviation = ToTensor(statistics.inverse_deviation);
  outputs.y = at::empty_like(inputs.x);
  at::Tensor passes;
  if (keep_passes) passes = at::empty({inputs.x.numel()}, at::kByte);

  const std::vector<float> scales = layout.Repeat(scale);
  const std::vector<float> shifts = layout.Repeat(shift);
  NormTile prototype;
  prototype.scale = scales.data();
  prototype.shift = shifts.data();
  std::tie(prototype.lowest, prototype.highest) = Bounds(inputs.activation);
  const float* x = inputs.x.data_ptr<float>();
  const float* residual = inputs.residual.defined() ? inputs.residual.data_ptr<float>() : nullptr;
  float* y = outputs.y.data_ptr<float>();
  uint8_t* mask = keep_passes ? passes.data_ptr<uint8_t>() : nullptr;
  std::vector<float> largest(static_cast<size_t>(layout.parts()), 0.0f);
  layout.ForEachPiece(prototype, [&](int64_t part, const NormTile& tile, int64_t begin) {
    BestNormKernels().apply(tile, x + begin, residual == nullptr ? nullptr : residual + begin, y + begin,
                            mask == nullptr ? nullptr : mask + begin);
    if (!measure_max_abs) return;
    float& so_far = largest[static_cast<size_t>(part)];
    const float here = MaxAbs(y + begin, static_cast<size_t>(tile.width * tile.tiles));
    so_far = so_far > here || std::isnan(so_far) ? so_far : here;
  });
  if (measure_max_abs) outputs.max_abs = MaxAbsPerTensor(ToTensor(largest));
  return passes;
}

struct Arguments {
  const NormInputs& inputs;
  bool measure_max_abs;
  NormOutputs& outputs;
};

class NormFunction : public torch::autograd::Function<NormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const at::Tensor& /*residual or placeholder*/,
                            const Arguments& arguments) {
    const NormInputs& inputs = arguments.inputs;
    const bool keep_passes = inputs.residual.defined() && inputs.activation.has_value();
    NormOutputs& outputs = arguments.outputs;
    const at::Tensor passes = FusedForward(inputs, arguments.measure_max_abs, keep_passes, outputs);
    context->save_for_backward({x, weight, bias, outputs.mean, outputs.inverse_deviation, passes});
    const auto [lowest, highest] = Bounds(inputs.activation);
    context->saved_data["lowest"] = static_cast<double>(lowest);
    context->saved_data["highest"] = static_cast<double>(highest);
    return outputs.y;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& passes = saved[5];
    const Statistics statistics = {.mean = ToVector(saved[3]), .inverse_deviation = ToVector(saved[4])};
    const auto [scale, shift] = ScaleAndShift(statistics, saved[1], saved[2]);
    const NormLayout layout(x.numel(), x.size(1));
    const at::Tensor dy = InRows(grads[0]);

    const std::vector<float> means = layout.Repeat(statistics.mean);
    const std::vector<float> scales = layout.Repeat(scale);
    const std::vector<float> shifts = layout.Repeat(shift);
    NormTile prototype;
    prototype.mean = means.data();
    prototype.scale = scales.data();
    prototype.shift = shifts.data();
    prototype.lowest = static_cast<float>(context->saved_data["lowest"].toDouble());
    prototype.highest = static_cast<float>(context->saved_data["highest"].toDouble());
    const float* values = x.data_ptr<float>();
    const float* from = dy.data_ptr<float>();

    // g, the gradient of z, is the residual's gradient; without a mask it is not stored but found again.
    at::Tensor g = dy;
    PairSums sums(layout);
    if (passes.defined()) {
      g = at::empty_like(x);
      float* to = g.data_ptr<float>();
      const uint8_t* mask = passes.data_ptr<uint8_t>();
      layout.ForEachPiece(prototype, [&](int64_t part, const NormTile& tile, int64_t begin) {
        sums.Add(part, tile.width, [&](float* sum, float* moment) {
          BestNormKernels().masked_gradient_sums(tile, from + begin, values + begin, mask + begin, to + begin,
                                                 sum, moment);
        });
      });
      from = to;
      std::tie(prototype.lowest, prototype.highest) = Bounds(std::nullopt);
    } else {
      layout.ForEachPiece(prototype, [&](int64_t part, const NormTile& tile, int64_t begin) {
        sums.Add(part, tile.width, [&](float* sum, float* moment) {
          BestNormKernels().gradient_sums(tile, from + begin, values + begin, sum, moment);
        });
      });
    }

    // dx = scale · (g - mean of g - x̂ · mean of g·x̂), with x̂ = (x - mean) · inverse deviation.
    const std::vector<double> totals = sums.Totals();
    const auto pixels = static_cast<double>(layout.pixels());
    const size_t channels = scale.size();
    std::vector<float> d_weight(channels);
    std::vector<float> d_bias(channels);
    std::vector<float> slope(channels);
    std::vector<float> offset(channels);
    for (size_t c = 0; c < channels; ++c) {
      const double inverse_deviation = statistics.inverse_deviation[c];
      d_bias[c] = static_cast<float>(totals[c]);
      d_weight[c] = static_cast<float>(totals[channels + c] * inverse_deviation);
      offset[c] = static_cast<float>(-scale[c] * totals[c] / pixels);
      slope[c] = static_cast<float>(-scale[c] * inverse_deviation * inverse_deviation * totals[channels + c] /
                                    pixels);
    }
    const std::vector<float> slopes = layout.Repeat(slope);
    const std::vector<float> offsets = layout.Repeat(offset);
    at::Tensor dx = at::empty_like(x);
    float* to = dx.data_ptr<float>();
    layout.ForEachPiece(prototype, [&](int64_t, const NormTile& tile, int64_t begin) {
      BestNormKernels().gradient_input(tile, from + begin, values + begin, slopes.data(), offsets.data(),
                                       to + begin);
    });
    return {dx, ToTensor(d_weight), ToTensor(d_bias), g, at::Tensor()};
  }
};

}  // namespace

NormOutputs NormActivateAten(const NormInputs& inputs, bool measure_max_abs) {
  NormOutputs outputs;
  at::Tensor y;
  std::tie(y, outputs.mean, outputs.inverse_deviation) = at::native_batch_norm(
      inputs.x, inputs.weight, inputs.bias, {}, {}, /*training=*/true, 0.0, inputs.epsilon);
  if (inputs.residual.defined()) y = y + inputs.residual;
  if (inputs.activation.has_value()) {
    y = *inputs.activation == ActivationKind::kRelu ? at::relu(y) : at::hardtanh(y, 0, 6);
  }
  outputs.y = y;
  outputs.mean = outputs.mean.detach();
  outputs.inverse_deviation = outputs.inverse_deviation.detach();
  if (measure_max_abs) outputs.max_abs = MaxAbsPerTensor(y);
  return outputs;
}

NormOutputs NormActivate(const NormInputs& inputs, bool measure_max_abs) {
  PRECIS_CHECK(inputs.x.scalar_type() == at::kFloat && (inputs.x.dim() == 4 || inputs.x.dim() == 2));
  PRECIS_CHECK(inputs.x.numel() > 0);
  PRECIS_CHECK(!inputs.residual.defined() || inputs.residual.sizes() == inputs.x.sizes());
  if (!inputs.x.is_cpu()) return NormActivateAten(inputs, measure_max_abs);
  NormInputs in_rows = inputs;
  in_rows.x = InRows(inputs.x);
  if (inputs.residual.defined()) in_rows.residual = InRows(inputs.residual);
  NormOutputs outputs;
  if (!c10::GradMode::is_enabled()) {
    FusedForward(in_rows, measure_max_abs, /*keep_passes=*/false, outputs);
    return outputs;
  }
  // Autograd takes no undefined input; one that needs no gradient gets none.
  const at::Tensor residual = in_rows.residual.defined() ? in_rows.residual : in_rows.x.detach();
  outputs.y = NormFunction::apply(in_rows.x, in_rows.weight, in_rows.bias, residual,
                                  Arguments{in_rows, measure_max_abs, outputs});
  return outputs;
}

}  // namespace precis
