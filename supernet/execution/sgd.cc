// The update in multi-tensor operations: a few launches for all parameters on a GPU.
#include "supernet/execution/sgd.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>
#include <utility>

#include "supernet/formats/check.h"

namespace precis {
namespace {

std::vector<at::Tensor> Defined(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> defined;
  std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(defined),
               [](const at::Tensor& tensor) { return tensor.defined(); });
  return defined;
}

}  // namespace

double LearningRateAt(int64_t step, const TrainingOptions& options) {
  if (step >= options.steps) return 0;
  const double warmup = options.warmup_share * static_cast<double>(options.steps);
  const auto position = static_cast<double>(step);
  if (position + 1 <= warmup) return options.learning_rate * (position + 1) / warmup;
  const auto steps = static_cast<double>(options.steps);
  const double decay = std::max(warmup, (1 - options.decay_share) * steps);
  const double progress =
      std::max((position - decay) / (steps - decay), 0.0) * static_cast<double>(options.cycles);
  const double cycle = std::floor(progress);
  const double peak = options.learning_rate * (cycle > 0 ? options.cycle_rate : 1);
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * (progress - cycle)));
}

Sgd::Sgd(std::vector<at::Tensor> parameters, const std::vector<bool>& decays, const TrainingOptions& options)
    : parameters_(std::move(parameters)),
      momentum_factor_(options.momentum),
      weight_decay_(options.weight_decay),
      nesterov_(options.nesterov) {
  PRECIS_CHECK(decays.size() == parameters_.size());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (decays[i]) decaying_.push_back(i);
    momentum_.push_back(at::zeros_like(parameters_[i]));
  }
}

void Sgd::Add(const at::Tensor& parameter) {
  parameters_.push_back(parameter);
  momentum_.push_back(at::zeros_like(parameter));
}

void Sgd::Step(std::vector<at::Tensor> gradients, double rate) {
  PRECIS_CHECK(gradients.size() == parameters_.size());
  const c10::NoGradGuard no_gradients;
  if (weight_decay_ != 0) {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> weight_gradients;
    for (const size_t i : decaying_) {
      if (!gradients[i].defined()) continue;
      weights.push_back(parameters_[i]);
      weight_gradients.push_back(gradients[i]);
    }
    if (!weights.empty()) at::_foreach_add_(weight_gradients, weights, weight_decay_);
  }
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> momentum;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    parameters.push_back(parameters_[i]);
    momentum.push_back(momentum_[i]);
  }
  gradients = Defined(gradients);
  if (gradients.empty()) return;
  if (momentum_factor_ != 0) {
    at::_foreach_mul_(momentum, momentum_factor_);
    at::_foreach_add_(momentum, gradients, 1.0);
    if (nesterov_) {
      at::_foreach_add_(gradients, momentum, momentum_factor_);
    } else {
      gradients = momentum;
    }
  }
  at::_foreach_add_(parameters, gradients, -rate);
}

void Sgd::Truncate(size_t count) {
  PRECIS_CHECK(count <= parameters_.size());
  parameters_.resize(count);
  momentum_.resize(count);
  std::erase_if(decaying_, [count](size_t i) { return i >= count; });
}

void Sgd::Reset() {
  for (const at::Tensor& buffer : momentum_) buffer.zero_();
}

at::Tensor GlobalNorm(const std::vector<at::Tensor>& gradients) {
  return at::stack(at::_foreach_norm(Defined(gradients), 2)).norm();
}

}  // namespace precis
