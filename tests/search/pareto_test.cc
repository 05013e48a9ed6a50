// Pareto fronts against brute force.
#include "search/pareto.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace precis::search {
namespace {

bool Dominates(const ParetoPoint& a, const ParetoPoint& b) {
  return a.cost <= b.cost && a.quality >= b.quality && (a.cost < b.cost || a.quality > b.quality);
}

std::vector<size_t> BruteForce(const std::vector<ParetoPoint>& points) {
  const auto is_nan = [](const ParetoPoint& p) { return std::isnan(p.cost) || std::isnan(p.quality); };
  std::vector<size_t> front;
  for (size_t i = 0; i < points.size(); ++i) {
    bool keep = !is_nan(points[i]);
    for (size_t j = 0; j < points.size() && keep; ++j) {
      if (is_nan(points[j])) continue;
      const bool equal = points[j].cost == points[i].cost && points[j].quality == points[i].quality;
      keep = !Dominates(points[j], points[i]) && !(equal && j < i);
    }
    if (keep) front.push_back(i);
  }
  std::sort(front.begin(), front.end(), [&](size_t a, size_t b) { return points[a].cost < points[b].cost; });
  return front;
}

TEST(ParetoFront, EqualsBruteForceOnRandomSetsWithTiesDuplicatesAndNan) {
  std::mt19937_64 generator(5);
  const double strange[] = {std::nan(""), INFINITY, -INFINITY, 0.0, -0.0};
  for (int round = 0; round < 3000; ++round) {
    const size_t count = generator() % 25;
    const uint64_t levels = 1 + generator() % 12;  // few levels make ties
    std::vector<ParetoPoint> points(count);
    for (ParetoPoint& p : points) {
      p.cost = static_cast<double>(generator() % levels);
      p.quality = static_cast<double>(generator() % levels);
      if (generator() % 9 == 0) p.cost = strange[generator() % 5];
      if (generator() % 9 == 0) p.quality = strange[generator() % 5];
    }
    ASSERT_EQ(ParetoFront(points), BruteForce(points)) << "round " << round;
  }
}

TEST(ParetoFront, RisesStrictly) {
  std::mt19937_64 generator(6);
  std::vector<ParetoPoint> points(20000);
  for (ParetoPoint& p : points) {
    p.cost = static_cast<double>(generator() % 1000);
    p.quality = std::sqrt(p.cost) + static_cast<double>(generator() % 100) / 10;
  }
  const std::vector<size_t> front = ParetoFront(points);
  ASSERT_GT(front.size(), 2u);
  for (size_t i = 1; i < front.size(); ++i) {
    EXPECT_GT(points[front[i]].cost, points[front[i - 1]].cost);
    EXPECT_GT(points[front[i]].quality, points[front[i - 1]].quality);
  }
}

TEST(ParetoFront, OfNothingIsNothing) { EXPECT_TRUE(ParetoFront({}).empty()); }

}  // namespace
}  // namespace precis::search
