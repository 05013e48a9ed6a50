// Pareto fronts against brute force.
#include "search/pareto.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
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

std::vector<ParetoPoint> RandomPoints(std::mt19937_64& generator) {
  std::vector<ParetoPoint> points(generator() % 12);
  for (ParetoPoint& p : points) {
    p.cost = static_cast<double>(1 + generator() % 10);
    p.quality = static_cast<double>(generator() % 10);
    if (generator() % 15 == 0) p.cost = std::nan("");
    if (generator() % 15 == 0) p.quality = std::nan("");
  }
  return points;
}

// The unit squares under the points, one by one.
TEST(Hypervolume, EqualsCountedSquares) {
  std::mt19937_64 generator(7);
  for (int round = 0; round < 3000; ++round) {
    const std::vector<ParetoPoint> points = RandomPoints(generator);
    const ParetoPoint reference = {static_cast<double>(generator() % 13),
                                   static_cast<double>(generator() % 5)};
    int squares = 0;
    for (double cost = 0; cost < reference.cost; ++cost) {
      for (double quality = reference.quality; quality < 11; ++quality) {
        squares += std::any_of(points.begin(), points.end(), [&](const ParetoPoint& p) {
          return p.cost <= cost && p.quality >= quality + 1;
        });
      }
    }
    ASSERT_EQ(Hypervolume(points, reference), squares) << "round " << round;
  }
}

TEST(Hypervolume, GrowsWithEveryPointThatIsNotDominated) {
  std::mt19937_64 generator(8);
  const ParetoPoint reference = {11, -1};
  for (int round = 0; round < 1000; ++round) {
    std::vector<ParetoPoint> points = RandomPoints(generator);
    const double before = Hypervolume(points, reference);
    const ParetoPoint added = {static_cast<double>(1 + generator() % 10),
                               static_cast<double>(generator() % 10)};
    const bool news = std::none_of(points.begin(), points.end(), [&](const ParetoPoint& p) {
      return p.cost <= added.cost && p.quality >= added.quality;
    });
    points.push_back(added);
    const double after = Hypervolume(points, reference);
    ASSERT_EQ(after > before, news);
    ASSERT_GE(after, before);
  }
}

// By distances of points to a line, of every point on the front.
TEST(KneePoint, EqualsBruteForce) {
  std::mt19937_64 generator(9);
  int found = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::vector<ParetoPoint> points = RandomPoints(generator);
    const std::vector<size_t> front = BruteForce(points);
    std::optional<size_t> expected;
    double farthest = 1e-9;
    for (const size_t i : front) {
      const ParetoPoint& a = points[front.front()];
      const ParetoPoint& b = points[front.back()];
      const double x = (points[i].cost - a.cost) / (b.cost - a.cost);
      const double y = (points[i].quality - a.quality) / (b.quality - a.quality);
      const double distance = (y - x) / std::sqrt(2.0);
      if (!(distance > farthest + 1e-12)) continue;
      farthest = distance;
      expected = i;
    }
    ASSERT_EQ(KneePoint(points), expected) << "round " << round;
    found += expected.has_value();
  }
  EXPECT_GT(found, 200);
}

TEST(KneePoint, IsWhereTheFrontBends) {
  const std::vector<ParetoPoint> bend = {{1, 0.1}, {2, 0.8}, {3, 0.85}, {10, 0.9}};
  EXPECT_EQ(KneePoint(bend), 1u);
  EXPECT_EQ(KneePoint(std::vector<ParetoPoint>{{1, 1}, {2, 1.1}, {3, 3}}), std::nullopt) << "it sags";
  EXPECT_EQ(KneePoint(std::vector<ParetoPoint>{{1, 1}, {2, 2}}), std::nullopt);
  EXPECT_EQ(KneePoint({}), std::nullopt);
}

TEST(CheapestWithin, EqualsBruteForce) {
  std::mt19937_64 generator(10);
  for (int round = 0; round < 3000; ++round) {
    const std::vector<ParetoPoint> points = RandomPoints(generator);
    const auto slack = static_cast<double>(generator() % 6);
    double best = -INFINITY;
    for (const ParetoPoint& p : points) {
      if (!std::isnan(p.cost) && !std::isnan(p.quality)) best = std::max(best, p.quality);
    }
    std::optional<size_t> expected;
    for (size_t i = 0; i < points.size(); ++i) {
      if (std::isnan(points[i].cost) || !(points[i].quality >= best - slack)) continue;
      if (!expected || points[i].cost < points[*expected].cost ||
          (points[i].cost == points[*expected].cost && points[i].quality > points[*expected].quality)) {
        expected = i;
      }
    }
    ASSERT_EQ(CheapestWithin(points, slack), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace precis::search
