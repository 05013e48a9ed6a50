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
constexpr double kTrendRidge = 1e-3;
constexpr double kEffectRidge = 1.0;
constexpr double kOwnSamples = 10;  // own observations that count as much as the model
constexpr double kRecency = 2;      // log of the last sample's weight over the first's
constexpr int kIterations = 200;

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

SampleLog::SampleLog(std::vector<int> option_counts, int64_t steps)
    : steps_(std::max<int64_t>(steps, 1)), columns_(kKnots) {
  for (int count : option_counts) {
    first_column_.push_back(columns_);
    columns_ += static_cast<size_t>(count);
  }
}

void SampleLog::Add(int64_t step, const Choices& choices, double quality) {
  PRECIS_CHECK(choices.size() == first_column_.size() && std::isfinite(quality));
  if (entries_.size() == kMostSamples) entries_.pop_front();
  entries_.push_back({step, choices, quality});
}

int64_t SampleLog::FirstStep(const Choices& choices) const {
  for (const Entry& entry : entries_) {
    if (entry.choices == choices) return entry.step;
  }
  return -1;
}

double SampleLog::TrendAt(const std::vector<double>& coefficients, int64_t step) const {
  const Hat hat = HatAt(step, steps_);
  return coefficients[hat.left] * (1 - hat.right_share) + coefficients[hat.left + 1] * hat.right_share;
}

double SampleLog::EffectOf(const std::vector<double>& coefficients, const Choices& choices) const {
  double sum = 0;
  for (size_t d = 0; d < choices.size(); ++d)
    sum += coefficients[first_column_[d] + static_cast<size_t>(choices[d])];
  return sum;
}

std::vector<double> SampleLog::Fit() const {
  const auto weight = [this](const Entry& entry) {
    return std::exp(kRecency * (static_cast<double>(entry.step) / static_cast<double>(steps_) - 1));
  };
  const auto scatter = [this](std::vector<double>& into, const Entry& entry, double amount) {
    const Hat hat = HatAt(entry.step, steps_);
    into[hat.left] += amount * (1 - hat.right_share);
    into[hat.left + 1] += amount * hat.right_share;
    for (size_t d = 0; d < entry.choices.size(); ++d) {
      into[first_column_[d] + static_cast<size_t>(entry.choices[d])] += amount;
    }
  };
  // (XᵀWX + ridge)·v
  const auto apply = [&](const std::vector<double>& v) {
    std::vector<double> product(columns_);
    for (size_t i = 0; i < columns_; ++i) product[i] = v[i] * (i < kKnots ? kTrendRidge : kEffectRidge);
    for (const Entry& entry : entries_) {
      scatter(product, entry, weight(entry) * (TrendAt(v, entry.step) + EffectOf(v, entry.choices)));
    }
    return product;
  };

  std::vector<double> solution(columns_, 0), residual(columns_, 0);
  for (const Entry& entry : entries_) scatter(residual, entry, weight(entry) * entry.quality);
  std::vector<double> direction = residual;
  double norm = Dot(residual, residual);
  const double enough = norm * 1e-18;
  for (int i = 0; i < kIterations && norm > enough; ++i) {
    const std::vector<double> image = apply(direction);
    const double step = norm / Dot(direction, image);
    for (size_t c = 0; c < columns_; ++c) {
      solution[c] += step * direction[c];
      residual[c] -= step * image[c];
    }
    const double next = Dot(residual, residual);
    for (size_t c = 0; c < columns_; ++c) direction[c] = residual[c] + next / norm * direction[c];
    norm = next;
  }
  return solution;
}

std::vector<SampleEstimate> SampleLog::Estimates() const {
  const std::vector<double> coefficients = Fit();
  std::vector<SampleEstimate> estimates;
  std::vector<double> off;  // sum of what each sample's qualities are off the model
  std::map<Choices, size_t> index;
  for (const Entry& entry : entries_) {
    const auto [at, is_new] = index.emplace(entry.choices, estimates.size());
    if (is_new) {
      estimates.push_back({entry.choices, entry.step, 0, EffectOf(coefficients, entry.choices)});
      off.push_back(0);
    }
    ++estimates[at->second].times;
    off[at->second] +=
        entry.quality - TrendAt(coefficients, entry.step) - EffectOf(coefficients, entry.choices);
  }
  const double trend = TrendAt(coefficients, entries_.empty() ? 0 : entries_.back().step);
  for (size_t i = 0; i < estimates.size(); ++i) {
    estimates[i].quality += trend + off[i] / (static_cast<double>(estimates[i].times) + kOwnSamples);
  }
  return estimates;
}

}  // namespace precis::search
