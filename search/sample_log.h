// SampleLog: what was sampled during a search, and what all of it together says about every option.
//
// One reward is a poor witness: a probe of 128 images is off by about 3 % of accuracy, as much as a step from
// 4 to 8 bits can give in all layers together. So the samples are estimated together, by ridge regression:
//
//   quality = trend(step) - Σ_d sensitivity_d · error_d(option) + Σ_d deviation_d(option) + noise
//
// trend is piecewise linear; error is how coarse the option's formats are (search/format_error.h), so one
// sensitivity per decision carries most of the knowledge, which is why about a thousand samples suffice;
// deviations, held small, take up what errors do not explain. Later samples weigh more (e^2 from first to
// last), since their weights are nearer the final ones. A sample proposed n times also keeps n / (n + 10) of
// what its own mean is off the model.
//
// The idea that a layer's loss is its sensitivity times its quantisation error is HAWQ's (Dong et al. 2019);
// here the sensitivities come from the search's own samples and cost nothing extra.
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

struct LogEstimate {
  std::vector<SampleEstimate> samples;       // distinct, in the order first proposed
  std::vector<std::vector<int64_t>> times;   // [decision][option], how often in the log
  std::vector<std::vector<double>> effects;  // [decision][option], added to quality; never better where
                                             // coarser but for the deviation
};

class SampleLog {
 public:
  static constexpr size_t kMostSamples = 50000;

  // option_errors[d][o] in 0…1, from OptionErrors. steps: how many the search will take, for the trend.
  SampleLog(std::vector<std::vector<double>> option_errors, int64_t steps);

  // step rises with every call, 0…steps-1. quality: finite.
  void Add(int64_t step, const Choices& choices, double quality);

  // First step at which `choices` was proposed, within the log; -1 if never.
  int64_t FirstStep(const Choices& choices) const;

  // Milliseconds for a thousand samples; grows with samples × decisions.
  LogEstimate Estimate() const;

 private:
  struct Entry {
    int64_t step = 0;
    Choices choices;
    double quality = 0;
  };
  using Vector = std::vector<double>;

  // Coefficients: the trend at its knots, then for every decision its sensitivity and its deviations.
  Vector Fit() const;
  double TrendAt(const Vector& coefficients, int64_t step) const;
  double EffectOf(const Vector& coefficients, const Choices& choices) const;
  void Scatter(const Entry& entry, double amount, Vector& into) const;

  const int64_t steps_;
  const std::vector<std::vector<double>> errors_;
  std::vector<size_t> first_column_;  // of each decision
  size_t columns_ = 0;
  std::deque<Entry> entries_;
};

}  // namespace precis::search
