// From a policy to one configuration within several limits at once.
//
// Threading: pure functions.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "search/controller/controller.h"
#include "search/cost/cost_model.h"
#include "search/plan.h"
#include "supernet/graph/assignment.h"

namespace precis::search {

struct CostBound {
  const CostModel* model = nullptr;
  double at_most = 0;  // > 0, in the model's unit
};

// The choices with the largest sum of values (log-probabilities, or any other finite ones; equal sums go to
// the smaller sum of shares of the bounds), within all bounds: a multiple-choice knapsack of several
// dimensions. With one bound final_choice.h's, exact. With more: the best without bounds if that fits; else
// Lagrangian relaxation, repair and refill, and from there branch and bound, which is exact where it ends
// within a million nodes (spaces of some ten decisions always do) and otherwise returns the best it has met.
// Nothing, if none was found; surely so if none is. Deterministic. Milliseconds to a second.
std::optional<Choices> MostProbableWithin(const SearchSpace& space,
                                          const std::vector<std::vector<double>>& values,
                                          std::span<const CostBound> bounds);

// Within the plan's limits, with `target` in the place of its own. Where none is found (a target below the
// plan's may leave none), within `target` alone. Precondition: target >= plan.cheapest.
Choices MostProbableWithin(const Plan& plan, const std::vector<std::vector<double>>& values, double target);

}  // namespace precis::search
