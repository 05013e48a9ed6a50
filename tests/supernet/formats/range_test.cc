// Ranges against slow, obvious ways to find them.
#include "supernet/formats/range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "supernet/formats/scalar.h"

namespace precis {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Format F(const char* name) { return *ParseFormat(name); }

std::vector<float> NormalValues(size_t count, uint64_t seed = 1) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

ValueRange Find(const Format& format, RangeRule rule, const std::vector<float>& values,
                double percentile = 99.99) {
  return FindRange(format, {rule, percentile}, values.data(), values.size());
}

double ErrorOf(const Format& format, const ValueRange& range, const std::vector<float>& values) {
  const OperandScale scale = ScaleForRange(format, range);
  double error = 0;
  for (const float x : values) {
    const float q = format.scale.zero_point ? QuantizeAffine(format.element, x, scale.scale, scale.zero_point)
                                            : QuantizeScaled(format.element, x, scale.scale);
    error += (x - q) * (x - q);
  }
  return error;
}

TEST(Range, IsNeededWhereAnOperandHasAScale) {
  for (const char* name : {"int4", "e4m3", "uint8_affine", "int8@fp32:tensor", "dfp16", "nvfp4"}) {
    EXPECT_TRUE(NeedsRange(F(name))) << name;
  }
  for (const char* name : {"fp32", "bf16", "mxfp4", "int4@fp32:8", "e2m1@e4m3:16"}) {
    EXPECT_FALSE(NeedsRange(F(name))) << name;
  }
}

TEST(Range, OfMaxAbsIsTheLargestMagnitude) {
  const std::vector<float> values = {0.5f, -3, 2};
  for (const RangeRule rule : {RangeRule::kMaxAbs, RangeRule::kMovingAverage}) {
    EXPECT_EQ(Find(F("int4"), rule, values), (ValueRange{-3, 3}));
    EXPECT_EQ(Find(F("uint4"), rule, values), (ValueRange{-3, 3}));
    EXPECT_EQ(Find(F("uint4_affine"), rule, values), (ValueRange{-3, 2}));
    EXPECT_EQ(Find(F("uint4_affine"), rule, {2, 3}), (ValueRange{0, 3}));
    EXPECT_EQ(Find(F("uint4_affine"), rule, {-2, -3}), (ValueRange{-3, 0}));
  }
}

TEST(Range, OfABlockFormatIsTheLargestMagnitudeWhateverTheRule) {
  const std::vector<float> values = NormalValues(1000);
  EXPECT_EQ(Find(F("nvfp4"), RangeRule::kPercentile, values, 90),
            Find(F("nvfp4"), RangeRule::kMaxAbs, values));
  EXPECT_EQ(Find(F("nvfp4"), RangeRule::kMeanSquareError, values),
            Find(F("nvfp4"), RangeRule::kMaxAbs, values));
}

TEST(Range, OfNothingIsZero) {
  for (const RangeRule rule : {RangeRule::kMaxAbs, RangeRule::kPercentile, RangeRule::kMeanSquareError}) {
    EXPECT_EQ(Find(F("int4"), rule, {}), ValueRange());
    EXPECT_EQ(Find(F("int4"), rule, {0, 0, 0}), ValueRange());
    EXPECT_EQ(Find(F("int8_affine"), rule, {0, 0, 0}), ValueRange());
  }
}

TEST(Range, IsNoneWhereAnEndIsNotFinite) {
  for (const char* name : {"int4", "int8_affine"}) {
    for (const float bad : {kInfinity, -kInfinity, kNan, -kNan}) {
      std::vector<float> values = NormalValues(1000);
      values[17] = bad;
      for (const RangeRule rule : {RangeRule::kMaxAbs, RangeRule::kMeanSquareError}) {
        const ValueRange range = Find(F(name), rule, values);
        EXPECT_TRUE(std::isnan(range.low) && std::isnan(range.high)) << name << " " << bad;
      }
      // One bad value of a thousand lies beyond the 99th percentile of magnitudes.
      EXPECT_TRUE(std::isfinite(Find(F("int4"), RangeRule::kPercentile, values, 99).high)) << bad;
      EXPECT_TRUE(std::isnan(Find(F("int4"), RangeRule::kPercentile, values, 100).high)) << bad;
    }
  }
}

TEST(Range, OfPercentileIsTheOrderStatistic) {
  for (const size_t count : {1, 2, 7, 1000, 32767, 32768, 200001}) {
    std::vector<float> values = NormalValues(count, count);
    if (count > 10) {
      std::fill_n(values.begin(), count / 3, 0.0f);
      std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(count / 3), count / 5, -1.25f);
    }
    std::vector<float> sorted = values, magnitudes = values;
    for (float& value : magnitudes) value = std::fabs(value);
    std::sort(sorted.begin(), sorted.end());
    std::sort(magnitudes.begin(), magnitudes.end());
    for (const double percentile : {50.5, 75.0, 99.0, 99.9, 99.99, 100.0}) {
      const size_t rank = PercentileRank(percentile, count);
      SCOPED_TRACE(count);
      SCOPED_TRACE(percentile);
      ValueRange symmetric = {-magnitudes[rank - 1], magnitudes[rank - 1]};
      ValueRange affine = {std::min(0.0f, sorted[count - rank]), std::max(0.0f, sorted[rank - 1])};
      // A range of 0 is none; the widest stands in for it.
      if (symmetric.high == 0) symmetric = {-magnitudes.back(), magnitudes.back()};
      if (affine == ValueRange{0, 0}) affine = {std::min(0.0f, sorted[0]), std::max(0.0f, sorted.back())};
      EXPECT_EQ(Find(F("int8"), RangeRule::kPercentile, values, percentile), symmetric);
      EXPECT_EQ(Find(F("int8_affine"), RangeRule::kPercentile, values, percentile), affine);
    }
  }
}

