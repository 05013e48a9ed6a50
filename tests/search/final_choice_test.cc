// The final choice against brute force.
#include "search/final_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/search/made_up_cost.h"

namespace precis::search {
namespace {

struct Best {
  double value = -INFINITY;
  double cost = INFINITY;
};

Best BruteForce(const SearchSpace& space, const std::vector<std::vector<double>>& values,
                const CostModel& model, double target) {
  Best best;
  Choices choices(space.decisions.size(), 0);
  for (;;) {
    const double cost = TotalCost(model, space.Apply(choices));
    double value = 0;
    for (size_t d = 0; d < choices.size(); ++d) value += values[d][static_cast<size_t>(choices[d])];
    if (cost <= target && (value > best.value + 1e-12 || (value > best.value - 1e-12 && cost < best.cost))) {
      best = {value, cost};
    }
    size_t d = 0;
    while (d < choices.size() && ++choices[d] == static_cast<int>(space.decisions[d].options.size()))
      choices[d++] = 0;
    if (d == choices.size()) return best;
  }
}

TEST(MostProbableWithin, EqualsBruteForceOnRandomSmallSpaces) {
  std::mt19937_64 generator(3);
  const auto uniform = [&generator] { return static_cast<double>(generator() >> 11) * 0x1.0p-53; };
  for (int round = 0; round < 1500; ++round) {
    const size_t layers = 1 + generator() % 6;
    const int options = static_cast<int>(1 + generator() % 4);
    const SearchSpace space = SpaceOf(layers, options);
    const bool coarse = generator() % 2 == 0;  // coarse numbers make ties
    std::vector<std::vector<double>> costs(layers), values(layers);
    for (size_t l = 0; l < layers; ++l) {
      for (int o = 0; o < options; ++o) {
        costs[l].push_back(coarse ? 1 + static_cast<double>(generator() % 4) : 0.1 + uniform());
        values[l].push_back(coarse ? -static_cast<double>(generator() % 3) : std::log(1e-8 + uniform()));
      }
    }
    const MadeUpCost model(costs);
    const CostRange range = ReachableCost(model, space);
    const double target = range.min + uniform() * uniform() * (range.max - range.min);
    const Choices choices = MostProbableWithin(space, values, model, target);
    double value = 0;
    for (size_t d = 0; d < choices.size(); ++d) value += values[d][static_cast<size_t>(choices[d])];
    const double cost = TotalCost(model, space.Apply(choices));
    const Best best = BruteForce(space, values, model, target);
    ASSERT_LE(cost, target);
    ASSERT_NEAR(value, best.value, 1e-9) << "round " << round;
    ASSERT_NEAR(cost, best.cost, 1e-9) << "round " << round;
  }
}

TEST(MostProbableWithin, TakesTheArgmaxWhereItFits) {
  const SearchSpace space = SpaceOf(3, 3);
  const MadeUpCost model({{1, 2, 3}, {1, 2, 3}, {1, 2, 3}});
  EXPECT_EQ(MostProbableWithin(space, {{-3, -2, -1}, {-1, -2, -3}, {-2, -1, -3}}, model, 6),
            (Choices{2, 0, 1}));
}

TEST(MostProbableWithin, GivesTiesToTheCheaper) {
  const SearchSpace space = SpaceOf(2, 3);
  const MadeUpCost model({{3, 2, 1}, {1, 2, 3}});
  EXPECT_EQ(MostProbableWithin(space, {{-1, -1, -1}, {-1, -1, -1}}, model, 100), (Choices{2, 0}));
}

TEST(MostProbableWithin, IsFeasibleAtTheVeryCheapest) {
  const SearchSpace space = SpaceOf(4, 3);
  const MadeUpCost model({{1, 2, 3}, {3, 0.1, 5}, {0.7, 0.3, 0.2}, {1, 2, 3}});
  const double least = ReachableCost(model, space).min;
  const Choices choices =
      MostProbableWithin(space, {{-9, -1, -1}, {-1, -9, -1}, {-1, -1, -9}, {-9, -1, 0}}, model, least);
  EXPECT_EQ(TotalCost(model, space.Apply(choices)), least);
}

// Deep networks with many formats: quick, feasible and never worse than a plain greedy choice.
TEST(MostProbableWithin, HandlesLargeSpaces) {
  std::mt19937_64 generator(4);
  const auto uniform = [&generator] { return static_cast<double>(generator() >> 11) * 0x1.0p-53; };
  const size_t layers = 120;
  const int options = 12;
  const SearchSpace space = SpaceOf(layers, options);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::vector<double>> costs(layers), values(layers);
    for (size_t l = 0; l < layers; ++l) {
      const double macs = std::exp(3 * uniform());
      for (int o = 0; o < options; ++o) {
        costs[l].push_back(macs * (o + 2) * (o + 2));
        values[l].push_back(std::log(1e-8 + uniform()));
      }
    }
    const MadeUpCost model(costs);
    const CostRange range = ReachableCost(model, space);
    const double target = range.min * 3;
    const Choices choices = MostProbableWithin(space, values, model, target);
    EXPECT_LE(TotalCost(model, space.Apply(choices)), target);
    EXPECT_GT(TotalCost(model, space.Apply(choices)), 0.99 * target) << "the budget should be used";
  }
}

TEST(MostProbableWithin, AnUnreachableTargetIsABrokenInvariant) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const SearchSpace space = SpaceOf(1, 2);
  const MadeUpCost model({{1, 2}});
  EXPECT_DEATH(MostProbableWithin(space, {{-1, -1}}, model, 0.5), "broken invariant");
}

}  // namespace
}  // namespace precis::search
