// Block, stochastic and affine kernels of every set of this machine against the scalar reference, bit for
// bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/counter_random.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/scalar.h"

namespace precis {
namespace {

bool SameBits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// Blocks of every size and shape: any bits, one magnitude, near powers of two, subnormal, zero, with NaN.
std::vector<float> BlockInputs(uint32_t seed, size_t count) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (size_t begin = 0; begin < count; begin += 16) {
    const uint32_t kind = random() % 16;
    const int exponent = static_cast<int>(random() % 276) - 149;
    for (size_t i = begin; i < std::min(begin + 16, count); ++i) {
      const auto bits = static_cast<uint32_t>(random());
      float value = std::bit_cast<float>((bits & 0x807FFFFF) | 0x3F800000);
      value = std::ldexp(value, exponent - static_cast<int>(bits % 6));
      if (kind == 0) value = 0;
      if (kind == 1) value = std::bit_cast<float>(bits);
      if (kind == 2) value = std::nextafter(std::ldexp(1.0f, exponent), bits % 2 == 0 ? 0.0f : HUGE_VALF);
      if (kind == 3 && i == begin) value = bits % 2 == 0 ? NAN : HUGE_VALF;
      if (kind == 4) value = std::bit_cast<float>(bits & 0x807FFFFF);
      values[i] = value;
    }
  }
  return values;
}

const char* const kBlockFormats[] = {"mxint8",
                                     "mxint6",
                                     "mxint4",
                                     "mxfp8",
                                     "mxfp8_e5m2",
                                     "mxfp6",
                                     "mxfp6_e3m2",
                                     "mxfp4",
                                     "nvfp4",
                                     "nvint4",
                                     "mxint8:ceil",
                                     "mxint4:ceil",
                                     "mxfp8:ceil",
                                     "mxfp8_e5m2:ceil",
                                     "mxfp6:ceil",
                                     "mxfp4:ceil",
                                     "mxint8:even",
                                     "mxint4:even",
                                     "mxfp8:even",
                                     "mxfp6_e3m2:even",
                                     "mxfp4:even",
                                     "int2@e8m0:32:ceil",
                                     "int2@e8m0:32:even",
                                     "e3m0@e8m0:32",
                                     "e1m2@e8m0:8:ceil",
                                     "e4m3@e8m0:32",
                                     "int8_full@e8m0:32",
                                     "int16@e8m0:64:shift2",
                                     "int4@fp32:16",
                                     "e2m1@fp32:128",
                                     "e4m3fn@fp32:5",
                                     "e2m1@e4m3:16",
                                     "int4@e4m3:32",
                                     "e2m1@ue5m3:16",
                                     "e2m1@ue5m3x:16",
                                     "e2m1@ue5m3:16:global",
                                     "e2m1@ue5m3x:32:global",
                                     "int3@ue5m3:7:global",
                                     "int4@e8m0:1",
                                     "e2m1@e8m0:3",
                                     "int4@e8m0:4096",
                                     "mxfp4+sr8",
                                     "mxint4:ceil+sr1",
                                     "nvfp4+sr16",
                                     "int8@fp32:10+sr4",
                                     "mxfp8_e5m2+sr8"};

void ExpectBlocksLikeReference(const Format& format, const RandomStream& random,
                               const std::vector<float>& in) {
  const GlobalScale global = GlobalScaleFor(format, MaxAbsFinite(in.data(), in.size()));
  std::vector<float> expected(in.size());
  QuantizeBlocksByReference(format, global, random, in.data(), expected.data(), in.size());
  for (const KernelSet& set : SupportedKernelSets()) {
    std::vector<float> actual(in.size()), in_place = in;
    set.quantize_blocks(format, global, random, in.data(), actual.data(), in.size());
    set.quantize_blocks(format, global, random, in_place.data(), in_place.data(), in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      ASSERT_TRUE(SameBits(actual[i], expected[i]) && SameBits(in_place[i], expected[i]))
          << FormatName(format) << " " << set.name << " at " << i << " of " << in.size() << ": "
          << std::hexfloat << in[i] << " gives " << actual[i] << ", the reference says " << expected[i];
    }
  }
}

TEST(BlockKernels, AreLikeTheReference) {
  for (const char* name : kBlockFormats) {
    const Format format = ParseFormat(name).value();
    ExpectBlocksLikeReference(format, {.seed = 5, .first_index = 77}, BlockInputs(31, 40000));
    for (uint32_t count = 0; count <= 131; ++count) {
      ExpectBlocksLikeReference(format, {.seed = count, .first_index = 1}, BlockInputs(count, count));
    }
  }
}

TEST(BlockKernels, ModerateTensorsAreLikeTheReference) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> values(20011);
  for (float& value : values) value = normal(random);
  for (const char* name : kBlockFormats) {
    ExpectBlocksLikeReference(ParseFormat(name).value(), {.seed = 9}, values);
  }
}

