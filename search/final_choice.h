// From a policy to one configuration within the target.
#pragma once

#include <cstdint>
#include <vector>

#include "search/controller/controller.h"
#include "search/cost/cost_model.h"
#include "supernet/graph/assignment.h"

namespace precis::search {

// The most probable choices (argmax in every decision; ties go to the cheaper option) and, if those cost
// more than `target`, the most probable choices that do not: a multiple-choice knapsack over
// log-probabilities. Solved by Lagrangian relaxation with greedy repair and refill, exact when the
// argmax is feasible; always feasible if the space's cheapest assignment is (precondition, checked).
Choices MostProbableWithin(const SearchSpace& space,
                           const std::vector<std::vector<double>>& log_probabilities, const CostModel& model,
                           double target);

}  // namespace precis::search
