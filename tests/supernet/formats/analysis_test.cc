// Figures of the literature: signal to noise of normal values, crossovers, safe chains; rotations.
#include "supernet/formats/analysis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "supernet/formats/hadamard.h"
#include "supernet/formats/tensor_quantizer.h"

namespace precis {
namespace {

Format F(const std::string& name) { return ParseFormat(name).value(); }

// 2^21 values of N(0, 1): the 64-bit Mersenne twister and the polar method of the standard library, seed 1.
// Its figures differ from those of 2^24 values by less than 0.01 dB.
const std::vector<float>& NormalValues() {
  static const auto& values = *[] {
    auto* made = new std::vector<float>(size_t{1} << 21);
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal;
    for (float& value : *made) value = static_cast<float>(normal(random));
    return made;
  }();
  return values;
}

double NormalSignalToNoise(const std::string& name) {
  const std::vector<float>& x = NormalValues();
  const QuantizedTensor q = QuantizeTensor(F(name), {}, x.data(), x.size() / 4096, 4096);
  return SignalToNoise(x.data(), q.values.data(), x.size()).value();
}

TEST(SignalToNoise, OfNormalValuesIsWhatWasMeasuredElsewhere) {
  for (const auto& [name, decibels] :
       std::initializer_list<std::pair<const char*, double>>{{"mxint8", 41.66},
                                                             {"mxfp8", 30.65},
                                                             {"mxfp8_e5m2", 25.36},
                                                             {"mxfp6", 30.94},
                                                             {"mxfp6_e3m2", 25.36},
                                                             {"mxfp4", 18.79},
                                                             {"mxint6", 29.62},
                                                             {"mxint4", 17.56},
                                                             {"mxint8:ceil", 41.61},
                                                             {"mxfp8:ceil", 31.52},
                                                             {"mxfp8_e5m2:ceil", 25.54},
                                                             {"mxfp6:ceil", 30.95},
                                                             {"mxfp6_e3m2:ceil", 25.54},
                                                             {"mxfp4:ceil", 18.75},
                                                             {"mxint6:ceil", 29.42},
                                                             {"mxint4:ceil", 16.84},
                                                             {"dfp16", 83.04}}) {
    EXPECT_NEAR(NormalSignalToNoise(name), decibels, 0.05) << name;
  }
}

TEST(SignalToNoise, SmallFloatScalesGainOverPowersOfTwo) {
  // No published figure is for pure normal values; the paper's for tensors of networks are 20.60 and 20.55.
  EXPECT_NEAR(NormalSignalToNoise("nvfp4"), 20.6, 0.3);
  EXPECT_NEAR(NormalSignalToNoise("nvint4"), 21.28, 0.05);
  EXPECT_GT(NormalSignalToNoise("nvfp4"), NormalSignalToNoise("e2m1@e8m0:16"));
}

TEST(SignalToNoise, IsDefinedWhereItCanBe) {
  const float x[] = {1, -2}, q[] = {1, -1}, zero[] = {0, 0}, nan[] = {NAN, 1}, inf[] = {HUGE_VALF, 1};
  EXPECT_NEAR(SignalToNoise(x, q, 2).value(), 10 * std::log10(5), 1e-12);
  EXPECT_TRUE(std::isinf(SignalToNoise(x, x, 2).value()));
  EXPECT_FALSE(SignalToNoise(zero, zero, 2).has_value());
  EXPECT_FALSE(SignalToNoise(x, nan, 2).has_value());
  EXPECT_FALSE(SignalToNoise(inf, x, 2).has_value());
  EXPECT_FALSE(SignalToNoise(x, q, 0).has_value());
}

TEST(Crossover, IsWhereThePaperHasIt) {
  const CrestModel mx;
  const CrestModel nv = {.overhead = 1.05, .block = 16};
  EXPECT_NEAR(CrossoverCrest(8, F("e4m3fn").element, mx).value(), 7.55, 0.02);
  EXPECT_NEAR(CrossoverCrest(6, F("e2m3").element, mx).value(), 1.96, 0.02);
  EXPECT_NEAR(CrossoverCrest(4, F("e2m1").element, mx).value(), 2.04, 0.02);
  EXPECT_NEAR(CrossoverCrest(4, F("e2m1").element, nv).value(), 2.39, 0.02);
  EXPECT_NEAR(IntegerSignalToNoise(8, 7.55, mx), 31.86, 0.05);
  EXPECT_NEAR(IntegerSignalToNoise(6, 1.96, mx), 31.54, 0.05);
  EXPECT_NEAR(IntegerSignalToNoise(4, 2.04, mx), 19.14, 0.05);
  EXPECT_NEAR(IntegerSignalToNoise(4, 2.39, nv), 21.14, 0.05);
  EXPECT_FALSE(CrossoverCrest(16, F("e2m1").element, mx).has_value());
}

TEST(LongestSafeChain, IsWhatAnInt32Holds) {
  EXPECT_EQ(LongestSafeChain(0, 0), 2);
  EXPECT_EQ(LongestSafeChain(1, 0), 4);
  EXPECT_EQ(LongestSafeChain(1, 1), 8);
  EXPECT_EQ(LongestSafeChain(2, 2), 32);
  EXPECT_EQ(LongestSafeChain(3, 3), 128);
}

TEST(Hadamard, IsOrthogonalAndUndoesItself) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const int size : {2, 16, 32, 256}) {
    const auto n = static_cast<size_t>(size);
    std::vector<float> x(3 * n + 5), rotated(x.size()), back(x.size());
    for (float& value : x) value = normal(random);
    HadamardRotate(size, 7, x.data(), rotated.data(), x.size());
    HadamardRotateBack(size, 7, rotated.data(), back.data(), x.size());
    double before = 0, after = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(back[i], x[i], 1e-5f);
      before += x[i] * x[i];
      after += rotated[i] * rotated[i];
      EXPECT_TRUE(i < x.size() / n * n || rotated[i] == x[i]) << "a short last group stays";
    }
    EXPECT_NEAR(before, after, before * 1e-5);
  }
}

