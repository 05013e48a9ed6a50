// Effects: what each option of each decision adds to quality, as measured.
//
// Threading: pure functions.
#pragma once

#include <vector>

#include "search/cost/cost_model.h"
#include "supernet/graph/assignment.h"

namespace precis::search {

// [decision][option], added to quality.
using Effects = std::vector<std::vector<double>>;

// `measured` without what can only be noise: within a decision, the best option of a dearer level of cost is
// never worse than the best of a cheaper one. Levels that violate it move together to their mean (pool
// adjacent violators, Ayer et al. 1955), the options of a level by the same amount. A little is then taken
// off for the rounding error (RelativeError), so that of two options no measurement tells apart the finer one
// is preferred and a budget is spent. Choices of architecture are not smoothed: a smaller network may well be
// the better one.
Effects SmoothedEffects(const SearchSpace& space, const CostModel& model, const Effects& measured);

// [decision][option]: rank of the option's cost among the decision's different costs, 0 for the least; of an
// architecture's option, which has no cost by itself, its index.
std::vector<std::vector<size_t>> CostLevels(const SearchSpace& space, const CostModel& model);

}  // namespace precis::search
