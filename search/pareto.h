// Pareto fronts of cost (less is better) against quality (more is better).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace precis::search {

struct ParetoPoint {
  double cost = 0;
  double quality = 0;
};

// Indices of the points that no other dominates, by rising cost. a dominates b if it is no worse in both
// and better in one. Of points equal in both only the first in input order is kept, so the front rises
// strictly in cost and in quality. Points with a NaN are never on it. O(n log n).
std::vector<size_t> ParetoFront(std::span<const ParetoPoint> points);

}  // namespace precis::search