TEST(Hadamard, IsTheSylvesterMatrixTimesSigns) {
  for (uint32_t column = 0; column < 8; ++column) {
    float x[8] = {};
    x[column] = 1;
    HadamardRotate(8, 3, x, x, 8);
    for (uint32_t row = 0; row < 8; ++row) {
      const float sign = __builtin_popcount(row & column) % 2 == 0 ? 1 : -1;
      EXPECT_EQ(x[row], sign * HadamardSign(3, column) * static_cast<float>(1 / std::sqrt(8.0)));
    }
  }
}

TEST(Hadamard, SignsDependOnTheSeed) {
  int same = 0, up = 0;
  for (uint32_t i = 0; i < 4096; ++i) {
    same += HadamardSign(1, i) == HadamardSign(2, i) ? 1 : 0;
    up += HadamardSign(1, i) > 0 ? 1 : 0;
  }
  EXPECT_NEAR(same, 2048, 200);
  EXPECT_NEAR(up, 2048, 200);
}

TEST(Hadamard, HelpsWhereOneValueTowersOverItsBlock) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> x(32 * 512);
  for (size_t i = 0; i < x.size(); ++i) x[i] = normal(random) * (i % 32 == 9 ? 30.0f : 1.0f);
  const auto quality = [&](const char* name) {
    const QuantizedTensor q = QuantizeTensor(F(name), {.seed = 1, .scale = {}}, x.data(), 512, 32);
    return SignalToNoise(x.data(), q.values.data(), x.size()).value();
  };
  EXPECT_GT(quality("mxint4+hadamard"), quality("mxint4") - 10);
  EXPECT_NE(quality("mxint4+hadamard"), quality("mxint4"));
}

TEST(QuantizeTensor, StochasticRoundingIsUnbiased) {
  const std::vector<float> x(1 << 18, 0.3f);
  const QuantizedTensor q = QuantizeTensor(F("int4+sr8"), {.seed = 4, .scale = 1.0f}, x.data(), 1, x.size());
  double sum = 0;
  for (const float value : q.values) sum += value;
  EXPECT_NEAR(sum / static_cast<double>(x.size()), 0.3, 0.005);
}

TEST(QuantizeTensor, GivesOneScaleForWhatSharesIt) {
  const std::vector<float> x(2 * 40, 1.5f);
  EXPECT_EQ(QuantizeTensor(F("int4"), {}, x.data(), 2, 40).scales.size(), 2u);
  EXPECT_EQ(QuantizeTensor(F("int4@fp32:tensor"), {}, x.data(), 2, 40).scales.size(), 1u);
  EXPECT_EQ(QuantizeTensor(F("mxfp4"), {}, x.data(), 2, 40).scales.size(), 4u);
  EXPECT_EQ(QuantizeTensor(F("bf16"), {}, x.data(), 2, 40).scales.size(), 0u);
  EXPECT_EQ(QuantizeTensor(F("uint8_affine"), {}, x.data(), 2, 40).zero_points.size(), 2u);
}

}  // namespace
}  // namespace precis
