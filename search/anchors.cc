// Formats for a given architecture, and one probe each.
#include "search/anchors.h"

#include <optional>
#include <set>
#include <vector>

#include "search/bounded_choice.h"
#include "search/controller/near_budget.h"
#include "search/joint_choice.h"

namespace precis::search {

absl::StatusOr<Choices> BestAnchor(const Plan& plan, OracleSession& session, const Effects& effects,
                                   const Choices& answer, double budget, std::mt19937_64& generator) {
  std::vector<CostBound> bounds;
  for (const CostLimit& limit : plan.limits) bounds.push_back({plan.costs[limit.cost].get(), limit.amount});
  bounds.front().at_most = budget;

  std::set<Choices> tried = {answer};
  std::vector<Choices> contenders = {answer};
  for (int64_t i = 0; i < kAnchors; ++i) {
    Architecture architecture;
    for (const ElasticDimension& dimension : plan.network->dimensions()) {
      architecture.push_back(static_cast<int>(UniformIndex(dimension.options.size(), generator)));
    }
    if (i == 0) architecture = plan.network->Smallest();
    if (i == 1) architecture = plan.network->Own();
    if (i == 2) architecture = plan.network->Largest();
    const std::optional<Choices> choices = FormatsWithin(plan.space, architecture, effects, bounds);
    if (choices && tried.insert(*choices).second) contenders.push_back(*choices);
  }

  const Choices* best = nullptr;
  double most = 0;
  for (const Choices& each : contenders) {
    const absl::StatusOr<double> quality =
        session.Screen(plan.space.Apply(each), plan.spec.controller.screening_images);
    if (!quality.ok()) return quality.status();
    if (best == nullptr || *quality > most) {
      best = &each;
      most = *quality;
    }
    if (absl::Status status = session.Report(); !status.ok()) return status;
  }
  return *best;
}

}  // namespace precis::search