const char* const kStochasticElements[] = {"int2", "int4", "int8", "int8_full", "int16",  "uint4",
                                           "e2m1", "e3m0", "e2m0", "e1m2",      "e4m3fn", "e5m2",
                                           "e4m3", "e7m0", "fp16", "bf16",      "tf32"};

TEST(StochasticKernels, AreLikeTheReference) {
  for (const char* name : kStochasticElements) {
    const ElementFormat element = ParseFormat(name).value().element;
    std::mt19937 random(6);
    std::vector<float> in(60000), actual(in.size());
    const int low = std::max(-149, std::ilogb(SmallestStep(element)) - 3);
    const int high = std::min(127, std::ilogb(MaxFinite(element)) + 2);
    for (size_t i = 0; i < in.size(); ++i) {
      const auto bits = static_cast<uint32_t>(random());
      in[i] = std::bit_cast<float>(bits);
      if (i % 3 == 0) continue;
      const int exponent = low + static_cast<int>(random() % static_cast<uint32_t>(high - low + 1));
      in[i] = std::ldexp(std::bit_cast<float>((bits & 0x807FFFFF) | 0x3F800000), exponent);
    }
    for (const int bits : {1, 5, 8, 16}) {
      for (const float scale : {1.0f, 0.3f}) {
        const RandomStream stream = {.seed = 3, .first_index = (uint64_t{7} << 32) + 12345};
        for (const KernelSet& set : SupportedKernelSets()) {
          set.quantize({.element = element, .stochastic_bits = bits, .random = stream}, scale, in.data(),
                       actual.data(), in.size());
          for (size_t i = 0; i < in.size(); ++i) {
            const uint64_t index = stream.first_index + i;
            const uint32_t word =
                CounterBits(MakeCounterKey(stream.seed, index), static_cast<uint32_t>(index));
            const float expected = QuantizeScaledStochastic(element, in[i], scale, bits, word);
            ASSERT_TRUE(SameBits(actual[i], expected))
                << name << " " << set.name << " sr" << bits << ": " << std::hexfloat << in[i] << " gives "
                << actual[i] << ", the reference says " << expected;
          }
        }
      }
    }
  }
}

TEST(AffineKernels, AreLikeTheReference) {
  for (const char* name : {"uint2_affine", "uint4_affine", "int4_affine", "uint8_affine", "int8_affine",
                           "uint16_affine", "uint4", "uint8"}) {
    const ElementFormat element = ParseFormat(name).value().element;
    const auto min = static_cast<int>(MinFinite(element)), max = static_cast<int>(MaxFinite(element));
    const std::vector<float> random = BlockInputs(12, 5000);
    for (const int zero_point : {min, (min + max) / 2, max}) {
      for (const float scale : {1.0f, 0.037f, 0x1p-60f}) {
        std::vector<float> in = random;
        for (int q = min - 3; q <= max + 3 && in.size() < 20000; ++q) {
          for (const float f : {-0.5f, -0.25f, 0.0f, 0.25f}) {
            in.push_back((static_cast<float>(q - zero_point) + f) * scale);
          }
        }
        std::vector<float> actual(in.size());
        for (const KernelSet& set : SupportedKernelSets()) {
          set.quantize({.element = element, .zero_point = zero_point, .random = {}}, scale, in.data(),
                       actual.data(), in.size());
          for (size_t i = 0; i < in.size(); ++i) {
            ASSERT_TRUE(SameBits(actual[i], QuantizeAffine(element, in[i], scale, zero_point)))
                << name << " " << set.name << " " << std::hexfloat << in[i] << " zero point " << zero_point;
          }
        }
      }
    }
  }
}

TEST(MaxAbsFiniteKernels, PassOverNanAndInfinity) {
  const float values[] = {1, -3, NAN, HUGE_VALF, -HUGE_VALF, 2};
  for (const KernelSet& set : SupportedKernelSets()) {
    EXPECT_EQ(set.max_abs_finite(values, 6), 3);
    EXPECT_EQ(set.max_abs_finite(values + 2, 3), 0);
    EXPECT_EQ(set.max_abs_finite(values, 0), 0);
  }
}

