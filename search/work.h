// Work: what a job has to compute, from its plan alone, before and while it runs.
//
// Counted in passes of one image through the network, as ProgressMeter does: a trained image is three. All
// are upper limits, since how many distinct candidates there will be is not known beforehand.
//
// Threading: pure functions.
#pragma once

#include <cstdint>

#include "search/plan.h"

namespace precis::search {

// What the loop measures beside the trunk's own (search_loop.h).
constexpr int64_t kProvisionalIntervals = 8;
constexpr size_t kFreezeSamples = 3;
constexpr size_t kLegReferences = 2;  // of every one of many targets
constexpr size_t kLegProposals = 2;

// Configurations that random and evolution measure: as many as the job asks for, or as precis would measure.
int64_t Evaluations(const Plan& plan);

// From `step` of the search steps to the freeze, provisional evaluations included.
double PassesToFreeze(const Plan& plan, int64_t step);
// From `step` of the frozen steps of a target, or from its freeze, to the end of the job.
double PassesAfterFreeze(const Plan& plan, size_t target, int64_t step);

struct WorkEstimate {
  int64_t images_trained = 0;
  int64_t images_evaluated = 0;
  // With that many threads and nothing else running, by the rates in work.cc, which were measured on one CPU:
  // good to a factor of two.
  double seconds = 0;
};
// threads >= 1.
WorkEstimate EstimateWork(const Plan& plan, int threads);

}  // namespace precis::search
