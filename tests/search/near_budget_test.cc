// Random configurations near a budget, and the two controllers that live on them.
#include "search/controller/near_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "search/controller/evolution.h"
#include "search/controller/random.h"
#include "tests/contract/controller_contract.h"

namespace precis::search {
namespace {

CostTable TableOf(const std::vector<int>& counts) {
  CostTable costs;
  for (int count : counts) {
    costs.emplace_back(static_cast<size_t>(count));
    std::iota(costs.back().begin(), costs.back().end(), 1.0);
  }
  return costs;
}

INSTANTIATE_TEST_SUITE_P(
    Rivals, ControllerContract,
    ::testing::Values(
        ControllerFactory{
            "Random",
            [](const std::vector<int>& counts, uint64_t seed) {
              return std::make_unique<RandomController>(TableOf(counts), std::vector<double>{6, 8, 10}, seed);
            }},
        ControllerFactory{"Evolution",
                          [](const std::vector<int>& counts, uint64_t seed) {
                            return std::make_unique<EvolutionController>(TableOf(counts),
                                                                         std::vector<double>{6, 8, 10}, seed);
                          }}),
    ControllerFactoryName);

TEST(NearBudget, FitsAndLeavesNoRoomForOneMoreStep) {
  const CostTable costs = {{1, 2, 4}, {3, 3, 9}, {2}, {5, 1, 7, 2}};
  std::mt19937_64 generator(3);
  for (const double budget : {7.0, 8.5, 12.0, 15.0, 22.0}) {
    std::set<Choices> seen;
    for (int i = 0; i < 300; ++i) {
      const Choices choices = NearBudget(costs, budget, generator);
      seen.insert(choices);
      const double total = TableCost(costs, choices);
      EXPECT_LE(total, budget);
      for (size_t d = 0; d < costs.size(); ++d) {
        double dearer = 1e9;
        for (double cost : costs[d]) {
          if (cost > costs[d][static_cast<size_t>(choices[d])]) dearer = std::min(dearer, cost);
        }
        EXPECT_GT(total - costs[d][static_cast<size_t>(choices[d])] + dearer, budget);
      }
    }
    if (budget > 8 && budget < 20) {
      EXPECT_GT(seen.size(), 2u);
    }
  }
}

TEST(NearBudget, BelowTheCheapestGivesTheCheapest) {
  std::mt19937_64 generator(3);
  EXPECT_EQ(TableCost({{1, 2}, {4, 3}}, NearBudget({{1, 2}, {4, 3}}, 0.5, generator)), 4);
}

// Reward that saturates in each decision: the front is known by brute force.
TEST(Evolution, ComesNearTheFront) {
  const CostTable costs(6, {1, 2, 4, 8});
  const auto reward = [](const Choices& choices) {
    double sum = 0;
    for (size_t d = 0; d < choices.size(); ++d)
      sum -= static_cast<double>(d + 1) * std::pow(4.0, -choices[d]);
    return sum;
  };
  EvolutionController controller(costs, {12, 30}, 5);
  double best = -1e9;
  for (int64_t i = 0; i < 800; ++i) {
    const Choices choices = controller.Propose(i);
    controller.Observe(choices, reward(choices));
    if (TableCost(costs, choices) <= 16) best = std::max(best, reward(choices));
  }
  double optimum = -1e9;
  for (int code = 0; code < 4096; ++code) {
    Choices choices;
    for (int d = 0; d < 6; ++d) choices.push_back(code >> (2 * d) & 3);
    if (TableCost(costs, choices) <= 16) optimum = std::max(optimum, reward(choices));
  }
  EXPECT_GE(best, optimum * 1.1) << "both are below 0";
}

}  // namespace
}  // namespace precis::search
