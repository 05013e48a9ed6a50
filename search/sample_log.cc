// Ridge regression by conjugate gradients, so that wide spaces need no matrix.
#include "search/sample_log.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr size_t kKnots = 9;
// Ridges are variances of the noise over those of the coefficients expected: noise 0.05, sensitivity 0.15 or
// so, deviation 0.0015, on the scale of accuracies; on that of losses all are larger alike.
constexpr double kTrendRidge = 1e-3;
constexpr double kSensitivityRidge = 0.1;
constexpr double kDeviationRidge = 1000;
constexpr double kLeastSensitivity =
    1e-4;                           // a finer option is never held to be worse, whatever the noise says
constexpr double kOwnSamples = 10;  // own observations that count as much as the model
constexpr double kRecency = 2;      // log of the last sample's weight over the first's
constexpr int kIterations = 300;

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The two knots around a step and their shares.
struct Hat {
  size_t left = 0;
  double right_share = 0;
};
Hat HatAt(int64_t step, int64_t steps) {
  const double position = static_cast<double>(step) / static_cast<double>(steps) * (kKnots - 1);
  const size_t left = std::min(static_cast<size_t>(position), kKnots - 2);
  return {left, position - static_cast<double>(left)};
}

}  // namespace

SampleLog::SampleLog(std::vector<std::vector<double>> option_errors, int64_t steps)
    : steps_(std::max<int64_t>(steps, 1)), errors_(std::move(option_errors)), columns_(kKnots) {
  for (const auto& options : errors_) {
    first_column_.push_back(columns_);
    columns_ += 1 + options.size();
  }
}

void SampleLog::Add(int64_t step, const Choices& choices, double quality) {
  PRECIS_CHECK(choices.size() == errors_.size() && std::isfinite(quality));
  if (entries_.size() == kMostSamples) entries_.pop_front();
  entries_.push_back({step, choices, quality});
}

int64_t SampleLog::FirstStep(const Choices& choices) const {
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return entry.choices == choices; });
  return at == entries_.end() ? -1 : at->step;
}

double SampleLog::TrendAt(const Vector& coefficients, int64_t step) const {
  const Hat hat = HatAt(step, steps_);
  return coefficients[hat.left] * (1 - hat.right_share) + coefficients[hat.left + 1] * hat.right_share;
}

double SampleLog::EffectOf(const Vector& coefficients, const Choices& choices) const {
  double sum = 0;
  for (size_t d = 0; d < choices.size(); ++d) {
    const auto option = static_cast<size_t>(choices[d]);
    const size_t column = first_column_[d];
    sum += coefficients[column + 1 + option] - coefficients[column] * errors_[d][option];
  }
  return sum;
}

void SampleLog::Scatter(const Entry& entry, double amount, Vector& into) const {
  const Hat hat = HatAt(entry.step, steps_);
  into[hat.left] += amount * (1 - hat.right_share);
  into[hat.left + 1] += amount * hat.right_share;
  for (size_t d = 0; d < entry.choices.size(); ++d) {
    const auto option = static_cast<size_t>(entry.choices[d]);
    into[first_column_[d]] -= amount * errors_[d][option];
    into[first_column_[d] + 1 + option] += amount;
  }
}

SampleLog::Vector SampleLog::Fit() const {
  const auto weight = [this](const Entry& entry) {
    return std::exp(kRecency * (static_cast<double>(entry.step) / static_cast<double>(steps_) - 1));
  };
  Vector ridge(columns_, kDeviationRidge);
  std::fill_n(ridge.begin(), kKnots, kTrendRidge);
  for (size_t column : first_column_) ridge[column] = kSensitivityRidge;

  // (XᵀWX + ridge)·x = XᵀWy
  Vector solution(columns_, 0), residual(columns_, 0);
  for (const Entry& entry : entries_) Scatter(entry, weight(entry) * entry.quality, residual);
  Vector direction = residual;
  double norm = Dot(residual, residual);
  const double enough = norm * 1e-18;
  for (int i = 0; i < kIterations && norm > enough; ++i) {
    Vector image(columns_);
    for (size_t c = 0; c < columns_; ++c) image[c] = ridge[c] * direction[c];
    for (const Entry& entry : entries_) {
      const double fitted = TrendAt(direction, entry.step) + EffectOf(direction, entry.choices);
      Scatter(entry, weight(entry) * fitted, image);
    }
    const double step = norm / Dot(direction, image);
    for (size_t c = 0; c < columns_; ++c) {
      solution[c] += step * direction[c];
      residual[c] -= step * image[c];
    }
    const double next = Dot(residual, residual);
    for (size_t c = 0; c < columns_; ++c) direction[c] = residual[c] + next / norm * direction[c];
    norm = next;
  }
  for (size_t column : first_column_) solution[column] = std::max(solution[column], kLeastSensitivity);
  return solution;
}

LogEstimate SampleLog::Estimate() const {
  const Vector coefficients = Fit();
  LogEstimate estimate;
  estimate.effects = errors_;
  for (const auto& options : errors_) estimate.times.emplace_back(options.size(), 0);
  for (const Entry& entry : entries_) {
    for (size_t d = 0; d < errors_.size(); ++d) ++estimate.times[d][static_cast<size_t>(entry.choices[d])];
  }
  for (size_t d = 0; d < errors_.size(); ++d) {
    const size_t column = first_column_[d];
    for (size_t o = 0; o < errors_[d].size(); ++o) {
      estimate.effects[d][o] = coefficients[column + 1 + o] - coefficients[column] * errors_[d][o];
    }
  }

  std::vector<double> off;  // sum of what each sample's qualities are off the model
  std::map<Choices, size_t> index;
  for (const Entry& entry : entries_) {
    const double effect = EffectOf(coefficients, entry.choices);
    const auto [at, is_new] = index.emplace(entry.choices, estimate.samples.size());
    if (is_new) {
      estimate.samples.push_back({entry.choices, entry.step, 0, effect});
      off.push_back(0);
    }
    ++estimate.samples[at->second].times;
    off[at->second] += entry.quality - TrendAt(coefficients, entry.step) - effect;
  }
  const double trend = entries_.empty() ? 0 : TrendAt(coefficients, entries_.back().step);
  for (size_t i = 0; i < estimate.samples.size(); ++i) {
    SampleEstimate& sample = estimate.samples[i];
    sample.quality += trend + off[i] / (static_cast<double>(sample.times) + kOwnSamples);
  }
  return estimate;
}

}  // namespace precis::search
