// Every kernel set of this machine against the scalar reference, bit for bit.
#include "supernet/formats/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "supernet/formats/format.h"
#include "supernet/formats/scalar.h"

namespace precis {
namespace {

constexpr uint32_t kExhaustiveBits = 16;
constexpr int kRandomInputs = 1'000'000;

std::string Hex(float x) {
  char text[64];
  std::snprintf(text, sizeof(text), "%a (0x%08x)", static_cast<double>(x), std::bit_cast<uint32_t>(x));
  return text;
}

bool SameBits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// Runs every set on `inputs` and compares with the reference; reports the first difference of each.
void ExpectLikeReference(const ElementFormat& element, float scale, const std::vector<float>& inputs) {
  std::vector<float> expected(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) expected[i] = QuantizeScaled(element, inputs[i], scale);
  for (const KernelSet& set : SupportedKernelSets()) {
    std::vector<float> actual(inputs.size());
    set.quantize({.element = element, .random = {}}, scale, inputs.data(), actual.data(), inputs.size());
    const auto [want, got] = std::mismatch(expected.begin(), expected.end(), actual.begin(), SameBits);
    if (want == expected.end()) continue;
    const size_t at = static_cast<size_t>(want - expected.begin());
    ADD_FAILURE() << set.name << ": " << Hex(inputs[at]) << " at scale " << Hex(scale) << " gives "
                  << Hex(*got) << ", the reference says " << Hex(*want);
  }
}

void AddWithNeighbours(float x, std::vector<float>& inputs) {
  for (const float y : {x, std::nextafter(x, -HUGE_VALF), std::nextafter(x, HUGE_VALF)}) {
    inputs.push_back(y);
    inputs.push_back(-y);
  }
}

const float kAwkward[] = {
    0.0f,          FLT_TRUE_MIN, 2 * FLT_TRUE_MIN, 0x1.8p-140f, 0x1p-133f, 0x1.8p-134f,
    0x1.fffp-127f, FLT_MIN,      0x1.fffffep-127f, 1.0f,        0.5f,      0x1.fffffep-2f,
    8388607.5f,    8388608.0f,   16777217.0f,      FLT_MAX,     HUGE_VALF, NAN};

// Every value, every midpoint of neighbours, the float neighbours of both, past the ends, odd floats.
std::vector<float> DecisionPoints(const ElementFormat& element) {
  std::vector<double> values;
  if (element.bits <= static_cast<int>(kExhaustiveBits)) {
    for (uint32_t code = 0; code >> element.bits == 0; ++code) {
      const double value = Decode(element, code);
      if (std::isfinite(value) && value >= 0) values.push_back(value);
    }
    std::sort(values.begin(), values.end());
  }
  std::vector<float> inputs;
  for (size_t i = 0; i < values.size(); ++i) {
    AddWithNeighbours(static_cast<float>(values[i]), inputs);
    if (i > 0) AddWithNeighbours(static_cast<float>((values[i - 1] + values[i]) / 2), inputs);
  }
  const auto largest = static_cast<float>(MaxFinite(element));
  for (const float factor : {0.99f, 1.0f, 1.01f, 1.25f, 1.5f, 2.0f, 3.0f}) {
    AddWithNeighbours(largest * factor, inputs);
  }
  for (const float x : kAwkward) AddWithNeighbours(x, inputs);
  return inputs;
}

// Half of them any bit pattern, half within and around the element's range.
std::vector<float> RandomFloats(const ElementFormat& element, uint32_t seed, int count) {
  std::mt19937 random(seed);
  const int lowest = std::max(-149, std::ilogb(SmallestStep(element)) - 3);
  const int highest = std::min(127, std::ilogb(MaxFinite(element)) + 2);
  const auto span = static_cast<uint32_t>(highest - lowest + 1);
  std::vector<float> inputs(static_cast<size_t>(count));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto bits = static_cast<uint32_t>(random());
    inputs[i] = std::bit_cast<float>(bits);
    if (i % 2 == 0) {
      const float significand = std::bit_cast<float>((bits & 0x807FFFFF) | 0x3F800000);
      inputs[i] = std::ldexp(significand, lowest + static_cast<int>(random() % span));
    }
  }
  return inputs;
}

TEST(Quantize, EveryDecisionPointOfEveryFormatIsLikeTheReference) {
  for (const Format& format : AllFormats()) {
    SCOPED_TRACE(FormatName(format));
    const std::vector<float> points = DecisionPoints(format.element);
    ExpectLikeReference(format.element, 1.0f, points);
    for (const float scale : {0.25f, 0x1p-100f, 0x1p60f, 0.1f, 1.0f / 127, 3.0f, FLT_MIN, 1e30f}) {
      std::vector<float> scaled;
      // A stride bounds the time for 16-bit formats; it is odd, so that values and midpoints both appear.
      const size_t stride = points.size() > 20000 ? 37 : 1;
      for (size_t i = 0; i < points.size(); i += stride) scaled.push_back(points[i] * scale);
      for (const float x : kAwkward) AddWithNeighbours(x, scaled);
      ExpectLikeReference(format.element, scale, scaled);
    }
  }
}

// No name has another bias than 2^(X-1) - 1, but the fields may: an even one turns the parity of exponent
// codes round, which decides the ties of formats without mantissa.
TEST(Quantize, OtherBiasesAreLikeTheReference) {
  for (const int mantissa_bits : {0, 1, 3}) {
    for (const int bias : {-2, -1, 0, 2, 4, 8, 15}) {
      ElementFormat element = FloatElement(4, mantissa_bits, Specials::kNone);
      element.bias = bias;
      SCOPED_TRACE(bias);
      ExpectLikeReference(element, 1.0f, DecisionPoints(element));
      ExpectLikeReference(element, 0.3f, RandomFloats(element, 23, 20000));
    }
  }
}

class EveryFormat : public testing::TestWithParam<std::string> {};

TEST_P(EveryFormat, QuantizesRandomFloatsLikeTheReference) {
  const Format format = ParseFormat(GetParam()).value();
  ExpectLikeReference(format.element, 1.0f, RandomFloats(format.element, 21, kRandomInputs));
  const std::vector<float> few = RandomFloats(format.element, 22, kRandomInputs / 50);
  for (const float max_abs : {1e-30f, 0.37f, 5.0f, 1e4f, FLT_MAX}) {
    ExpectLikeReference(format.element, ScaleForMaxAbs({format.element, {}}, max_abs), few);
  }
}

std::vector<std::string> AllNames() {
  std::vector<std::string> names;
  for (const Format& format : AllFormats()) names.push_back(FormatName(format));
  return names;
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryFormat, testing::ValuesIn(AllNames()),
                         [](const auto& info) { return info.param; });

class EverySet : public testing::TestWithParam<size_t> {
 protected:
  const KernelSet set_ = SupportedKernelSets()[GetParam()];
};

constexpr float kGuard = 12345.0f;
constexpr size_t kMargin = 40;

TEST_P(EverySet, QuantizesAnyLengthFromAnyAddressInPlaceAndNot) {
  for (const char* name : {"int4", "e2m1", "e3m0", "fp32"}) {
    const ElementFormat element = ParseFormat(name).value().element;
    for (size_t count = 0; count <= 67; ++count) {
      for (size_t offset = 0; offset < 4; ++offset) {
        const std::vector<float> inputs =
            RandomFloats(element, static_cast<uint32_t>(count), 2 * kMargin + 67);
        std::vector<float> outputs(inputs.size(), kGuard);
        std::vector<float> in_place = inputs;
        const size_t begin = kMargin + offset;
        set_.quantize({.element = element, .random = {}}, 0.3f, &inputs[begin], &outputs[kMargin], count);
        set_.quantize({.element = element, .random = {}}, 0.3f, &in_place[begin], &in_place[begin], count);
        for (size_t i = 0; i < inputs.size(); ++i) {
          const float expected_out = i >= kMargin && i < kMargin + count
                                         ? QuantizeScaled(element, inputs[i + offset], 0.3f)
                                         : kGuard;
          ASSERT_TRUE(SameBits(outputs[i], expected_out))
              << name << " " << count << " " << offset << " " << i;
          const float expected_in_place =
              i >= begin && i < begin + count ? QuantizeScaled(element, inputs[i], 0.3f) : inputs[i];
          ASSERT_TRUE(SameBits(in_place[i], expected_in_place)) << name << " " << count << " " << i;
        }
      }
    }
  }
}

TEST_P(EverySet, MaxAbsFindsTheLargestAnywhere) {
  EXPECT_EQ(set_.max_abs(nullptr, 0), 0.0f);
  std::mt19937 random(3);
  for (size_t count = 1; count <= 100; ++count) {
    std::vector<float> values(count);
    for (float& value : values) value = std::ldexp(static_cast<float>(random()) - 0x1p31f, -32);
    for (size_t at = 0; at < count; ++at) {
      const float before = values[at];
      for (const float extreme : {-3.0f, 3.0f, HUGE_VALF, -HUGE_VALF}) {
        values[at] = extreme;
        EXPECT_EQ(set_.max_abs(values.data(), count), std::fabs(extreme));
      }
      for (const float nan : {NAN, -NAN, std::bit_cast<float>(0xFF800001u)}) {
        values[at] = nan;
        EXPECT_TRUE(std::isnan(set_.max_abs(values.data(), count)));
      }
      values[at] = before;
    }
  }
  const float zeros[] = {-0.0f, 0.0f, -0.0f};
  EXPECT_FALSE(std::signbit(set_.max_abs(zeros, 3)));
  const float tiny[] = {-FLT_TRUE_MIN, 0.0f};
  EXPECT_EQ(set_.max_abs(tiny, 2), FLT_TRUE_MIN);
}

TEST_P(EverySet, StraightThroughPassesInsideAndStopsOutside) {
  const float low = -0.5f, high = 0.75f;
  const std::vector<float> in = {
      0.0f, -0.0f, low,       high,      std::nextafter(low, -1.0f), std::nextafter(high, 1.0f), -high,
      NAN,  -NAN,  HUGE_VALF, -HUGE_VALF};
  const std::vector<float> expected = {1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0};
  for (size_t count = 0; count <= 67; ++count) {
    std::vector<float> inputs(count), gradients(count), result(count + 1, kGuard);
    for (size_t i = 0; i < count; ++i) {
      inputs[i] = in[i % in.size()];
      gradients[i] = static_cast<float>(i % in.size() + 1);
    }
    set_.straight_through(low, high, inputs.data(), gradients.data(), result.data(), count);
    for (size_t i = 0; i < count; ++i) EXPECT_TRUE(SameBits(result[i], expected[i % in.size()])) << i;
    EXPECT_EQ(result[count], kGuard);
    set_.straight_through(low, high, inputs.data(), gradients.data(), gradients.data(), count);
    EXPECT_TRUE(std::equal(gradients.begin(), gradients.end(), result.begin(), SameBits));
  }
}

TEST_P(EverySet, StraightThroughTakesRangesOnOneSideOfZeroAndWithoutEnd) {
  const float in[] = {-HUGE_VALF, -1.0f, -0.0f, 0.0f, 1.0f, 2.0f, HUGE_VALF, NAN};
  const float gradients[] = {1, 2, 3, 4, 5, 6, 7, 8};
  const struct {
    float low, high;
    std::vector<float> expected;
  } kCases[] = {
      {0.0f, 1.0f, {0, 0, 3, 4, 5, 0, 0, 0}},   {1.0f, 2.0f, {0, 0, 0, 0, 5, 6, 0, 0}},
      {-1.0f, -0.0f, {0, 2, 3, 4, 0, 0, 0, 0}}, {-HUGE_VALF, HUGE_VALF, {1, 2, 3, 4, 5, 6, 7, 0}},
      {1.0f, -1.0f, {0, 0, 0, 0, 0, 0, 0, 0}},  {-NAN, NAN, {0, 0, 0, 0, 0, 0, 0, 0}},
  };
  for (const auto& [low, high, expected] : kCases) {
    std::vector<float> result(expected.size());
    set_.straight_through(low, high, in, gradients, result.data(), result.size());
    EXPECT_EQ(result, expected) << low << " " << high;
  }
}

TEST_P(EverySet, StraightThroughKeepsGradientsThatAreNotFiniteOnlyInside) {
  const float in[] = {0.5f, 2.0f, 0.5f, 2.0f};
  const float gradients[] = {NAN, NAN, HUGE_VALF, HUGE_VALF};
  float result[4];
  set_.straight_through(-1.0f, 1.0f, in, gradients, result, 4);
  EXPECT_TRUE(std::isnan(result[0]));
  EXPECT_EQ(result[1], 0.0f);
  EXPECT_EQ(result[2], HUGE_VALF);
  EXPECT_EQ(result[3], 0.0f);
}

INSTANTIATE_TEST_SUITE_P(Kernels, EverySet, testing::Range<size_t>(0, SupportedKernelSets().size()));

TEST(Kernels, ThePublicFunctionsUseTheLastSet) {
  ASSERT_FALSE(SupportedKernelSets().empty());
  const ElementFormat element = ParseFormat("e3m2").value().element;
  const std::vector<float> inputs = RandomFloats(element, 5, 1001);
  std::vector<float> public_result(inputs.size()), set_result(inputs.size());
  const KernelSet& best = SupportedKernelSets().back();
  QuantizeSpan(element, 0.7f, inputs.data(), public_result.data(), inputs.size());
  best.quantize({.element = element, .random = {}}, 0.7f, inputs.data(), set_result.data(), inputs.size());
  EXPECT_TRUE(std::equal(public_result.begin(), public_result.end(), set_result.begin(), SameBits));
  EXPECT_TRUE(SameBits(MaxAbs(inputs.data(), inputs.size()), best.max_abs(inputs.data(), inputs.size())));
  StraightThroughSpan(-1.0f, 2.0f, inputs.data(), inputs.data(), public_result.data(), inputs.size());
  best.straight_through(-1.0f, 2.0f, inputs.data(), inputs.data(), set_result.data(), inputs.size());
  EXPECT_TRUE(std::equal(public_result.begin(), public_result.end(), set_result.begin(), SameBits));
}

TEST(KernelsDeathTest, RefuseAScaleThatIsNone) {
  float x = 1;
  for (const float scale : {0.0f, -1.0f, HUGE_VALF, NAN}) {
    EXPECT_DEATH(QuantizeSpan(IntegerElement(4), scale, &x, &x, 1), "broken invariant");
  }
}

}  // namespace
}  // namespace precis
