// The reward of a sample: quality traded against cost (RewardShape in job_spec.h has the formulas).
#pragma once

#include "search/job_spec.h"

namespace precis::search {

// The weight in force: spec.beta, or the default for spec.quality if that is unset.
double RewardBeta(const RewardSpec& spec);

// quality: accuracy in 0…1 or -loss. cost and target in one unit, both > 0. Not finite exactly if quality
// is not.
double Reward(const RewardSpec& spec, double quality, double cost, double target);

}  // namespace precis::search