// The error as a function of the range need not have one minimum; the search must come near the best of all
// factors, and never be worse than the widest range.
TEST(Range, OfLeastErrorIsNearTheBestOfAllFactors) {
  std::vector<float> laplace;
  for (const float x : NormalValues(3000, 2)) laplace.push_back(x * std::fabs(x) * std::fabs(x));
  std::vector<float> positive;
  for (const float x : NormalValues(3000, 3)) positive.push_back(std::max(0.0f, x));
  for (const auto& values : {NormalValues(3000), laplace, positive}) {
    for (const char* name : {"int2", "int3", "int4", "int8", "e2m1", "e4m3", "uint4_affine", "dfp16"}) {
      SCOPED_TRACE(name);
      const Format format = F(name);
      const ValueRange widest = Find(format, RangeRule::kMaxAbs, values);
      double best = ErrorOf(format, widest, values);
      const double of_widest = best;
      for (int j = 0; j <= 43; ++j) {
        const auto factor = static_cast<float>(std::exp2(-j / 8.0));
        best = std::min(best, ErrorOf(format, {widest.low * factor, widest.high * factor}, values));
      }
      for (const RangeRule rule : {RangeRule::kMeanSquareError, RangeRule::kLearned}) {
        const double found = ErrorOf(format, Find(format, rule, values), values);
        EXPECT_LE(found, of_widest);
        EXPECT_LE(found, best * 1.05);
      }
    }
  }
}

TEST(Range, PercentileRanksAreExact) {
  EXPECT_EQ(PercentileRank(99.9, 1000), 999U);
  EXPECT_EQ(PercentileRank(55, 100), 55U);
  EXPECT_EQ(PercentileRank(99.99, 10000), 9999U);
  EXPECT_EQ(PercentileRank(99.99, 100), 100U);
  EXPECT_EQ(PercentileRank(75, 3), 3U);
  EXPECT_EQ(PercentileRank(100, 7), 7U);
  EXPECT_EQ(PercentileRank(51, 1), 1U);
}

// What a ReLU gives is zeros for the most part. No range is 0 for all that, or what it serves would not be
// quantised.
TEST(Range, OfPercentileIsTheLargestMagnitudeWhereMostValuesAreZero) {
  std::vector<float> values(1000, 0.0f);
  for (size_t i = 0; i < 400; ++i) values[i] = static_cast<float>(i + 1);
  for (const char* name : {"int2", "uint4", "e4m3", "dfp16"}) {
    EXPECT_EQ(Find(F(name), RangeRule::kPercentile, values, 55), (ValueRange{-400, 400})) << name;
    EXPECT_EQ(Find(F(name), RangeRule::kPercentile, values, 65), (ValueRange{-50, 50})) << name;
  }
  EXPECT_EQ(Find(F("int8_affine"), RangeRule::kPercentile, values, 55), (ValueRange{0, 400}));
  for (float& value : values) value = -value;
  EXPECT_EQ(Find(F("uint4_affine"), RangeRule::kPercentile, values, 55), (ValueRange{-400, 0}));
}

TEST(Range, OfLeastErrorClipsWhatIsRareAndKeepsWhatIsNot) {
  std::vector<float> values = NormalValues(10000);
  EXPECT_LT(Find(F("int3"), RangeRule::kMeanSquareError, values).high, 2.5f);
  EXPECT_GT(Find(F("int8"), RangeRule::kMeanSquareError, values).high, 3.0f);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 10000 - 0.5f;
  EXPECT_GT(Find(F("int8"), RangeRule::kMeanSquareError, values).high, 0.45f);
}

TEST(Range, OfLeastErrorLooksAtEvenlySpacedValuesOfALargeTensor) {
  EXPECT_EQ(RangeStride(1), 1U);
  EXPECT_EQ(RangeStride(65536), 1U);
  EXPECT_EQ(RangeStride(65537), 2U);
  const std::vector<float> values = NormalValues(200000);
  std::vector<float> seen;
  for (size_t i = 0; i < values.size(); i += RangeStride(values.size())) seen.push_back(values[i]);
  const float widest = Find(F("int4"), RangeRule::kMaxAbs, values).high;
  const float found = Find(F("int4"), RangeRule::kMeanSquareError, values).high;
  double best = std::numeric_limits<double>::infinity();
  float expected = 0;
  for (int j = 0; j <= 43; ++j) {
    const float high = widest * static_cast<float>(std::exp2(-j / 8.0));
    const double error = ErrorOf(F("int4"), {-high, high}, seen);
    if (error < best) {
      best = error;
      expected = high;
    }
  }
  EXPECT_EQ(found, expected);
}

TEST(Range, GivesTheScaleOfItsFormat) {
  EXPECT_EQ(ScaleForRange(F("int8"), {-127, 127}).scale, 1);
  EXPECT_EQ(ScaleForRange(F("int8"), {0, 0}).scale, 1);
  const OperandScale affine = ScaleForRange(F("uint8_affine"), {-1, 4.1f});
  EXPECT_EQ(affine.zero_point, AffineScaleForRange(F("uint8_affine").element, -1, 4.1f).zero_point);
  EXPECT_FLOAT_EQ(affine.scale, 5.1f / 255);
}

}  // namespace
}  // namespace precis
