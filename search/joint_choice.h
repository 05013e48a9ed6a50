// The best architecture and formats within bounds, by a sum of values.
//
// The values of all decisions add up, as everywhere, but costs do not: what a format costs depends on the
// layer's shape, and the widths of neighbours multiply. So the exact cost is used throughout:
//
//   relaxed   under a price on each bound's share the best formats of an architecture are found layer by
//             layer. Architectures ascend from the smallest, the network's own and the largest, by one
//             dimension at a time and by two that shape one layer; prices are found by bisection.
//   exact     the formats of the architectures so met, best first, are solved for as in a job without
//             architectures; then those of the neighbours of the best, as long as their relaxation promises
//             more than it.
//
// Threading: pure functions.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "search/bounded_choice.h"

namespace precis::search {

// As MostProbableWithin, for a space with an elastic network and models of its costs (MakeElasticCost). Of
// architectures the best that is met, which may not be the best of all; nothing only if the smallest does not
// fit. Deterministic. Tenths of a second.
std::optional<Choices> JointChoiceWithin(const SearchSpace& space,
                                         const std::vector<std::vector<double>>& values,
                                         std::span<const CostBound> bounds);

// The choices of an architecture with the best formats for it within the bounds; none if none fits.
std::optional<Choices> FormatsWithin(const SearchSpace& space, const Architecture& architecture,
                                     const std::vector<std::vector<double>>& values,
                                     std::span<const CostBound> bounds);

}  // namespace precis::search
