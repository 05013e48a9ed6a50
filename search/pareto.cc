// The front by one sort and one sweep.
#include "search/pareto.h"

#include <algorithm>
#include <cmath>

namespace precis::search {

std::vector<size_t> ParetoFront(std::span<const ParetoPoint> points) {
  std::vector<size_t> order;
  order.reserve(points.size());
  for (size_t i = 0; i < points.size(); ++i) {
    if (!std::isnan(points[i].cost) && !std::isnan(points[i].quality)) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (points[a].cost != points[b].cost) return points[a].cost < points[b].cost;
    if (points[a].quality != points[b].quality) return points[a].quality > points[b].quality;
    return a < b;
  });
  std::vector<size_t> front;
  for (size_t i : order) {
    if (front.empty() || points[i].quality > points[front.back()].quality) front.push_back(i);
  }
  return front;
}

}  // namespace precis::search
