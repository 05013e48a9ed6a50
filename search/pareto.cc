// The front by one sort and one sweep; all else by another sweep over it.
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

double Hypervolume(std::span<const ParetoPoint> points, const ParetoPoint& reference) {
  double area = 0;
  const std::vector<size_t> front = ParetoFront(points);
  for (size_t i = 0; i < front.size(); ++i) {
    const ParetoPoint& point = points[front[i]];
    if (point.cost >= reference.cost) break;
    if (point.quality <= reference.quality) continue;
    double until = reference.cost;
    if (i + 1 < front.size()) until = std::min(until, points[front[i + 1]].cost);
    area += (until - point.cost) * (point.quality - reference.quality);
  }
  return area;
}

std::optional<size_t> KneePoint(std::span<const ParetoPoint> points) {
  const std::vector<size_t> front = ParetoFront(points);
  if (front.size() < 3) return std::nullopt;
  const ParetoPoint& first = points[front.front()];
  const ParetoPoint& last = points[front.back()];
  std::optional<size_t> knee;
  double highest = 0;
  for (size_t i = 1; i + 1 < front.size(); ++i) {
    const ParetoPoint& point = points[front[i]];
    // The distance to the chord on scaled axes, but for a factor that all points share.
    const double height = (point.quality - first.quality) * (last.cost - first.cost) -
                          (point.cost - first.cost) * (last.quality - first.quality);
    if (height <= highest) continue;
    highest = height;
    knee = front[i];
  }
  return knee;
}

std::optional<size_t> CheapestWithin(std::span<const ParetoPoint> points, double slack) {
  const std::vector<size_t> front = ParetoFront(points);
  for (size_t index : front) {
    if (points[index].quality >= points[front.back()].quality - slack) return index;
  }
  return std::nullopt;
}

}  // namespace precis::search
