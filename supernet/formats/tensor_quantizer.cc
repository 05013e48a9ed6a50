// The steps of a format in their order, each by its kernel.
#include "supernet/formats/tensor_quantizer.h"

#include <algorithm>
#include <cmath>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/check.h"
#include "supernet/formats/hadamard.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/scalar.h"

namespace precis {
namespace {

AffineScale FindAffineScale(const Format& format, const TensorOptions& options, const float* in,
                            size_t count) {
  float low = 0, high = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(in[i])) continue;
    low = std::min(low, in[i]);
    high = std::max(high, in[i]);
  }
  AffineScale affine = AffineScaleForRange(format.element, low, high);
  if (options.scale.has_value()) {
    affine.scale = *options.scale;
    const double wanted = std::nearbyint(MinFinite(format.element) - low / affine.scale);
    affine.zero_point =
        static_cast<int>(std::clamp(wanted, MinFinite(format.element), MaxFinite(format.element)));
  }
  return affine;
}

// One scale, or none, for `count` values in place.
void QuantizeOperand(const Format& format, const TensorOptions& options, uint64_t first_index, float* values,
                     size_t count, QuantizedTensor& result) {
  if (format.scale.zero_point) {
    const AffineScale affine = FindAffineScale(format, options, values, count);
    QuantizeAffineSpan(format.element, affine.scale, affine.zero_point, values, values, count);
    result.scales.push_back(affine.scale);
    result.zero_points.push_back(affine.zero_point);
    return;
  }
  float scale = 1;
  if (IsScaled(format)) {
    scale = options.scale.value_or(ScaleForMaxAbs(format, MaxAbsFinite(values, count)));
    result.scales.push_back(scale);
  }
  if (format.stochastic_bits == 0) {
    QuantizeSpan(format.element, scale, values, values, count);
  } else {
    QuantizeStochasticSpan(format.element, scale, format.stochastic_bits, {options.seed, first_index}, values,
                           values, count);
  }
}

void QuantizeBlockRows(const Format& format, const TensorOptions& options, size_t rows, size_t row_size,
                       QuantizedTensor& result) {
  std::vector<float>& values = result.values;
  const auto block = static_cast<size_t>(format.scale.block);
  const GlobalScale global = GlobalScaleFor(format, MaxAbsFinite(values.data(), values.size()));
  result.global_scale = global.decode;
  for (size_t row = 0; row < rows; ++row) {
    float* const begin = values.data() + row * row_size;
    for (size_t i = 0; i < row_size; i += block) {
      const float max_abs = MaxAbs(begin + i, std::min(block, row_size - i));
      result.scales.push_back(BlockScaleFor(format, max_abs, global).decode);
    }
    QuantizeBlocksSpan(format, global, {options.seed, row * row_size}, begin, begin, row_size);
  }
}

}  // namespace

QuantizedTensor QuantizeTensor(const Format& format, const TensorOptions& options, const float* in,
                               size_t rows, size_t row_size) {
  PRECIS_CHECK(CheckFormat(format).ok());
  PRECIS_CHECK(!(format.scale.zero_point && format.stochastic_bits != 0));
  QuantizedTensor result;
  result.values.assign(in, in + rows * row_size);
  float* const values = result.values.data();
  const auto rotate = [&](auto rotation) {
    if (format.hadamard != 0)
      rotation(format.hadamard, options.seed, values, values, rows * row_size, row_size);
  };
  rotate(HadamardRotate);
  if (IsBlockScaled(format)) {
    QuantizeBlockRows(format, options, rows, row_size, result);
  } else if (format.scale.extent == ScaleExtent::kTensor) {
    QuantizeOperand(format, options, 0, values, rows * row_size, result);
  } else {
    for (size_t row = 0; row < rows; ++row) {
      QuantizeOperand(format, options, row * row_size, values + row * row_size, row_size, result);
    }
  }
  rotate(HadamardRotateBack);
  return result;
}

}  // namespace precis
