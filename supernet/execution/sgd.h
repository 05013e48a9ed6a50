// Stochastic gradient descent with momentum, and the schedule of its rate. Internal to supernet/execution.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "supernet/graph/training_options.h"

namespace precis {

// The rate of step `step` (0-based): linear up to options.learning_rate over the first warmup_share of the
// steps, that rate until the last decay_share of them, then a cosine down to 0 at options.steps; 0 from there
// on.
double LearningRateAt(int64_t step, const TrainingOptions& options);

// v ← momentum·v + (g + decay·w);  w ← w − rate·(g + decay·w + momentum·v) with Nesterov, else w − rate·v.
// Threading: not thread-safe.
class Sgd {
 public:
  // `decays[i]`: whether weight decay applies to parameters[i].
  Sgd(std::vector<at::Tensor> parameters, const std::vector<bool>& decays, const TrainingOptions& options);

  // Another parameter, without weight decay, behind those there are.
  void Add(const at::Tensor& parameter);

  // Changes the parameters and the momentum. `gradients` must match the parameters and are overwritten; a
  // parameter whose gradient is undefined stays as it is, and so does its momentum.
  void Step(std::vector<at::Tensor> gradients, double rate);

  // Forgets the parameters behind the first `count`.
  void Truncate(size_t count);

  // Forgets the momentum.
  void Reset();

  // Of every parameter, in their order. The values may be written, under NoGradGuard, never replaced.
  const std::vector<at::Tensor>& momentum() const { return momentum_; }

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<size_t> decaying_;  // indices of the parameters with weight decay
  std::vector<at::Tensor> momentum_;
  double momentum_factor_;
  double weight_decay_;
  bool nesterov_;
};

// Global L2 norm over all gradients that are defined: shape {}, FP32. Infinite or NaN if any element is.
at::Tensor GlobalNorm(const std::vector<at::Tensor>& gradients);

}  // namespace precis
