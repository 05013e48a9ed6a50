// Rewards: every shape, its sign, and its edges.
#include "search/reward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace precis::search {
namespace {

constexpr RewardShape kShapes[] = {RewardShape::kAbsolute, RewardShape::kOneSided,
                                   RewardShape::kSoftExponential, RewardShape::kHardExponential};

RewardSpec Spec(RewardShape shape, double beta) {
  RewardSpec spec;
  spec.shape = shape;
  spec.beta = beta;
  return spec;
}

TEST(Reward, HasItsDocumentedFormulas) {
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kAbsolute, 0.5), 0.9, 150, 100), 0.9 - 0.5 * 0.5);
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kAbsolute, 0.5), 0.9, 50, 100), 0.9 - 0.5 * 0.5);
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kOneSided, 0.5), 0.9, 150, 100), 0.9 - 0.5 * 0.5);
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kOneSided, 0.5), 0.9, 50, 100), 0.9);
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kSoftExponential, 0.5), 0.9, 400, 100), 0.45);
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kSoftExponential, 0.5), 0.9, 25, 100), 1.8);
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kHardExponential, 0.5), 0.9, 400, 100), 0.45);
  EXPECT_DOUBLE_EQ(Reward(Spec(RewardShape::kHardExponential, 0.5), 0.9, 25, 100), 0.9);
}

TEST(Reward, ADearerSampleIsNeverBetterBeyondTheTarget) {
  for (RewardShape shape : kShapes) {
    for (double quality : {0.9, 0.0, -2.3}) {
      double last = std::numeric_limits<double>::infinity();
      for (double cost = 100; cost < 1000; cost *= 1.2) {
        const double reward = Reward(Spec(shape, 0.3), quality, cost, 100);
        EXPECT_LE(reward, last) << static_cast<int>(shape) << " " << quality << " " << cost;
        last = reward;
      }
    }
  }
}

TEST(Reward, AtTheTargetItIsTheQuality) {
  for (RewardShape shape : kShapes) EXPECT_DOUBLE_EQ(Reward(Spec(shape, 0.7), -1.25, 42, 42), -1.25);
}

TEST(Reward, IsFiniteExactlyIfTheQualityIs) {
  for (RewardShape shape : kShapes) {
    for (double cost : {1e-300, 1.0, 1e300}) {
      for (double quality : {-1e308, -1.0, 0.0, 0.5, 1e308}) {
        EXPECT_TRUE(std::isfinite(Reward(Spec(shape, 1000), quality, cost, 7)));
      }
      for (double quality : {double{NAN}, double{INFINITY}, -double{INFINITY}}) {
        EXPECT_FALSE(std::isfinite(Reward(Spec(shape, 1000), quality, cost, 7)));
      }
    }
  }
}

TEST(Reward, BetaDefaultsToTheScaleOfTheQuality) {
  RewardSpec spec;
  spec.quality = QualitySource::kSearchAccuracy;
  EXPECT_EQ(RewardBeta(spec), 0.1);
  spec.quality = QualitySource::kTrainLoss;
  EXPECT_EQ(RewardBeta(spec), 1.0);
  spec.beta = 0;
  EXPECT_EQ(RewardBeta(spec), 0);
}

}  // namespace
}  // namespace precis::search
