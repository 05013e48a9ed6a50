// Codes found from the values that the kernels computed, so that storage cannot disagree with them.
#include "supernet/formats/packing.h"

#include <bit>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "supernet/formats/block_scale.h"
#include "supernet/formats/check.h"
#include "supernet/formats/hadamard.h"
#include "supernet/formats/scalar.h"

namespace precis {
namespace {

void PutCode(std::vector<uint8_t>& bytes, size_t row_begin, size_t bit, int width, uint32_t code) {
  for (int b = 0; b < width; ++b, ++bit) {
    if ((code >> b) & 1) bytes[row_begin + bit / 8] |= static_cast<uint8_t>(1u << (bit % 8));
  }
}

uint32_t GetCode(const std::vector<uint8_t>& bytes, size_t row_begin, size_t bit, int width) {
  uint32_t code = 0;
  for (int b = 0; b < width; ++b, ++bit) {
    code |= static_cast<uint32_t>((bytes[row_begin + bit / 8] >> (bit % 8)) & 1) << b;
  }
  return code;
}

bool IsHeldAsFloat32(const ElementFormat& element) { return ElementBits(element) == 32; }

uint32_t CodeOf(const ElementFormat& element, float value) {
  return IsHeldAsFloat32(element) ? std::bit_cast<uint32_t>(value) : Encode(element, value);
}

float ValueOf(const ElementFormat& element, uint32_t code) {
  return IsHeldAsFloat32(element) ? std::bit_cast<float>(code) : static_cast<float>(Decode(element, code));
}

// Which scale serves element `i` of row `row`.
size_t ScaleIndex(const Format& format, size_t row, size_t i, size_t row_size) {
  switch (format.scale.extent) {
    case ScaleExtent::kOperand:
      return row;
    case ScaleExtent::kTensor:
      return 0;
    case ScaleExtent::kBlock: {
      const auto block = static_cast<size_t>(format.scale.block);
      return row * ((row_size + block - 1) / block) + i / block;
    }
  }
  PRECIS_CHECK(false);
}

bool HasByteScales(const Format& format) {
  return IsScaled(format) && format.scale.type != ScaleType::kFloat32;
}

void PutScale(const Format& format, float decode, float global_scale, std::vector<uint8_t>& bytes) {
  if (!HasByteScales(format)) {
    const auto bits = std::bit_cast<uint32_t>(decode);
    for (int byte = 0; byte < 4; ++byte) bytes.push_back(static_cast<uint8_t>(bits >> (8 * byte)));
    return;
  }
  for (uint32_t code = 0; code < 256; ++code) {
    const float value = BlockScaleOfCode(format, code, {1, global_scale}).decode;
    if (value == decode || (std::isnan(value) && std::isnan(decode) && code >= 127)) {
      bytes.push_back(
          static_cast<uint8_t>(format.scale.type != ScaleType::kE4M3 && std::isnan(value) ? 255 : code));
      return;
    }
  }
  PRECIS_CHECK(false);
}

float GetScale(const Format& format, const PackedTensor& packed, size_t index) {
  if (HasByteScales(format)) {
    return BlockScaleOfCode(format, packed.scales[index], {1, packed.global_scale}).decode;
  }
  uint32_t bits = 0;
  for (size_t byte = 0; byte < 4; ++byte)
    bits |= static_cast<uint32_t>(packed.scales[4 * index + byte]) << (8 * byte);
  return std::bit_cast<float>(bits);
}

size_t ScaleCount(const Format& format, size_t rows, size_t row_size) {
  if (!IsScaled(format) || rows == 0) return 0;
  if (format.scale.extent == ScaleExtent::kBlock && row_size == 0) return 0;
  return ScaleIndex(format, rows - 1, row_size == 0 ? 0 : row_size - 1, row_size) + 1;
}

}  // namespace

size_t PackedRowBytes(const Format& format, size_t row_size) {
  return (row_size * static_cast<size_t>(ElementBits(format.element)) + 7) / 8;
}

PackedTensor PackQuantized(const Format& format, const QuantizedTensor& quantized, size_t rows,
                           size_t row_size) {
  PackedTensor packed;
  packed.zero_points.assign(quantized.zero_points.begin(), quantized.zero_points.end());
  packed.global_scale = quantized.global_scale;
  packed.rows = rows;
  packed.row_size = row_size;
  for (const float decode : quantized.scales) PutScale(format, decode, packed.global_scale, packed.scales);
  const size_t row_bytes = PackedRowBytes(format, row_size);
  const int width = ElementBits(format.element);
  packed.codes.assign(rows * row_bytes, 0);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < row_size; ++i) {
      const size_t scale = ScaleIndex(format, row, i, row_size);
      const float decode = IsScaled(format) ? quantized.scales[scale] : 1.0f;
      // value = element · decode to the nearest FP32, and elements are far coarser: the quotient's nearest is
      // it.
      float value = quantized.values[row * row_size + i] / decode;
      if (std::isnan(decode)) value = 0;
      if (format.scale.zero_point) value += static_cast<float>(packed.zero_points[scale]);
      PutCode(packed.codes, row * row_bytes, i * static_cast<size_t>(width), width,
              CodeOf(format.element, value));
    }
  }
  return packed;
}

PackedTensor PackTensor(const Format& format, const TensorOptions& options, const float* in, size_t rows,
                        size_t row_size) {
  // What is stored is the rotated tensor: it is rotated here, and quantised without.
  Format stored = format;
  stored.hadamard = 0;
  std::vector<float> rotated(in, in + rows * row_size);
  if (format.hadamard != 0) {
    HadamardRotate(format.hadamard, options.seed, rotated.data(), rotated.data(), rotated.size(), row_size);
  }
  PackedTensor packed =
      PackQuantized(format, QuantizeTensor(stored, options, rotated.data(), rows, row_size), rows, row_size);
  packed.seed = options.seed;
  return packed;
}

absl::StatusOr<std::vector<float>> UnpackTensor(const Format& format, const PackedTensor& packed) {
  const size_t row_bytes = PackedRowBytes(format, packed.row_size);
  const size_t scales = ScaleCount(format, packed.rows, packed.row_size);
  if (packed.codes.size() != packed.rows * row_bytes ||
      packed.scales.size() != scales * (HasByteScales(format) ? 1 : 4) ||
      packed.zero_points.size() != (format.scale.zero_point ? scales : 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat(packed.rows, " rows of ", packed.row_size, " ", FormatName(format), " take ",
                     packed.rows * row_bytes, " bytes of codes and ", scales, " scales: not what is here."));
  }
  const int width = ElementBits(format.element);
  std::vector<float> values(packed.rows * packed.row_size);
  for (size_t row = 0; row < packed.rows; ++row) {
    for (size_t i = 0; i < packed.row_size; ++i) {
      const size_t scale = ScaleIndex(format, row, i, packed.row_size);
      const uint32_t code = GetCode(packed.codes, row * row_bytes, i * static_cast<size_t>(width), width);
      float value = ValueOf(format.element, code);
      if (format.scale.zero_point) value -= static_cast<float>(packed.zero_points[scale]);
      values[row * packed.row_size + i] = IsScaled(format) ? value * GetScale(format, packed, scale) : value;
    }
  }
  if (format.hadamard != 0) {
    HadamardRotateBack(format.hadamard, packed.seed, values.data(), values.data(), values.size(),
                       packed.row_size);
  }
  return values;
}

}  // namespace precis
