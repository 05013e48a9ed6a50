// One change at a time.
#include "search/screening.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "search/format_error.h"

namespace precis::search {
namespace {

constexpr double kAccuracyPerNat = 0.02;
constexpr double kLossPerNat = 0.06;
constexpr double kLeastPreference = -6;
// Variance of one probe's image, about 0.15 for accuracies, over that of an image's difference between two
// configurations alike in all but one layer, about 0.05.
constexpr double kPairing = 3;

Choices WidestChoices(const SearchSpace& space) {
  Choices choices;
  for (const std::vector<double>& errors : OptionErrors(space)) {
    choices.push_back(static_cast<int>(std::min_element(errors.begin(), errors.end()) - errors.begin()));
  }
  return choices;
}

// None: the loss.
std::optional<NoiseMeasure> MeasureOf(const Plan& plan) {
  switch (plan.spec.controller.score) {
    case OptionScore::kFisher:
      return NoiseMeasure::kFisher;
    case OptionScore::kQsnr:
      return NoiseMeasure::kQsnr;
    case OptionScore::kLoss:
      break;
  }
  return std::nullopt;
}

}  // namespace

Screening::Screening(const Plan& plan) : plan_(plan), widest_(WidestChoices(plan.space)) {}

double Screening::ImagesOf(const Plan& plan) {
  int64_t passes = 1;
  size_t most_options = 0;
  for (const Decision& decision : plan.space.decisions) {
    passes += static_cast<int64_t>(decision.size()) - 1;
    most_options = std::max(most_options, decision.size());
  }
  if (const std::optional<NoiseMeasure> measure = MeasureOf(plan)) {
    passes = NoisePasses(*measure, most_options);
  }
  return static_cast<double>(passes * plan.spec.controller.screening_images);
}

absl::Status Screening::Measure(OracleSession& session) {
  const int64_t images = plan_.spec.controller.screening_images;
  if (images == 0) return absl::OkStatus();
  if (const std::optional<NoiseMeasure> measure = MeasureOf(plan_)) return MeasureNoise(session, *measure);
  const absl::StatusOr<double> all_widest = session.Screen(plan_.space.Apply(widest_), images);
  if (!all_widest.ok()) return all_widest.status();
  std::vector<std::vector<double>> effects;
  for (size_t d = 0; d < widest_.size(); ++d) {
    effects.emplace_back(plan_.space.decisions[d].size(), 0.0);
    for (size_t o = 0; o < effects[d].size(); ++o) {
      if (static_cast<int>(o) == widest_[d]) continue;
      Choices choices = widest_;
      choices[d] = static_cast<int>(o);
      const absl::StatusOr<double> quality = session.Screen(plan_.space.Apply(choices), images);
      if (!quality.ok()) return quality.status();
      // Rounding less cannot be worse; being larger can.
      const double effect = *quality - *all_widest;
      effects[d][o] = plan_.space.decisions[d].IsArchitecture() ? effect : std::min(0.0, effect);
      if (absl::Status status = session.Report(); !status.ok()) return status;
    }
  }
  effects_ = std::move(effects);
  return absl::OkStatus();
}

absl::Status Screening::MeasureNoise(OracleSession& session, NoiseMeasure measure) {
  LayerOptions options(plan_.layers.size());
  for (const Decision& decision : plan_.space.decisions) {
    for (size_t layer : decision.layers) options[layer] = decision.options;
  }
  const absl::StatusOr<LayerScores> scores = session.ScoreNoise(measure, plan_.space.Apply(widest_), options,
                                                                plan_.spec.controller.screening_images);
  if (!scores.ok()) return scores.status();
  effects_.clear();
  for (size_t d = 0; d < widest_.size(); ++d) {
    const Decision& decision = plan_.space.decisions[d];
    effects_.emplace_back(decision.size(), 0.0);
    for (size_t o = 0; o < decision.size(); ++o) {
      for (size_t layer : decision.layers) {
        const std::vector<double>& of_layer = (*scores)[layer];
        effects_[d][o] += of_layer[static_cast<size_t>(widest_[d])] - of_layer[o];
      }
      effects_[d][o] = std::min(0.0, effects_[d][o]);
    }
  }
  return session.Report();
}

std::vector<std::vector<double>> Screening::Preferences() const {
  const bool by_loss = plan_.spec.reward.quality == QualitySource::kTrainLoss;
  std::vector<std::vector<double>> preferences = effects_;
  for (auto& options : preferences) {
    for (double& value : options) {
      value = std::max(value / (by_loss ? kLossPerNat : kAccuracyPerNat), kLeastPreference);
    }
  }
  return preferences;
}

std::vector<std::vector<double>> Screening::Blend(const LogEstimate& estimate) const {
  if (effects_.empty()) return estimate.effects;
  const double worth = kPairing * static_cast<double>(plan_.spec.controller.screening_images) /
                       static_cast<double>(plan_.spec.reward.probe_images);
  std::vector<std::vector<double>> blend = effects_;
  for (size_t d = 0; d < blend.size(); ++d) {
    const double widest = estimate.effects[d][static_cast<size_t>(widest_[d])];
    for (size_t o = 0; o < blend[d].size(); ++o) {
      const auto times = static_cast<double>(estimate.times[d][o]);
      blend[d][o] = (worth * blend[d][o] + times * (estimate.effects[d][o] - widest)) / (worth + times);
    }
  }
  return blend;
}

}  // namespace precis::search
