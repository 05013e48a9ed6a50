// Choices within several limits at once, against brute force.
#include "search/bounded_choice.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "search/cost/target.h"
#include "search/plan_costs.h"
#include "tests/search/made_up_cost.h"
#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

struct Best {
  double value = -INFINITY;
  double shares = INFINITY;
};

double ValueOf(const std::vector<std::vector<double>>& values, const Choices& choices) {
  double value = 0;
  for (size_t d = 0; d < choices.size(); ++d) value += values[d][static_cast<size_t>(choices[d])];
  return value;
}

// The sum of shares of the bounds; infinity if one is broken.
double SharesOf(const SearchSpace& space, const std::vector<CostBound>& bounds, const Choices& choices) {
  double shares = 0;
  for (const CostBound& bound : bounds) {
    const double cost = TotalCost(*bound.model, space.Apply(choices));
    if (cost > bound.at_most) return INFINITY;
    shares += cost / bound.at_most;
  }
  return shares;
}

Best BruteForce(const SearchSpace& space, const std::vector<std::vector<double>>& values,
                const std::vector<CostBound>& bounds) {
  Best best;
  Choices choices(space.decisions.size(), 0);
  for (;;) {
    const double value = ValueOf(values, choices), shares = SharesOf(space, bounds, choices);
    if (std::isfinite(shares) &&
        (value > best.value + 1e-12 || (value > best.value - 1e-12 && shares < best.shares))) {
      best = {value, shares};
    }
    size_t d = 0;
    while (d < choices.size() && ++choices[d] == static_cast<int>(space.decisions[d].options.size())) {
      choices[d++] = 0;
    }
    if (d == choices.size()) return best;
  }
}

TEST(BoundedChoice, EqualsBruteForceOnRandomSmallSpaces) {
  std::mt19937_64 generator(7);
  const auto uniform = [&generator] { return static_cast<double>(generator() >> 11) * 0x1.0p-53; };
  int none = 0, some = 0;
  for (int round = 0; round < 2000; ++round) {
    const size_t layers = 1 + generator() % 6;
    const int options = static_cast<int>(1 + generator() % 4);
    const size_t limits = 1 + generator() % 4;
    const SearchSpace space = SpaceOf(layers, options);
    const bool coarse = generator() % 2 == 0;  // coarse numbers make ties
    std::vector<std::vector<double>> values(layers);
    for (auto& row : values) {
      for (int o = 0; o < options; ++o) {
        row.push_back(coarse ? -static_cast<double>(generator() % 3) : std::log(1e-8 + uniform()));
      }
    }
    std::vector<std::unique_ptr<MadeUpCost>> models;
    std::vector<CostBound> bounds;
    for (size_t k = 0; k < limits; ++k) {
      std::vector<std::vector<double>> costs(layers);
      for (auto& row : costs) {
        for (int o = 0; o < options; ++o) {
          row.push_back(coarse ? 1 + static_cast<double>(generator() % 4) : 0.1 + uniform());
        }
      }
      models.push_back(std::make_unique<MadeUpCost>(costs));
      const CostRange range = ReachableCost(*models.back(), space);
      bounds.push_back({models.back().get(), range.min + uniform() * (range.max - range.min)});
    }
    const Best best = BruteForce(space, values, bounds);
    const std::optional<Choices> choices = MostProbableWithin(space, values, bounds);
    ASSERT_EQ(choices.has_value(), std::isfinite(best.value)) << "round " << round;
    none += !choices;
    some += choices.has_value();
    if (!choices) continue;
    ASSERT_NEAR(ValueOf(values, *choices), best.value, 1e-9) << "round " << round;
    ASSERT_NEAR(SharesOf(space, bounds, *choices), best.shares, 1e-9) << "round " << round;
  }
  EXPECT_GT(none, 100) << "the test must meet both";
  EXPECT_GT(some, 1000);
}

TEST(BoundedChoice, ABoundOutOfReachLeavesNothing) {
  const MadeUpCost model({{2, 3}, {2, 3}});
  const SearchSpace space = SpaceOf(2, 2);
  const std::vector<std::vector<double>> values = {{0, 0}, {0, 0}};
  EXPECT_FALSE(MostProbableWithin(space, values, std::vector<CostBound>{{&model, 3.9}}));
  EXPECT_TRUE(MostProbableWithin(space, values, std::vector<CostBound>{{&model, 4}}));
  EXPECT_FALSE(MostProbableWithin(space, values, std::vector<CostBound>{{&model, 9}, {&model, 3.9}}));
}

