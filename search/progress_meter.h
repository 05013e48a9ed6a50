// ProgressMeter: keeps a job's Progress: moving averages, and the share done in honest units.
//
// Work is counted in images through the network: a training step is three passes over its batch (forward,
// and backward at twice that), a probe or evaluation one pass over its images, recalibration included.
//
// Threading: not thread-safe; the search loop owns it.
#pragma once

#include <cstdint>

#include "search/plan.h"
#include "search/search_loop.h"

namespace precis::search {

// Exponential moving average over about 50 values, without bias towards its start.
class MovingAverage {
 public:
  void Add(double value);
  double value() const { return weight_ > 0 ? sum_ / weight_ : 0; }

 private:
  double sum_ = 0;
  double weight_ = 0;
};

class ProgressMeter {
 public:
  explicit ProgressMeter(const Plan& plan);

  // Images that one piece of work takes.
  double step_images() const { return step_images_; }
  double probe_images() const { return probe_images_; }  // 0 where rewards come from the training batch
  double evaluation_images(bool test) const { return test ? test_images_ : search_images_; }

  void SetAhead(double images) { ahead_ = images; }  // what is still to do, from here
  void Done(double images);                          // has been done and is no longer ahead

  void AddSample(double reward, double cost);
  void AddLoss(double loss, double accuracy);

  int64_t images_trained = 0;
  int64_t images_evaluated = 0;  // probes and evaluations, recalibration included
  Progress progress;             // phase, step, entropies and rejected steps are the loop's to set

 private:
  double step_images_ = 0;
  double probe_images_ = 0;
  double search_images_ = 0;
  double test_images_ = 0;
  double done_ = 0;
  double ahead_ = 0;
  MovingAverage loss_, accuracy_, reward_, cost_;
};

}  // namespace precis::search
