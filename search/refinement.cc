// One step around an answer.
#include "search/refinement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "search/bounded_choice.h"
#include "search/cost/cost_model.h"
#include "search/effects.h"

namespace precis::search {
namespace {

// An effect is measured on half of the screening's images, since there are many around every target; the two
// that are compared at the end on so many times these.
constexpr int64_t kVerification = 4;

int64_t EffectImages(const Plan& plan) { return (plan.spec.controller.screening_images + 1) / 2; }

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Refinement::Refinement(const Plan& plan, const Effects& screened)
    : plan_(plan),
      screened_(screened),
      levels_(CostLevels(plan.space, *plan.costs[plan.constrained])),
      effects_(screened) {}

double Refinement::ImagesOf(const Plan& plan) {
  int64_t near = 1;
  for (const Decision& decision : plan.space.decisions) {
    near += std::min<int64_t>(2, static_cast<int64_t>(decision.size()) - 1);
  }
  return static_cast<double>((near + 2 * kVerification) * EffectImages(plan));
}

bool Refinement::IsNear(size_t decision, int from, size_t to) const {
  const auto a = static_cast<int64_t>(levels_[decision][static_cast<size_t>(from)]);
  return std::abs(a - static_cast<int64_t>(levels_[decision][to])) <= 1;
}

Effects Refinement::EffectsAround(const Choices& answer, const Effects& measured) const {
  Effects effects = measured;
  for (size_t d = 0; d < effects.size(); ++d) {
    const size_t here = levels_[d][static_cast<size_t>(answer[d])];
    for (size_t o = 0; o < effects[d].size(); ++o) {
      if (!std::isnan(measured[d][o])) continue;
      // The measured option nearest in cost, on the same side; of those of equal cost the best.
      const bool above = levels_[d][o] > here;
      size_t nearest = static_cast<size_t>(answer[d]);
      for (size_t m = 0; m < measured[d].size(); ++m) {
        if (std::isnan(measured[d][m]) || levels_[d][m] == here || (levels_[d][m] > here) != above) continue;
        if (nearest == static_cast<size_t>(answer[d]) || measured[d][m] > measured[d][nearest]) nearest = m;
      }
      effects[d][o] = measured[d][nearest] + screened_[d][o] - screened_[d][nearest];
    }
  }
  return effects;
}

absl::StatusOr<Choices> Refinement::Improve(OracleSession& session, const Choices& answer, double budget) {
  const int64_t images = EffectImages(plan_);
  const absl::StatusOr<double> here = session.Screen(plan_.space.Apply(answer), images);
  if (!here.ok()) return here.status();
  Effects measured;
  for (size_t d = 0; d < answer.size(); ++d) {
    measured.emplace_back(levels_[d].size(), kUnknown);
    measured[d][static_cast<size_t>(answer[d])] = 0;
    for (size_t o = 0; o < levels_[d].size(); ++o) {
      if (static_cast<int>(o) == answer[d] || !IsNear(d, answer[d], o)) continue;
      Choices changed = answer;
      changed[d] = static_cast<int>(o);
      const absl::StatusOr<double> quality = session.Screen(plan_.space.Apply(changed), images);
      if (!quality.ok()) return quality.status();
      measured[d][o] = *quality - *here;
      if (absl::Status status = session.Report(); !status.ok()) return status;
    }
  }
  const CostModel& model = *plan_.costs[plan_.constrained];
  effects_ = SmoothedEffects(plan_.space, model, EffectsAround(answer, measured));
  const Choices solution = MostProbableWithin(plan_, effects_, budget);
  if (solution == answer) return answer;

  const int64_t more = std::min(kVerification * images, plan_.spec.data.search_images);
  const absl::StatusOr<double> before = session.Screen(plan_.space.Apply(answer), more);
  if (!before.ok()) return before.status();
  const absl::StatusOr<double> after = session.Screen(plan_.space.Apply(solution), more);
  if (!after.ok()) return after.status();
  return *after > *before ? solution : answer;
}

}  // namespace precis::search
