// Scales from ranges, ranges from weights and calibration.
#include "server/export/layer_scales.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/export/rounded_weight.h"
#include "supernet/formats/block_scale.h"
#include "supernet/formats/check.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/range.h"
#include "supernet/formats/scalar.h"

namespace precis::server {
namespace {

// Block by block.
void FindBlockScales(const Format& format, const std::vector<float>& values, size_t rows,
                     LayerScales& scales) {
  const auto block = static_cast<size_t>(format.scale.block);
  const size_t row_size = values.size() / rows;
  const GlobalScale global = GlobalScaleFor(format, MaxAbs(values.data(), values.size()));
  scales.weight_global = global.decode;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < row_size; i += block) {
      const float max_abs = MaxAbs(values.data() + row * row_size + i, std::min(block, row_size - i));
      scales.weight.push_back(BlockScaleFor(format, max_abs, global).decode);
    }
  }
}

void AddScale(const Format& format, const ValueRange& range, LayerScales& scales) {
  const OperandScale scale = ScaleForRange(format, range);
  scales.weight.push_back(scale.scale);
  if (format.scale.zero_point) scales.weight_zero_points.push_back(scale.zero_point);
}

// Of the weights, as NODE.weight_range.FORMAT in the weight file, learned or of weights put on a grid; null
// if there are none.
absl::StatusOr<const WeightTensor*> KeptRanges(const Layer& layer, const Format& format, size_t rows,
                                               const WeightFile& weights) {
  const WeightTensor* none = nullptr;
  if (format.scale.zero_point) return none;
  const std::string name = absl::StrCat(layer.name, ".weight_range.", FormatName(format));
  const auto found = weights.tensors.find(name);
  if (found == weights.tensors.end())
    return none;  // never trained with, or never on a grid: found by the rule
  const std::vector<float>& values = found->second.values;
  const bool valid = values.size() == rows && std::all_of(values.begin(), values.end(),
                                                          [](float v) { return v > 0 && std::isfinite(v); });
  if (!valid)
    return absl::DataLossError(absl::StrCat("the tensor ", name, " does not hold ", rows, " ranges"));
  return &found->second;
}

absl::Status FindWeightScales(const search::Plan& plan, const Layer& layer, const Format& format,
                              const WeightTensor& tensor, const WeightFile& weights, LayerScales& scales) {
  const auto channels = static_cast<size_t>(layer.output_channels);
  const auto reduction = static_cast<size_t>(layer.reduction);
  const std::vector<float> values = ValuesInOrder(tensor, WeightOrder(tensor, true), format);
  for (size_t channel = 0; channel < channels; ++channel) {
    if (std::isfinite(MaxAbs(values.data() + channel * reduction, reduction))) continue;
    return absl::DataLossError(absl::StrCat("the weights hold a number in ", layer.name,
                                            ".weight that is not finite, in output channel ", channel));
  }
  if (!IsScaled(format)) return absl::OkStatus();
  if (IsBlockScaled(format)) {
    FindBlockScales(format, values, channels, scales);
    return absl::OkStatus();
  }
  const size_t rows = format.scale.extent == ScaleExtent::kTensor ? 1 : channels;
  const absl::StatusOr<const WeightTensor*> kept = KeptRanges(layer, format, rows, weights);
  if (!kept.ok()) return kept.status();
  const RangeOptions& options = plan.spec.training.ranges;
  const size_t row_size = values.size() / rows;
  for (size_t row = 0; row < rows; ++row) {
    if (*kept != nullptr) {
      AddScale(format, {-(*kept)->values[row], (*kept)->values[row]}, scales);
    } else {
      const RangeMethod method = {options.weights, options.percentile};
      AddScale(format, FindRange(format, method, values.data() + row * row_size, row_size), scales);
    }
  }
  return absl::OkStatus();
}

// FAILED_PRECONDITION unless the range is finite; `operand` says whose it is.
absl::StatusOr<ActivationScale> ActivationScaleOf(const Format& format, const ActivationRange& calibrated,
                                                  const std::string& operand) {
  const ValueRange range = {static_cast<float>(calibrated.low), static_cast<float>(calibrated.high)};
  if (!std::isfinite(range.low) || !std::isfinite(range.high) || range.low > 0 || range.high < 0)
    return absl::FailedPreconditionError(absl::StrCat("the calibrated ", operand, " is not a finite number"));
  ActivationScale result;
  result.max_abs = std::max(-range.low, range.high);
  if (IsBlockScaled(format)) {
    result.global = GlobalScaleFor(format, range.high).decode;
    return result;
  }
  const OperandScale scale = ScaleForRange(format, range);
  result.scale = scale.scale;
  result.zero_point = scale.zero_point;
  result.min = (MinFinite(format.element) - scale.zero_point) * scale.scale;
  result.max = (MaxFinite(format.element) - scale.zero_point) * scale.scale;
  return result;
}

absl::Status FindScalesOfWeight(const search::Plan& plan, const Layer& layer, const Format& format,
                                const WeightFile& weights, LayerScales& scales) {
  const auto tensor = weights.tensors.find(absl::StrCat(layer.name, ".weight"));
  if (tensor == weights.tensors.end())
    return absl::DataLossError(absl::StrCat("the weights have no tensor ", layer.name, ".weight"));
  const std::vector<int64_t>& shape = tensor->second.shape;
  if (shape.size() < 2 || shape.front() != layer.output_channels || shape[1] < 1 ||
      static_cast<int64_t>(tensor->second.values.size()) != layer.weights || layer.reduction % shape[1] != 0)
    return absl::DataLossError(
        absl::StrCat("the tensor ", layer.name, ".weight does not have the layer's shape"));
  scales.weight_shape = shape;
  return FindWeightScales(plan, layer, format, tensor->second, weights, scales);
}

}  // namespace

absl::StatusOr<std::vector<LayerScales>> ComputeScales(const search::Plan& plan,
                                                       const search::Candidate& candidate,
                                                       const WeightFile& weights) {
  PRECIS_CHECK(candidate.assignment.layers.size() == plan.layers.size());
  const std::vector<ActivationOperand> operands = plan.graph.ActivationOperands();
  if (candidate.activation_ranges.size() != operands.size())
    return absl::FailedPreconditionError("the candidate's input ranges have not been calibrated");
  std::vector<LayerScales> all(plan.layers.size());
  for (size_t i = 0; i < operands.size(); ++i) {
    const ActivationOperand& operand = operands[i];
    const Layer& layer = plan.layers[operand.layer];
    const LayerFormats& formats = candidate.assignment.layers[operand.layer];
    const absl::StatusOr<ActivationScale> scale = ActivationScaleOf(
        operand.is_second ? formats.weight : formats.activation, candidate.activation_ranges[i],
        absl::StrCat(operand.is_second ? "second operand's" : "input", " range of layer ", layer.name));
    if (!scale.ok()) return scale.status();
    if (operand.is_second) {
      all[operand.layer].second = *scale;
    } else {
      all[operand.layer].activation = *scale;
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (!plan.layers[i].HasWeight()) continue;
    absl::Status found =
        FindScalesOfWeight(plan, plan.layers[i], candidate.assignment.layers[i].weight, weights, all[i]);
    if (!found.ok()) return found;
  }
  return all;
}

}  // namespace precis::server
