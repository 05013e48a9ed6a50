// A whole tensor through a whole format: rotation, scales, rounding, and back.
//
// Threading: pure functions; they use the calling thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "supernet/formats/format.h"

namespace precis {

struct TensorOptions {
  uint64_t seed = 0;           // of stochastic rounding and of the rotation's signs
  std::optional<float> scale;  // of a format with one scale an operand or tensor, > 0 and finite; found if
                               // not given: from the largest finite magnitude, or the range where there is a
                               // zero point
};

struct QuantizedTensor {
  std::vector<float> values;     // dequantised, rotated back
  std::vector<float> scales;     // decode factors: one a row, block (row by row) or tensor; none if unscaled
  std::vector<int> zero_points;  // one a scale, of formats that have them
  float global_scale = 1;        // of formats with a global scale: what their block scales are in units of
};

// rows · row_size values, row after row; the reduction axis runs along a row. A scale an operand means one a
// row. NaN stays NaN; infinities saturate, but take their block with them where a block has a scale.
QuantizedTensor QuantizeTensor(const Format& format, const TensorOptions& options, const float* in,
                               size_t rows, size_t row_size);

}  // namespace precis
