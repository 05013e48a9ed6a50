// Which samples become candidates.
#include "search/sample_choice.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <set>

namespace precis::search {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BestWithin, RanksByQualityThenCostThenOrder) {
  const std::vector<PricedSample> samples = {{5, 0.9}, {3, 0.8}, {2, 0.8}, {2, 0.8, true}, {1, 0.1}};
  EXPECT_THAT(BestWithin(samples, 4, 10), ElementsAre(2, 3, 1, 4));
  EXPECT_THAT(BestWithin(samples, 5, 2), ElementsAre(0, 2));
  EXPECT_THAT(BestWithin(samples, 0.5, 2), IsEmpty());
}

TEST(SpreadOverCosts, TakesTheBestOfEveryBin) {
  // Bins of ratio 10: [1, 10), [10, 100), [100, 1000].
  const std::vector<PricedSample> samples = {{1, 0.1},  {5, 0.3},   {20, 0.2},
                                             {50, 0.5}, {200, 0.6}, {1000, 0.4}};
  EXPECT_THAT(SpreadOverCosts(samples, 3), ElementsAre(1, 3, 4));
}

TEST(SpreadOverCosts, FillsUpWithSecondBests) {
  const std::vector<PricedSample> samples = {{1, 0.1}, {1.1, 0.2}, {1.2, 0.3}, {1000, 0.9}};
  EXPECT_THAT(SpreadOverCosts(samples, 4), ElementsAre(2, 3, 1, 0));
}

TEST(SpreadOverCosts, TakenSamplesHoldTheirPlace) {
  const std::vector<PricedSample> samples = {{1, 0.1},  {5, 0.3, true}, {20, 0.2},
                                             {50, 0.5}, {200, 0.6},     {1000, 0.4}};
  EXPECT_THAT(SpreadOverCosts(samples, 3), ElementsAre(3, 4, 0));
}

TEST(SpreadOverCosts, TakesNoSampleTwiceAndAllIfAsked) {
  std::mt19937_64 generator(1);
  for (size_t count : {0u, 1u, 7u, 40u, 100u}) {
    std::vector<PricedSample> samples(40);
    for (PricedSample& sample : samples) {
      sample.cost = 1 + static_cast<double>(generator() % 50);
      sample.quality = static_cast<double>(generator() % 10);
    }
    const std::vector<size_t> chosen = SpreadOverCosts(samples, count);
    EXPECT_EQ(chosen.size(), std::min<size_t>(count, 40));
    EXPECT_EQ(std::set<size_t>(chosen.begin(), chosen.end()).size(), chosen.size());
  }
}

TEST(SpreadOverCosts, CopesWithOneCostAndWithNothing) {
  EXPECT_THAT(SpreadOverCosts({}, 3), IsEmpty());
  const std::vector<PricedSample> samples = {{7, 0.1}, {7, 0.2}};
  EXPECT_THAT(SpreadOverCosts(samples, 3), ElementsAre(1, 0));
}

}  // namespace
}  // namespace precis::search
