// REINFORCE on independent categorical policies.
#include "search/controller/reinforce.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "search/controller/near_budget.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kLeastProbability = 1e-8;
constexpr double kGrowth = 10;  // of a growing rate, from first to last step
constexpr double kAdamBeta2 = 0.999;
constexpr double kAdamEpsilon = 1e-8;

std::vector<double> Softmax(const std::vector<double>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p(logits.size());
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(logits[i] - largest);
  for (double& value : p) value /= sum;
  return p;
}

std::vector<double> Clamped(std::vector<double> p) {
  double sum = 0;
  for (double& value : p) sum += value = std::max(value, kLeastProbability);
  for (double& value : p) value /= sum;
  return p;
}

double Entropy(const std::vector<double>& p) {
  double entropy = 0;
  for (double value : p) entropy -= value * std::log(value);
  return entropy;
}

}  // namespace

ReinforceController::ReinforceController(const std::vector<int>& option_counts,
                                         const ReinforceOptions& options)
    : options_(options), generator_(options.seed) {
  PRECIS_CHECK(!option_counts.empty());
  for (int count : option_counts) {
    PRECIS_CHECK(count >= 1);
    logits_.emplace_back(static_cast<size_t>(count), 0.0);
  }
  first_moment_ = logits_;
  second_moment_ = logits_;
}

std::vector<std::vector<double>> ReinforceController::Probabilities() const {
  std::vector<std::vector<double>> all;
  all.reserve(logits_.size());
  for (const auto& logits : logits_) all.push_back(Clamped(Softmax(logits)));
  return all;
}

Choices ReinforceController::Propose(int64_t step) {
  step_ = step;
  const auto probabilities = Probabilities();
  Choices choices;
  choices.reserve(logits_.size());
  for (const auto& p : probabilities) {
    const double u = UniformUnit(generator_);
    size_t choice = 0;
    if (step < options_.warmup_steps) {
      choice = std::min(static_cast<size_t>(u * static_cast<double>(p.size())), p.size() - 1);
    } else {
      double below = p[0];
      while (choice + 1 < p.size() && u >= below) below += p[++choice];
    }
    choices.push_back(static_cast<int>(choice));
  }
  return choices;
}

double ReinforceController::PolicyProgress(int64_t step) const {
  const double span =
      static_cast<double>(std::max<int64_t>(options_.search_steps - options_.warmup_steps, 1));
  return std::clamp(static_cast<double>(step - options_.warmup_steps) / span, 0.0, 1.0);
}

double ReinforceController::LearningRate(int64_t step) const {
  const double rate = options_.spec.learning_rate;
  return options_.spec.rate_schedule == RateSchedule::kGrowing
             ? rate * std::pow(kGrowth, PolicyProgress(step))
             : rate;
}

double ReinforceController::EntropyWeight(int64_t step) const {
  const double t = PolicyProgress(step);
  const double weight = options_.spec.entropy_weight;
  switch (options_.spec.entropy_schedule) {
    case EntropySchedule::kCosine:
      return weight * (1 - std::cos(std::numbers::pi * t)) / 2;
    case EntropySchedule::kLinear:
      return weight * t;
    case EntropySchedule::kConstant:
      break;
  }
  return weight;
}

std::vector<std::vector<double>> ReinforceController::Gradient(const Choices& choices, double advantage,
                                                               double entropy_weight) const {
  PRECIS_CHECK(choices.size() == logits_.size());
  const double decisions = static_cast<double>(logits_.size());
  const double share = options_.spec.log_prob == LogProbReduction::kMean ? 1 / decisions : 1;
  std::vector<std::vector<double>> gradient;
  gradient.reserve(logits_.size());
  for (size_t d = 0; d < logits_.size(); ++d) {
    // Through q = m / sum(m), m = max(s, least), s = softmax(logits), from the back.
    const std::vector<double> s = Softmax(logits_[d]);
    const std::vector<double> q = Clamped(s);
    const size_t n = s.size();
    double sum_m = 0;
    for (double value : s) sum_m += std::max(value, kLeastProbability);

    std::vector<double> by_q(n);
    double mean_by_q = 0;
    for (size_t i = 0; i < n; ++i) {
      by_q[i] = -entropy_weight / decisions * (std::log(q[i]) + 1);
      if (static_cast<int>(i) == choices[d]) by_q[i] -= advantage * share / q[i];
      mean_by_q += by_q[i] * q[i];
    }
    std::vector<double> by_s(n);
    double mean_by_s = 0;
    for (size_t i = 0; i < n; ++i) {
      by_s[i] = s[i] > kLeastProbability ? (by_q[i] - mean_by_q) / sum_m : 0;
      mean_by_s += by_s[i] * s[i];
    }
    std::vector<double> by_logit(n);
    for (size_t i = 0; i < n; ++i) by_logit[i] = s[i] * (by_s[i] - mean_by_s);
    gradient.push_back(std::move(by_logit));
  }
  return gradient;
}

void ReinforceController::Observe(const Choices& choices, double reward) {
  if (!std::isfinite(reward)) return;
  const bool is_first = baseline_weight_ == 0 && !options_.spec.baseline_debiased;
  const double momentum = is_first ? 0 : options_.spec.baseline_momentum;
  baseline_ = momentum * baseline_ + (1 - momentum) * reward;
  baseline_weight_ = options_.spec.baseline_debiased ? momentum * baseline_weight_ + (1 - momentum) : 1;
  if (step_ < options_.warmup_steps) return;

  const auto gradient = Gradient(choices, reward - baseline_ / baseline_weight_, EntropyWeight(step_));
  const double beta1 = options_.spec.adam_beta1;
  const double rate = LearningRate(step_);
  ++updates_;
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(updates_));
  const double correction2 = 1 - std::pow(kAdamBeta2, static_cast<double>(updates_));
  for (size_t d = 0; d < logits_.size(); ++d) {
    for (size_t i = 0; i < logits_[d].size(); ++i) {
      double& m = first_moment_[d][i];
      double& v = second_moment_[d][i];
      const double g = gradient[d][i];
      m = beta1 * m + (1 - beta1) * g;
      v = kAdamBeta2 * v + (1 - kAdamBeta2) * g * g;
      logits_[d][i] -= rate * (m / correction1) / (std::sqrt(v / correction2) + kAdamEpsilon);
    }
  }
}

void ReinforceController::Prefer(const std::vector<std::vector<double>>& preferences) {
  PRECIS_CHECK(preferences.size() == logits_.size());
  for (size_t d = 0; d < logits_.size(); ++d) {
    PRECIS_CHECK(preferences[d].size() == logits_[d].size());
    for (size_t i = 0; i < logits_[d].size(); ++i) {
      PRECIS_CHECK(std::isfinite(preferences[d][i]));
      logits_[d][i] += preferences[d][i];
    }
  }
}

std::vector<std::vector<double>> ReinforceController::LogProbabilities() const {
  auto all = Probabilities();
  for (auto& p : all) {
    for (double& value : p) value = std::log(value);
  }
  return all;
}

PolicySummary ReinforceController::Summary() const {
  PolicySummary summary;
  for (const auto& p : Probabilities()) {
    summary.mean_entropy += Entropy(p);
    summary.mean_max_probability += *std::max_element(p.begin(), p.end());
  }
  summary.mean_entropy /= static_cast<double>(logits_.size());
  summary.mean_max_probability /= static_cast<double>(logits_.size());
  return summary;
}

}  // namespace precis::search
