// Quality traded against cost.
#include "search/reward.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

double Power(double base, double exponent) { return std::min(std::pow(base, exponent), kLargest); }

double Scaled(double quality, double ratio, double beta) {
  return quality * Power(ratio, quality < 0 ? beta : -beta);
}

}  // namespace

double RewardBeta(const RewardSpec& spec) {
  if (spec.beta >= 0) return spec.beta;
  return spec.quality == QualitySource::kTrainLoss ? 1.0 : 0.1;
}

double Reward(const RewardSpec& spec, double quality, double cost, double target) {
  PRECIS_CHECK(cost > 0 && target > 0);
  if (!std::isfinite(quality)) return quality;
  const double beta = RewardBeta(spec);
  const double ratio = cost / target;
  double reward = 0;
  switch (spec.shape) {
    case RewardShape::kAbsolute:
      reward = quality - beta * std::abs(ratio - 1);
      break;
    case RewardShape::kOneSided:
      reward = quality - beta * std::max(0.0, ratio - 1);
      break;
    case RewardShape::kSoftExponential:
      reward = Scaled(quality, ratio, beta);
      break;
    case RewardShape::kHardExponential:
      reward = Scaled(quality, std::max(1.0, ratio), beta);
      break;
  }
  return std::clamp(reward, -kLargest, kLargest);
}

}  // namespace precis::search
