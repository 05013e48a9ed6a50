// Scales from largest magnitudes.
#include "server/export/layer_scales.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/scalar.h"

namespace precis::server {
namespace {

absl::StatusOr<std::vector<float>> WeightScales(const Layer& layer, const Format& format,
                                                const WeightTensor& tensor) {
  const auto channels = static_cast<size_t>(layer.output_channels);
  const auto reduction = static_cast<size_t>(layer.reduction);
  std::vector<float> scales;
  for (size_t channel = 0; channel < channels; ++channel) {
    const float max_abs = MaxAbs(tensor.values.data() + channel * reduction, reduction);
    if (!std::isfinite(max_abs))
      return absl::DataLossError(absl::StrCat("the weights hold a number in ", layer.name,
                                              ".weight that is not finite, in output channel ", channel));
    scales.push_back(ScaleForMaxAbs(format, max_abs));
  }
  if (!IsScaled(format)) scales.clear();
  return scales;
}

absl::StatusOr<LayerScales> ScalesOf(const Layer& layer, const LayerFormats& formats, double max_abs,
                                     const WeightFile& weights) {
  const auto tensor = weights.tensors.find(absl::StrCat(layer.name, ".weight"));
  if (tensor == weights.tensors.end())
    return absl::DataLossError(absl::StrCat("the weights have no tensor ", layer.name, ".weight"));
  const std::vector<int64_t>& shape = tensor->second.shape;
  if (shape.empty() || shape.front() != layer.output_channels ||
      static_cast<int64_t>(tensor->second.values.size()) != layer.weights)
    return absl::DataLossError(
        absl::StrCat("the tensor ", layer.name, ".weight does not have the layer's shape"));
  const auto range = static_cast<float>(max_abs);
  if (!std::isfinite(range) || range < 0)
    return absl::FailedPreconditionError(
        absl::StrCat("the calibrated input range of layer ", layer.name, " is not a finite number"));

  absl::StatusOr<std::vector<float>> weight = WeightScales(layer, formats.weight, tensor->second);
  if (!weight.ok()) return weight.status();
  LayerScales scales;
  scales.weight_shape = shape;
  scales.weight = *std::move(weight);
  scales.activation = ScaleForMaxAbs(formats.activation, range);
  scales.activation_max_abs = range;
  scales.activation_min = MinFinite(formats.activation.element) * scales.activation;
  scales.activation_max = MaxFinite(formats.activation.element) * scales.activation;
  return scales;
}

}  // namespace

absl::StatusOr<std::vector<LayerScales>> ComputeScales(const search::Plan& plan,
                                                       const search::Candidate& candidate,
                                                       const WeightFile& weights) {
  PRECIS_CHECK(candidate.assignment.layers.size() == plan.layers.size());
  if (candidate.activation_max_abs.size() != plan.layers.size())
    return absl::FailedPreconditionError("the candidate's input ranges have not been calibrated");
  std::vector<LayerScales> all;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    absl::StatusOr<LayerScales> scales =
        ScalesOf(plan.layers[i], candidate.assignment.layers[i], candidate.activation_max_abs[i], weights);
    if (!scales.ok()) return scales.status();
    all.push_back(*std::move(scales));
  }
  return all;
}

}  // namespace precis::server
