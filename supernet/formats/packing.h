// The exact storage of quantised tensors: codes of the element's own width, bit after bit, and scales beside
// them.
//
// Codes     element i takes bits [i·w, (i+1)·w) of its row, w = ElementBits; bit b of the row is bit b % 8 of
//           byte b / 8, low bits first. So two 4-bit codes share a byte, the first in its low half, and four
//           6-bit codes three bytes (ONNX's order for INT4 and FLOAT4E2M1; CUDA's for packed FP6). Codes of 8
//           and 16 bits are little-endian arrays. Each row begins at a byte; its last byte is padded with
//           zeros. Integers are two's complement, floats sign-exponent-mantissa, tf32 an FP32 whose low 13
//           bits are 0.
// Scales    one after the other in row order: a byte each (E8M0, E4M3 and UE5M3 codes), or four bytes of
// FP32,
//           little-endian. OCP MX 1.0 leaves their place open; a separate array is what ONNX and CUDA take.
//
// What is stored is what QuantizeTensor computes, before the rotation back: for every finite input and every
// NaN that the format has a code or a scale for, Unpack(Pack(x)) has the bits of QuantizeTensor(x). Where it
// has none (NaN in int4, say), NaN is stored as 0.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/formats/format.h"
#include "supernet/formats/tensor_quantizer.h"

namespace precis {

struct PackedTensor {
  std::vector<uint8_t> codes;
  std::vector<uint8_t> scales;
  std::vector<int32_t> zero_points;  // one a scale, of formats that have them
  float global_scale = 1;            // as QuantizedTensor's
  uint64_t seed = 0;                 // of the rotation, which unpacking undoes
  size_t rows = 0;
  size_t row_size = 0;
};

// Bytes of one row of codes.
size_t PackedRowBytes(const Format& format, size_t row_size);

// A tensor that is quantised already: `quantized` as QuantizeTensor gives it, but not rotated back.
PackedTensor PackQuantized(const Format& format, const QuantizedTensor& quantized, size_t rows,
                           size_t row_size);

PackedTensor PackTensor(const Format& format, const TensorOptions& options, const float* in, size_t rows,
                        size_t row_size);

// The values, rotated back. INVALID_ARGUMENT if the sizes do not fit each other.
absl::StatusOr<std::vector<float>> UnpackTensor(const Format& format, const PackedTensor& packed);

}  // namespace precis
