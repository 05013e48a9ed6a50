// SampleLog: what was sampled during a search, and how good each sample probably is.
//
// One reward is a poor witness: a probe of 128 images is off by about 3 % of accuracy, and a sample of
// early steps was measured on weights that had learnt little. So qualities are estimated together, by
// ridge regression of all samples on an additive model (one effect for every option of every decision)
// plus a piecewise linear trend over the steps; a sample proposed n times keeps n / (n + 10) of what its own
// mean is off the model. Later samples weigh more (e^2 from first to last): their weights are nearer the
// final ones.
//
// Threading: not thread-safe; the search loop owns it. Memory is bounded: the last kMostSamples count.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "search/controller/controller.h"

namespace precis::search {

struct SampleEstimate {
  Choices choices;
  int64_t first_step = 0;  // at which it was first proposed, within the log
  int64_t times = 0;
  double quality = 0;  // on the weights of the last step; up to the error of the estimate
};

class SampleLog {
 public:
  static constexpr size_t kMostSamples = 50000;

  // steps: how many the search will take, so that the trend has its knots.
  SampleLog(std::vector<int> option_counts, int64_t steps);

  // step rises with every call, 0…steps-1. quality: finite.
  void Add(int64_t step, const Choices& choices, double quality);

  // First step at which `choices` was proposed, -1 if never.
  int64_t FirstStep(const Choices& choices) const;

  // Every distinct sample, in the order first proposed.
  std::vector<SampleEstimate> Estimates() const;

 private:
  struct Entry {
    int64_t step = 0;
    Choices choices;
    double quality = 0;
  };

  std::vector<double> Fit() const;
  double TrendAt(const std::vector<double>& coefficients, int64_t step) const;
  double EffectOf(const std::vector<double>& coefficients, const Choices& choices) const;

  const int64_t steps_;
  std::vector<size_t> first_column_;  // of each decision's effects
  size_t columns_ = 0;                // trend, then effects
  std::deque<Entry> entries_;
};

}  // namespace precis::search
