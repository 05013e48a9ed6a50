// Pareto fronts of cost (less is better) against quality (more is better), and what they come to.
//
// All take any points, not fronts only, and return indices into them; points with a NaN count for nothing.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <optional>
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

// The area that the points dominate, up to a reference point (Zitzler and Thiele 1998): of all (cost,
// quality) with reference.quality < quality and cost < reference.cost, those that some point is no worse than
// in both. In units of cost times quality; points that are not better than the reference in both add nothing.
// More is better, and areas compare only with the same reference. Infinite costs of points give infinite
// areas.
double Hypervolume(std::span<const ParetoPoint> points, const ParetoPoint& reference);

// The point of the front with the largest distance above the chord from its cheapest to its best point, both
// axes scaled to 0…1 between these two: past it, quality costs more than it does on average. Of equal
// distances the cheapest. Nothing where no point lies above the chord: a front of one or two points, or one
// that sags.
std::optional<size_t> KneePoint(std::span<const ParetoPoint> points);

// The cheapest point whose quality is at most `slack` >= 0 below the best; of equally cheap ones the best.
// Nothing without points.
std::optional<size_t> CheapestWithin(std::span<const ParetoPoint> points, double slack);

}  // namespace precis::search
