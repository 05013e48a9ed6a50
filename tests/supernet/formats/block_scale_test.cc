// Scales and blocks by hand-computed tables; signal-to-noise of normal values against published figures.
#include "supernet/formats/block_scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <string>
#include <vector>

#include "supernet/formats/scalar.h"

namespace precis {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

Format F(const std::string& name) { return ParseFormat(name).value(); }

int PowerOf(const std::string& name, float max_abs) {
  const BlockScale scale = BlockScaleFor(F(name), max_abs);
  EXPECT_EQ(scale.decode, std::ldexp(1.0f, static_cast<int>(scale.code) - 127));
  EXPECT_EQ(scale.encode, std::ldexp(1.0f, 127 - static_cast<int>(scale.code)));
  return static_cast<int>(scale.code) - 127;
}

TEST(PowerScale, FollowsTheThreeRules) {
  struct Row {
    const char* format;  // without rule
    float max_abs;
    int floor, ceil, even;
  };
  for (const Row& row : {Row{"mxfp4", 6, 0, 0, 0},        // 6 is 1.5 binades: all rules keep it
                         Row{"mxfp4", 6.0001f, 0, 1, 0},  // past 6, still nearer to 6 than to 8
                         Row{"mxfp4", 7, 0, 1, 1},        // halfway to 8
                         Row{"mxfp4", 6.9999995f, 0, 1, 0},
                         Row{"mxfp4", 7.5f, 0, 1, 1},
                         Row{"mxfp4", 8, 1, 1, 1},
                         Row{"mxfp4", 4, 0, 0, 0},
                         Row{"mxfp4", 3.9999998f, -1, 0, 0},
                         Row{"mxfp8", 448, 0, 0, 0},
                         Row{"mxfp8", 449, 0, 1, 0},
                         Row{"mxfp8", 480, 0, 1, 0},
                         Row{"mxfp8", 496, 0, 1, 1},
                         Row{"mxfp8_e5m2", 57344, 0, 0, 0},
                         Row{"mxfp8_e5m2", 57345, 0, 1, 0},
                         Row{"mxfp8_e5m2", 61440, 0, 1, 1},
                         Row{"mxfp6", 7.5f, 0, 0, 0},
                         Row{"mxfp6", 7.75f, 0, 1, 1},
                         Row{"mxfp6_e3m2", 28, 0, 0, 0},
                         Row{"mxfp6_e3m2", 29, 0, 1, 0},
                         Row{"mxint8", 127, 0, 0, 0},  // Q itself
                         Row{"mxint8", 127.4f, 0, 1, 0},
                         Row{"mxint8", 127.5f, 0, 1, 1},
                         Row{"mxint4", 7, 0, 0, 0},
                         Row{"mxint4", 7.5f, 0, 1, 1},
                         Row{"int2@e8m0:32", 1, 0, 0, 0},
                         Row{"int2@e8m0:32", 1.5f, 0, 1, 1},
                         Row{"dfp16", 5.4f, 2 - 14, 2 - 14, 2 - 14}}) {
    const std::string name = row.format;
    EXPECT_EQ(PowerOf(name, row.max_abs), row.floor) << name << " " << row.max_abs;
    EXPECT_EQ(PowerOf(name + ":ceil", row.max_abs), row.ceil) << name << " " << row.max_abs;
    EXPECT_EQ(PowerOf(name + ":even", row.max_abs), row.even) << name << " " << row.max_abs;
  }
}

TEST(PowerScale, IsRightNextToEveryPowerOfTwo) {
  // Where floor(log2f(x)) is not: just below 2^k for k >= 5.
  for (int k = -140; k <= 127; ++k) {
    const float power = std::ldexp(1.0f, k);
    const int expected = std::max(-127, k - 2);
    EXPECT_EQ(PowerOf("mxfp4", power), expected) << k;
    EXPECT_EQ(PowerOf("mxfp4", std::nextafter(power, 0.0f)), std::max(-127, k - 3)) << k;
    EXPECT_EQ(PowerOf("mxfp4", std::nextafter(power, HUGE_VALF)), expected) << k;
  }
}

TEST(PowerScale, StaysWithinItsCodes) {
  EXPECT_EQ(PowerOf("mxfp4", 0), -127);
  EXPECT_EQ(PowerOf("mxfp4", FLT_TRUE_MIN), -127);
  EXPECT_EQ(PowerOf("mxfp8", FLT_MAX), 119);
  EXPECT_EQ(PowerOf("mxfp8:ceil", FLT_MAX), 120);
  EXPECT_EQ(PowerOf("int2@e8m0:32:ceil", 0x1p-127f), -127);
  EXPECT_EQ(PowerOf("int2@e8m0:32:ceil", 0x1.8p-127f), -126);
  EXPECT_EQ(BlockScaleFor(F("mxfp4"), 0).decode, 0x1p-127f);
}

TEST(PowerScale, HeadroomLeavesTopBitsFree) {
  EXPECT_EQ(PowerOf("dfp16", 1.0f), -14);
  EXPECT_EQ(PowerOf("dfp16:shift1", 1.0f), -13);
  EXPECT_EQ(PowerOf("dfp16:shift3", 1.0f), -11);
}

TEST(BlockScale, NanAndInfinityGiveTheNanCode) {
  for (const float bad : {HUGE_VALF, NAN}) {
    EXPECT_EQ(BlockScaleFor(F("mxfp4"), bad).code, 255u);
    EXPECT_EQ(BlockScaleFor(F("nvfp4"), bad).code, 127u);
    EXPECT_EQ(BlockScaleFor(F("e2m1@ue5m3:16"), bad).code, 255u);
    for (const char* name : {"mxfp4", "nvfp4", "e2m1@ue5m3:16", "e2m1@ue5m3x:16", "int4@fp32:16"}) {
      const BlockScale scale = BlockScaleFor(F(name), bad);
      EXPECT_TRUE(std::isnan(scale.decode)) << name;
      EXPECT_TRUE(std::isnan(BlockScaleOfCode(F(name), scale.code).decode)) << name;
    }
  }
}

TEST(BlockScale, EveryCodeDecodesToItselfAndAscends) {
  for (const char* name : {"mxfp4", "nvfp4", "e2m1@ue5m3:16", "e2m1@ue5m3x:16"}) {
    const Format format = F(name);
    float last = 0;
    for (uint32_t code = format.scale.type == ScaleType::kE8M0 ? 0 : 1; code < 256; ++code) {
      if (format.scale.type == ScaleType::kE4M3 && code > 127) break;
      const float value = BlockScaleOfCode(format, code).decode;
      if (!std::isfinite(value)) continue;
      EXPECT_GT(value, last) << name << " " << code;
      last = value;
    }
    const float end = format.scale.type == ScaleType::kE8M0   ? 0x1p127f
                      : format.scale.type == ScaleType::kE4M3 ? 448.0f
                      : format.scale.tall                     ? 114688.0f
                                                              : 61440.0f;
    EXPECT_EQ(last, end) << name;
  }
  EXPECT_EQ(BlockScaleOfCode(F("e2m1@ue5m3:16"), 1).decode, 0x1p-17f);
  EXPECT_EQ(BlockScaleOfCode(F("e2m1@ue5m3:16"), 8).decode, 0x1p-14f);
}

TEST(GlobalScale, FillsTheScaleFormat) {
  const GlobalScale global = GlobalScaleFor(F("nvfp4"), 3.0f);
  EXPECT_EQ(global.encode, 6.0f * 448 / 3);
  EXPECT_EQ(global.decode, 1 / global.encode);
  EXPECT_EQ(GlobalScaleFor(F("nvint4"), 3.0f).encode, 7.0f * 448 / 3);
  EXPECT_EQ(GlobalScaleFor(F("e2m1@ue5m3:16:global"), 3.0f).encode, 6.0f * 61440 / 3);
  EXPECT_EQ(GlobalScaleFor(F("e2m1@e4m3:16"), 3.0f).encode, 1);
  EXPECT_EQ(GlobalScaleFor(F("nvfp4"), 0.0f).encode, 1);
  for (const float extreme : {FLT_TRUE_MIN, FLT_MIN, FLT_MAX}) {
    for (const char* name : {"nvfp4", "nvint4", "e2m1@ue5m3:16:global", "e2m1@ue5m3x:16:global"}) {
      const GlobalScale scale = GlobalScaleFor(F(name), extreme);
      const BlockScale largest = BlockScaleFor(F(name), extreme, scale);
      const BlockScale smallest = BlockScaleFor(F(name), 0, scale);
      for (const float x :
           {scale.encode, scale.decode, largest.decode, largest.encode, smallest.decode, smallest.encode}) {
        EXPECT_TRUE(std::isfinite(x) && x > 0) << name << " " << extreme;
      }
    }
  }
}

std::vector<float> Quantized(const Format& format, std::vector<float> values,
                             const GlobalScale& global = {}) {
  QuantizeBlocksByReference(format, global, {}, values.data(), values.data(), values.size());
  return values;
}

TEST(Blocks, Mxfp4ByHand) {
  Format format = F("e2m1@e8m0:4");
  // 7 has exponent 2, so the scale is 1 and 7 saturates at 6; the second block has the scale 1/4.
  EXPECT_THAT(Quantized(format, {7, -2.5f, 0.25f, -0.2f, 1.2f, 0.3f, 0, 0.06f}),
              ElementsAre(6, -2, 0, -0.0f, 1, 0.25f, 0, 0));
  format.scale.rule = PowerRule::kCeil;  // scale 2
  EXPECT_THAT(Quantized(format, {7, -2.5f, 0.25f, -0.2f}), ElementsAre(8, -2, 0, -0.0f));
}

TEST(Blocks, Mxint8ByHand) {
  // 1.999 has exponent 0: scale 2^-6, and 127 is where the symmetric grid ends.
  const std::vector<float> result = Quantized(F("mxint8"), {-1.999f, 1.0f, 0.0079f, 0.0078f});
  EXPECT_THAT(result, ElementsAre(-1.984375f, 1, 0.015625f, 0));
  EXPECT_EQ(Quantized(F("int8_full@e8m0:32"), {-1.999f})[0], -2.0f);
}

TEST(Blocks, Nvfp4ByHand) {
  // max 6: encode 448. A block of max 3: 3/6 · 448 = 224, an E4M3 number. A block of max 0.7: 52.27 → 52.
  const Format format = F("e2m1@e4m3:2:global");
  const GlobalScale global = GlobalScaleFor(format, 6.0f);
  std::vector<float> values = {6, 1, 3, 0.3f, 0.7f, 0.1f};
  BlockScale scales[3];
  QuantizeBlocksByReference(format, global, {}, values.data(), values.data(), values.size(), scales);
  EXPECT_EQ(scales[0].code, 0x7Eu);
  EXPECT_EQ(scales[1].decode, 224 * global.decode);
  EXPECT_EQ(scales[2].decode, 52 * global.decode);
  EXPECT_EQ(values[0], 6 * (448 * global.decode));
  EXPECT_EQ(values[2], 6 * (224 * global.decode));
  EXPECT_EQ(values[3], 0.5f * (224 * global.decode));
  EXPECT_EQ(values[4], 6 * (52 * global.decode));
  EXPECT_EQ(values[5], 1 * (52 * global.decode));
}

TEST(Blocks, ATinyBlockKeepsTheSmallestScale) {
  const Format format = F("e2m1@e4m3:2:global");
  const GlobalScale global = GlobalScaleFor(format, 448.0f);
  BlockScale scale;
  float values[] = {1e-6f, 0};
  QuantizeBlocksByReference(format, global, {}, values, values, 2, &scale);
  EXPECT_EQ(scale.code, 1u);
  EXPECT_EQ(values[0], 0);
}

TEST(Blocks, ZerosSubnormalsAndAShortLastBlock) {
  EXPECT_THAT(Quantized(F("mxfp4"), std::vector<float>(32, 0.0f)), ElementsAreArray(std::vector<float>(32)));
  EXPECT_TRUE(std::signbit(Quantized(F("mxfp4"), {-0.0f})[0]));
  // The scale ends at 2^-127, so a block of subnormals has that grid: halves of it for E2M1.
  EXPECT_THAT(Quantized(F("mxfp4"), {0x1p-127f, 0x1p-128f, 0x1p-130f}),
              ElementsAre(0x1p-127f, 0x1p-128f, 0.0f));
  std::vector<float> values(33, 1.0f);
  values[32] = 100.0f;
  EXPECT_EQ(Quantized(F("mxfp4"), values)[0], 1.0f) << "the short block has its own scale";
  EXPECT_EQ(Quantized(F("mxfp4"), values)[32], 96.0f);
  EXPECT_TRUE(Quantized(F("mxfp4"), {}).empty());
}

TEST(Blocks, NanOrInfinityTakesItsBlockAndNoOther) {
  for (const char* name : {"e2m1@e8m0:2", "e2m1@e4m3:2", "int4@fp32:2", "int4@ue5m3:2"}) {
    for (const float bad : {NAN, HUGE_VALF, -HUGE_VALF}) {
      const std::vector<float> result = Quantized(F(name), {1, bad, 1, 1});
      EXPECT_TRUE(std::isnan(result[0]) && std::isnan(result[1])) << name;
      EXPECT_TRUE(std::isfinite(result[2]) && std::isfinite(result[3])) << name;
    }
  }
}

TEST(Stochastic, GoesUpWithTheProbabilityOfTheDistance) {
  for (const char* name : {"e2m1", "int4", "e4m3", "e3m0", "fp16"}) {
    const ElementFormat element = F(name).element;
    for (const int bits : {1, 2, 8, 16}) {
      const uint32_t words = 1u << bits;
      for (const double distance : {0.0, 0.25, 0.5, 0.9}) {
        const double below = 2, above = Quantize(element, 2 + SmallestStep(element)) > 2
                                            ? 2 + SmallestStep(element)
                                            : 2 * (1 + std::ldexp(1.0, -element.mantissa_bits));
        const double x = below + distance * (above - below);
        uint32_t ups = 0;
        for (uint32_t r = 0; r < words; ++r) {
          const double result = QuantizeStochastic(element, x, bits, r << (32 - bits));
          ASSERT_TRUE(result == below || result == above) << name << " " << x << " " << result;
          if (result == above) ++ups;
        }
        EXPECT_LE(std::fabs(ups - distance * words), 0.5 + 1e-9) << name << " " << bits << " " << distance;
        EXPECT_EQ(QuantizeStochastic(element, -x, bits, 0), -QuantizeStochastic(element, x, bits, 0));
      }
    }
  }
}

TEST(Stochastic, SaturatesAndKeepsGridValues) {
  const ElementFormat element = F("e2m1").element;
  for (const uint32_t random : {0u, 0x80000000u, 0xFFFFFFFFu}) {
    for (const double x : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0}) {
      EXPECT_EQ(QuantizeStochastic(element, x, 16, random), x);
    }
    EXPECT_EQ(QuantizeStochastic(element, 7, 16, random), 6);
    EXPECT_EQ(QuantizeStochastic(element, -HUGE_VAL, 16, random), -6);
    EXPECT_TRUE(std::isnan(QuantizeStochastic(element, NAN, 16, random)));
    EXPECT_EQ(QuantizeStochastic(F("uint4").element, -3, 16, random), 0);
  }
}

TEST(Affine, CoversTheRangeAndKeepsZero) {
  const ElementFormat element = F("uint8_affine").element;
  const AffineScale affine = AffineScaleForRange(element, -1, 3);
  EXPECT_EQ(affine.scale, static_cast<float>(4.0 / 255));
  EXPECT_EQ(affine.zero_point, 64);
  EXPECT_EQ(QuantizeAffine(element, 0, affine.scale, affine.zero_point), 0);
  EXPECT_EQ(QuantizeAffine(element, 100, affine.scale, affine.zero_point), (255 - 64) * affine.scale);
  EXPECT_EQ(QuantizeAffine(element, -100, affine.scale, affine.zero_point), -64 * affine.scale);
  EXPECT_EQ(AffineScaleForRange(element, 2, 3).zero_point, 0) << "zero is always in the range";
  EXPECT_EQ(AffineScaleForRange(F("int8_affine").element, 0, 3).zero_point, -128);
  EXPECT_EQ(AffineScaleForRange(element, 0, 0).scale, 1);
  EXPECT_TRUE(std::isnan(QuantizeAffine(element, NAN, 1, 0)));
}

}  // namespace
}  // namespace precis