// Deep networks with many formats and opposed costs: feasible, and the budget used.
TEST(BoundedChoice, HandlesLargeSpaces) {
  std::mt19937_64 generator(8);
  const auto uniform = [&generator] { return static_cast<double>(generator() >> 11) * 0x1.0p-53; };
  const size_t layers = 120;
  const int options = 12;
  const SearchSpace space = SpaceOf(layers, options);
  for (const double tightness : {0.35, 0.6}) {
    std::vector<std::vector<double>> values(layers), up(layers), wide(layers), odd(layers);
    for (size_t l = 0; l < layers; ++l) {
      const double macs = std::exp(3 * uniform()), weights = std::exp(3 * uniform());
      for (int o = 0; o < options; ++o) {
        values[l].push_back(std::log(1e-3 + o) + uniform());
        up[l].push_back(macs * (o + 2) * (o + 2));
        wide[l].push_back(weights * (o + 2));
        odd[l].push_back(1 + uniform());
      }
    }
    const MadeUpCost a(up), b(wide), c(odd);
    std::vector<CostBound> bounds;
    for (const MadeUpCost* model : {&a, &b, &c}) {
      const CostRange range = ReachableCost(*model, space);
      bounds.push_back({model, range.min + tightness * (range.max - range.min)});
    }
    const std::optional<Choices> choices = MostProbableWithin(space, values, bounds);
    ASSERT_TRUE(choices.has_value());
    double fullest = 0;
    for (const CostBound& bound : bounds) {
      const double share = TotalCost(*bound.model, space.Apply(*choices)) / bound.at_most;
      EXPECT_LE(share, 1);
      fullest = std::max(fullest, share);
    }
    EXPECT_GT(fullest, 0.99) << "the budget should be used";
    // Not below what one bound at a time allows by much.
    double limit = INFINITY;
    for (const CostBound& bound : bounds) {
      limit = std::min(limit, ValueOf(values, *MostProbableWithin(space, values, std::span(&bound, 1))));
    }
    EXPECT_LE(ValueOf(values, *choices), limit + 1e-9);
    EXPECT_GT(ValueOf(values, *choices), 0.95 * limit);
  }
}

// One configuration in a million: what relaxation cannot find, the tree does.
TEST(BoundedChoice, FindsANeedle) {
  const size_t layers = 20;
  std::mt19937_64 generator(9);
  std::vector<std::vector<double>> costs, mirrored, values(layers, {0, 0});
  double left = 0, right = 0;
  for (size_t l = 0; l < layers; ++l) {
    const double a = 1 + static_cast<double>(generator() % 1000),
                 b = 1 + static_cast<double>(generator() % 1000);
    costs.push_back({a, b});
    mirrored.push_back({2000 - a, 2000 - b});
    left += l % 3 == 0 ? b : a;
    right += 2000 - (l % 3 == 0 ? b : a);
  }
  const MadeUpCost first(costs), second(mirrored);
  const SearchSpace space = SpaceOf(layers, 2);
  const std::vector<CostBound> bounds = {{&first, left}, {&second, right}};  // the sum must be exactly `left`
  const std::optional<Choices> choices = MostProbableWithin(space, values, bounds);
  ASSERT_TRUE(choices.has_value());
  EXPECT_EQ(TotalCost(first, space.Apply(*choices)), left);
}

// Deep networks with a configuration planted that only just fits: what there is is found.
TEST(BoundedChoice, FindsWhatWasPlantedInDeepNetworks) {
  std::mt19937_64 generator(11);
  const auto uniform = [&generator] { return static_cast<double>(generator() >> 11) * 0x1.0p-53; };
  const size_t layers = 60;
  const int options = 5;
  const SearchSpace space = SpaceOf(layers, options);
  int found = 0;
  for (int round = 0; round < 20; ++round) {
    const size_t limits = 2 + generator() % 3;
    Choices planted;
    for (size_t l = 0; l < layers; ++l) planted.push_back(static_cast<int>(generator() % options));
    std::vector<std::unique_ptr<MadeUpCost>> models;
    std::vector<CostBound> bounds;
    for (size_t k = 0; k < limits; ++k) {
      std::vector<std::vector<double>> costs(layers);
      for (size_t l = 0; l < layers; ++l) {
        for (int o = 0; o < options; ++o) {
          // The planted option is cheaper in some cost than most others, so that not every configuration
          // fits.
          costs[l].push_back(std::exp(2 * uniform()) * (o == planted[l] ? 0.6 : 1));
        }
      }
      models.push_back(std::make_unique<MadeUpCost>(costs));
      bounds.push_back({models.back().get(), 1.001 * TotalCost(*models.back(), space.Apply(planted))});
    }
    std::vector<std::vector<double>> values(layers);
    for (auto& row : values) {
      for (int o = 0; o < options; ++o) row.push_back(std::log(1e-8 + uniform()));
    }
    const std::optional<Choices> choices = MostProbableWithin(space, values, bounds);
    found += choices.has_value();
    EXPECT_TRUE(!choices || std::isfinite(SharesOf(space, bounds, *choices)));
  }
  EXPECT_EQ(found, 20);
}

TEST(BoundedChoice, OfAPlanFallsBackWhereATargetLeavesNothing) {
  JobSpec spec = SampleJob();
  spec.cost.limits = {{"accumulator_bits", "1x int4"}};
  const auto plan = PlanOf(spec);
  std::vector<std::vector<double>> widest;
  for (const Decision& decision : plan->space.decisions) {
    widest.emplace_back(decision.options.size(), -1.0);
    widest.back().back() = 0;
  }
  const auto costs = [&](const Choices& choices) {
    std::vector<double> all;
    for (const auto& model : plan->costs) all.push_back(TotalCost(*model, plan->space.Apply(choices)));
    return all;
  };
  EXPECT_TRUE(IsWithinLimits(*plan, costs(MostProbableWithin(*plan, widest, plan->target))));
  EXPECT_TRUE(IsWithinLimits(*plan, costs(plan->fitting)));
  const Choices cheapest = MostProbableWithin(*plan, widest, plan->cheapest);
  EXPECT_EQ(costs(cheapest)[plan->constrained], plan->cheapest);
}

}  // namespace
}  // namespace precis::search
