// What the samples of a search say together.
#include "search/sample_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace precis::search {
namespace {

const std::vector<std::vector<double>> kErrors(6, {1.0, 0.17, 0.031, 0.0001});
const double kSensitivity[] = {0.02, 0.3, 0.05, 0.0, 0.15, 0.1};

double Truth(const Choices& choices) {
  double quality = 0;
  for (size_t d = 0; d < choices.size(); ++d)
    quality -= kSensitivity[d] * kErrors[d][static_cast<size_t>(choices[d])];
  return quality;
}

Choices Draw(std::mt19937_64& generator) {
  Choices choices;
  for (size_t d = 0; d < kErrors.size(); ++d) choices.push_back(static_cast<int>(generator() % 4));
  return choices;
}

double Noise(std::mt19937_64& generator) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(generator() >> 11) * 0x1.0p-53;
  return sum;  // about standard normal
}

TEST(SampleLog, FindsTheSensitivitiesThroughNoiseAndLearning) {
  std::mt19937_64 generator(1);
  const int64_t steps = 1000;
  SampleLog log(kErrors, steps);
  for (int64_t step = 0; step < steps; ++step) {
    const Choices choices = Draw(generator);
    const double learnt = 0.9 * (1 - std::exp(-static_cast<double>(step) / 200));
    log.Add(step, choices, learnt + Truth(choices) + 0.03 * Noise(generator));
  }
  const LogEstimate estimate = log.Estimate();
  for (size_t d = 0; d < kErrors.size(); ++d) {
    const double found = estimate.effects[d][3] - estimate.effects[d][0];
    EXPECT_NEAR(found, kSensitivity[d], 0.02) << d;
  }
  for (const SampleEstimate& sample : estimate.samples) {
    EXPECT_NEAR(sample.quality, 0.9 * (1 - std::exp(-5.0)) + Truth(sample.choices), 0.05);
  }
}

TEST(SampleLog, WithNothingToGoByFinerIsHeldToBeBetter) {
  SampleLog log(kErrors, 100);
  const LogEstimate empty = log.Estimate();
  EXPECT_TRUE(empty.samples.empty());
  for (const auto& effects : empty.effects) {
    EXPECT_LT(effects[0], effects[1]);
    EXPECT_LT(effects[1], effects[2]);
    EXPECT_LT(effects[2], effects[3]);
  }
}

TEST(SampleLog, ASampleSeenOftenIsBelieved) {
  std::mt19937_64 generator(2);
  SampleLog log(kErrors, 400);
  const Choices lucky = {0, 0, 0, 0, 0, 0};
  int64_t step = 0;
  for (; step < 200; ++step) {
    Choices choices = Draw(generator);
    choices[0] = 1;
    log.Add(step, choices, Truth(choices));
  }
  for (; step < 400; ++step) log.Add(step, lucky, 0.5);  // far better than the model would have it
  const LogEstimate estimate = log.Estimate();
  ASSERT_EQ(estimate.samples.back().choices, lucky);
  EXPECT_EQ(estimate.samples.back().times, 200);
  EXPECT_EQ(estimate.samples.back().first_step, 200);
  EXPECT_GT(estimate.samples.back().quality, 0.4);
  EXPECT_EQ(log.FirstStep(lucky), 200);
  EXPECT_EQ(log.FirstStep({3, 3, 3, 3, 3, 9}), -1);
}

TEST(SampleLog, KeepsABoundedNumber) {
  SampleLog log({{1, 0.5}}, 1000000);
  const auto most = static_cast<int64_t>(SampleLog::kMostSamples);
  log.Add(0, {0}, 0);
  for (int64_t step = 1; step <= most; ++step) log.Add(step, {1}, 1);
  EXPECT_EQ(log.FirstStep({0}), -1);
  ASSERT_EQ(log.Estimate().samples.size(), 1u);
  EXPECT_EQ(log.Estimate().samples[0].times, most);
}

}  // namespace
}  // namespace precis::search
