// Packed tensors unpack to what quantisation computes, in the stated layout and size.
#include "supernet/formats/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace precis {
namespace {

using ::testing::ElementsAre;

Format F(const std::string& name) { return ParseFormat(name).value(); }

bool SameBits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

void ExpectRoundTrip(const Format& format, const std::vector<float>& x, size_t rows) {
  const TensorOptions options = {.seed = 11, .scale = {}};
  const size_t row_size = x.size() / rows;
  const QuantizedTensor q = QuantizeTensor(format, options, x.data(), rows, row_size);
  const PackedTensor packed = PackTensor(format, options, x.data(), rows, row_size);
  const absl::StatusOr<std::vector<float>> back = UnpackTensor(format, packed);
  ASSERT_TRUE(back.ok()) << back.status();
  for (size_t i = 0; i < rows * row_size; ++i) {
    ASSERT_TRUE(SameBits((*back)[i], q.values[i])) << FormatName(format) << " at " << i << ": " << x[i]
                                                   << " gives " << (*back)[i] << ", not " << q.values[i];
  }
  const size_t stored_bits = 8 * (packed.codes.size() + packed.scales.size()) +
                             packed.zero_points.size() * static_cast<size_t>(format.element.bits) +
                             (format.scale.global ? 32 : 0);
  const auto promised =
      static_cast<size_t>(StorageBits(format, static_cast<int64_t>(rows), static_cast<int64_t>(row_size)));
  EXPECT_GE(stored_bits, promised) << FormatName(format);
  EXPECT_LT(stored_bits, promised + 8 * rows) << "more than the padding of rows: " << FormatName(format);
}

TEST(Packing, UnpacksToWhatQuantisationComputes) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> x(3 * 77);
  for (size_t i = 0; i < x.size(); ++i) x[i] = normal(random) * (i % 50 == 0 ? 40.0f : 1.0f);
  for (const Format& format : CatalogueFormats()) ExpectRoundTrip(format, x, 3);
  for (const char* name :
       {"mxfp4:ceil+hadamard", "nvfp4+sr8", "int4+hadamard32+sr4", "int4@fp32:16", "e3m0@e8m0:5",
        "e2m1@ue5m3:16", "e2m1@ue5m3x:16:global", "int8@fp32:tensor", "dfp16:shift2"}) {
    ExpectRoundTrip(F(name), x, 3);
  }
}

TEST(Packing, KeepsBlocksThatAreNanZeroOrTiny) {
  std::vector<float> x(96, 1.0f);
  x[3] = NAN;
  for (size_t i = 32; i < 64; ++i) x[i] = 0;
  x[70] = HUGE_VALF;
  for (const char* name :
       {"mxfp4", "mxint8", "nvfp4", "e2m1@ue5m3:16", "e2m1@ue5m3x:16:global", "int4@fp32:16"}) {
    ExpectRoundTrip(F(name), x, 1);
  }
  for (float& value : x) value = 0x1.8p-130f;
  ExpectRoundTrip(F("mxfp4"), x, 2);
}

TEST(Packing, PutsFirstElementsInLowBits) {
  const float x[] = {1, -2, 3};
  const TensorOptions unit = {.seed = 0, .scale = 1.0f};
  EXPECT_THAT(PackTensor(F("int4"), unit, x, 1, 3).codes, ElementsAre(0xE1, 0x03));
  EXPECT_THAT(PackTensor(F("e2m1"), unit, x, 1, 3).codes, ElementsAre(0xC2, 0x05));
  EXPECT_THAT(PackTensor(F("int6"), unit, x, 1, 3).codes, ElementsAre(0x81, 0x3F, 0x00));
  EXPECT_THAT(PackTensor(F("int4"), unit, x, 3, 1).codes, ElementsAre(0x01, 0x0E, 0x03));
  EXPECT_THAT(PackTensor(F("bf16"), {}, x, 1, 2).codes, ElementsAre(0x80, 0x3F, 0x00, 0xC0));
  EXPECT_THAT(PackTensor(F("int4"), unit, x, 1, 3).scales, ElementsAre(0, 0, 0x80, 0x3F));
  EXPECT_THAT(PackTensor(F("mxfp4"), {}, x, 1, 3).scales, ElementsAre(126));
}

TEST(Packing, RefusesSizesThatDoNotFit) {
  const float x[] = {1, -2, 3};
  PackedTensor packed = PackTensor(F("mxfp4"), {}, x, 1, 3);
  packed.codes.pop_back();
  EXPECT_EQ(UnpackTensor(F("mxfp4"), packed).status().code(), absl::StatusCode::kInvalidArgument);
  packed = PackTensor(F("mxfp4"), {}, x, 1, 3);
  packed.scales.push_back(0);
  EXPECT_FALSE(UnpackTensor(F("mxfp4"), packed).ok());
  packed = PackTensor(F("uint8_affine"), {}, x, 1, 3);
  packed.zero_points.clear();
  EXPECT_FALSE(UnpackTensor(F("uint8_affine"), packed).ok());
  EXPECT_TRUE(UnpackTensor(F("mxfp4"), PackTensor(F("mxfp4"), {}, x, 0, 3)).ok());
}

}  // namespace
}  // namespace precis
