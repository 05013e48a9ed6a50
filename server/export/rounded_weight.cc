// By the scalar reference.
#include "server/export/rounded_weight.h"

#include <algorithm>
#include <cmath>

#include "supernet/formats/hadamard.h"
#include "supernet/formats/scalar.h"

namespace precis::server {
namespace {

constexpr uint64_t kRotationSeed = 0;  // as FakeQuantize rotates

RoundedElement RoundElement(const Format& format, const LayerScales& scales, size_t row_size, size_t i,
                            float x) {
  if (!IsScaled(format)) return {.value = Quantize(format.element, x)};
  size_t index = scales.weight.size() == 1 ? 0 : i / row_size;
  if (IsBlockScaled(format)) {
    const auto block = static_cast<size_t>(format.scale.block);
    const size_t blocks = (row_size + block - 1) / block;
    index = i / row_size * blocks + i % row_size / block;
    const float decode = scales.weight[index];
    const float scaled = format.scale.type == ScaleType::kFloat32 ? x / decode : x * (1 / decode);
    return {Quantize(format.element, scaled), decode};
  }
  const float scale = scales.weight[index];
  if (!format.scale.zero_point) return {Quantize(format.element, x / scale), scale};
  const int zero_point = scales.weight_zero_points[index];
  const double code = std::clamp(std::nearbyint(static_cast<double>(x / scale)) + zero_point,
                                 MinFinite(format.element), MaxFinite(format.element));
  return {code, scale, zero_point};
}

}  // namespace

WeightOrder::WeightOrder(const WeightTensor& tensor, bool channels_last)
    : outputs_(static_cast<size_t>(tensor.shape[0])),
      inputs_(static_cast<size_t>(tensor.shape[1])),
      positions_(tensor.values.size() / outputs_ / inputs_),
      channels_last_(channels_last) {}

WeightOrder::WeightOrder(const WeightTensor& tensor, const Format& format)
    : WeightOrder(tensor, IsBlockScaled(format) || format.hadamard != 0) {}

std::vector<float> ValuesInOrder(const WeightTensor& tensor, const WeightOrder& order, const Format& format) {
  std::vector<float> values(tensor.values.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = tensor.values[order[i]];
  if (format.hadamard != 0) {
    HadamardRotate(format.hadamard, kRotationSeed, values.data(), values.data(), values.size(),
                   static_cast<size_t>(tensor.shape[1]));
  }
  return values;
}

std::vector<RoundedElement> RoundWeight(const Format& format, const LayerScales& scales,
                                        const std::vector<float>& values, size_t row_size) {
  std::vector<RoundedElement> rounded(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    rounded[i] = RoundElement(format, scales, row_size, i, values[i]);
  return rounded;
}

}  // namespace precis::server