// Large enough for the stores that pass the caches by.
TEST(LargeSpans, GiveTheSameWhereverTheyAreCut) {
  const size_t count = (size_t{4} << 20) + 4999;
  std::mt19937 random(2);
  std::vector<float> in(count), whole(count), parts(count);
  for (float& value : in) value = std::bit_cast<float>(0x3F000000u + static_cast<uint32_t>(random() >> 8));
  const RandomStream stream = {.seed = 8, .first_index = 100};
  for (const char* name : {"mxfp4", "nvfp4+sr8", "int4@fp32:48", "int4@e8m0:4096"}) {
    const Format format = ParseFormat(name).value();
    const GlobalScale global = GlobalScaleFor(format, MaxAbsFinite(in.data(), count));
    const auto block = static_cast<size_t>(format.scale.block);
    QuantizeBlocksSpan(format, global, stream, in.data(), whole.data() + 0, count);
    std::vector<std::thread> threads;
    const size_t share = count / 3 / block * block;
    for (size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        const size_t begin = t * share, end = t == 2 ? count : begin + share;
        QuantizeBlocksSpan(format, global, {stream.seed, stream.first_index + begin}, &in[begin],
                           &parts[begin], end - begin);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(std::equal(whole.begin(), whole.end(), parts.begin(), SameBits)) << name;
  }
  const ElementFormat element = ParseFormat("e4m3").value().element;
  QuantizeStochasticSpan(element, 0.01f, 8, stream, in.data(), whole.data(), count);
  for (size_t begin = 0; begin < count; begin += 100003) {
    const size_t end = std::min(begin + 100003, count);
    QuantizeStochasticSpan(element, 0.01f, 8, {stream.seed, stream.first_index + begin}, &in[begin],
                           &parts[begin], end - begin);
  }
  EXPECT_TRUE(std::equal(whole.begin(), whole.end(), parts.begin(), SameBits));
  // A result that begins at an odd address.
  QuantizeSpan(element, 0.01f, in.data(), whole.data() + 1, count - 1);
  for (size_t i = 0; i + 1 < count; i += 997) {
    ASSERT_TRUE(SameBits(whole[i + 1], QuantizeScaled(element, in[i], 0.01f))) << i;
  }
}

TEST(LargeSpans, PassTheGradientOfEveryElementFromAnyAddress) {
  const size_t most = (size_t{4} << 20) + 7;
  const float kGuard = 12345;
  std::vector<float> in(most), gradients(most);
  std::mt19937 random(4);
  for (size_t i = 0; i < most; ++i) {
    // From 0.5 to 2, some NaN; gradients of any bits.
    in[i] = i % 101 == 0 ? NAN : std::bit_cast<float>(0x3F000000u + static_cast<uint32_t>(random() >> 8));
    gradients[i] = std::bit_cast<float>(static_cast<uint32_t>(random()));
  }
  std::vector<float> expected(most);
  for (size_t i = 0; i < most; ++i) expected[i] = in[i] >= 0.55f && in[i] <= 0.6f ? gradients[i] : 0;
  for (size_t offset = 0; offset < 4; ++offset) {
    const size_t count = most - offset;
    std::vector<float> out(offset + count + 1, kGuard);
    StraightThroughSpan(0.55f, 0.6f, in.data(), gradients.data(), &out[offset], count);
    EXPECT_TRUE(std::equal(&out[offset], &out[offset] + count, expected.begin(), SameBits)) << offset;
    EXPECT_EQ(std::count(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(offset), kGuard),
              static_cast<std::ptrdiff_t>(offset));
    EXPECT_EQ(out.back(), kGuard);
  }
  std::vector<float> over_in = in;
  StraightThroughSpan(0.55f, 0.6f, over_in.data(), gradients.data(), over_in.data(), most);
  EXPECT_TRUE(std::equal(over_in.begin(), over_in.end(), expected.begin(), SameBits));
  StraightThroughSpan(0.55f, 0.6f, in.data(), gradients.data(), gradients.data(), most);
  EXPECT_TRUE(std::equal(gradients.begin(), gradients.end(), expected.begin(), SameBits));
}

TEST(QuantizeRows, FindsEachRowsRange) {
  const std::vector<float> in = {1, -2, 0.1f, 0, 0, 0, 5, 3, NAN, 100, -25.4f, 7};
  for (const char* name : {"int8", "e2m1", "bf16", "int8@e8m0", "e4m3fn+sr8"}) {
    const Format format = ParseFormat(name).value();
    std::vector<float> out(12), scales(4);
    const RandomStream stream = {.seed = 1, .first_index = 50};
    QuantizeRows(format, stream, in.data(), out.data(), 4, 3, scales.data());
    for (size_t row = 0; row < 4; ++row) {
      const float range = MaxAbs(&in[row * 3], 3);
      const bool usable = !IsScaled(format) || (range > 0 && std::isfinite(range));
      const float scale = usable ? ScaleForMaxAbs(format, IsScaled(format) ? range : 0) : 0;
      EXPECT_EQ(scales[row], scale) << name << row;
      for (size_t i = row * 3; i < row * 3 + 3; ++i) {
        float expected = usable ? QuantizeScaled(format.element, in[i], scale) : in[i];
        if (usable && format.stochastic_bits != 0) {
          const uint32_t word = CounterBits(MakeCounterKey(1, 50 + i), static_cast<uint32_t>(50 + i));
          expected = QuantizeScaledStochastic(format.element, in[i], scale, 8, word);
        }
        EXPECT_TRUE(SameBits(out[i], expected)) << name << " " << i;
      }
    }
  }
  std::vector<float> out(4);
  float scale = 0;
  const float two_rows[] = {1, 2, 3, 4};
  QuantizeRows(ParseFormat("dfp16").value(), {}, two_rows, out.data(), 2, 2, &scale);
  EXPECT_EQ(scale, 0x1p-12f) << "one exponent a tensor: 4 is 2^14 of them";
}

TEST(CounterRandom, IsUniformOverIndicesAndSeeds) {
  for (const bool over_seeds : {false, true}) {
    constexpr int kDraws = 1 << 18;
    int ones[32] = {}, same[32] = {}, buckets[256] = {};
    uint32_t last = 0;
    for (int i = 0; i < kDraws; ++i) {
      const uint64_t seed = over_seeds ? static_cast<uint64_t>(i) : 42;
      const uint64_t index = over_seeds ? 7 : static_cast<uint64_t>(i);
      const uint32_t word = CounterBits(MakeCounterKey(seed, index), static_cast<uint32_t>(index));
      for (int bit = 0; bit < 32; ++bit) {
        ones[bit] += (word >> bit) & 1;
        same[bit] += (~(word ^ last) >> bit) & 1;
      }
      ++buckets[word >> 24];
      last = word;
    }
    const double deviation = std::sqrt(kDraws) / 2;
    for (int bit = 0; bit < 32; ++bit) {
      EXPECT_LT(std::fabs(ones[bit] - kDraws / 2), 5 * deviation) << bit;
      EXPECT_LT(std::fabs(same[bit] - kDraws / 2), 5 * deviation) << bit;
    }
    double chi2 = 0;
    for (const int bucket : buckets) chi2 += std::pow(bucket - kDraws / 256.0, 2) / (kDraws / 256.0);
    EXPECT_LT(chi2, 255 + 6 * std::sqrt(2 * 255.0));
    EXPECT_GT(chi2, 255 - 6 * std::sqrt(2 * 255.0));
  }
}

TEST(CounterRandom, SeedsAndRunsDiffer) {
  int equal = 0;
  const CounterKey a = MakeCounterKey(1, 0), b = MakeCounterKey(2, 0),
                   c = MakeCounterKey(1, uint64_t{1} << 32);
  for (uint32_t i = 0; i < 100000; ++i) {
    equal += CounterBits(a, i) == CounterBits(b, i) ? 1 : 0;
    equal += CounterBits(a, i) == CounterBits(c, i) ? 1 : 0;
  }
  EXPECT_LT(equal, 3);
}

TEST(KernelsDeathTest, RefuseWhatOnlyABugCanAskFor) {
  float x = 1;
  const RandomStream end = {.seed = 0, .first_index = (uint64_t{1} << 32) - 1};
  EXPECT_DEATH(QuantizeStochasticSpan(IntegerElement(4), 1, 8, end, &x, &x, 2), "broken invariant");
  EXPECT_DEATH(QuantizeStochasticSpan(IntegerElement(4), 1, 0, {}, &x, &x, 1), "broken invariant");
  EXPECT_DEATH(QuantizeAffineSpan(UnsignedElement(4), 1, -1, &x, &x, 1), "broken invariant");
  EXPECT_DEATH(QuantizeBlocksSpan(ParseFormat("int4").value(), {}, {}, &x, &x, 1), "broken invariant");
}

}  // namespace
}  // namespace precis
