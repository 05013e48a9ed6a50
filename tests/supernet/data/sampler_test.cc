// Splits and orders: exact counts, no image lost, the same on every run.
#include "supernet/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace precis {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> Iota(int64_t count) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

TEST(UniformBelow, CoversTheRangeEvenly) {
  std::mt19937_64 generator(1);
  std::map<uint64_t, int> counts;
  for (int i = 0; i < 60000; ++i) ++counts[UniformBelow(generator, 6)];
  ASSERT_EQ(counts.size(), 6u);
  for (const auto& [value, count] : counts) {
    EXPECT_LT(value, 6u);
    EXPECT_NEAR(count, 10000, 500);
  }
  EXPECT_EQ(UniformBelow(generator, 1), 0u);
}

// The order is part of what a seed promises: these values must never change.
TEST(Shuffle, IsTheSameEverywhere) {
  std::vector<int64_t> values = Iota(8);
  std::mt19937_64 generator(42);
  Shuffle(values, generator);
  EXPECT_THAT(values, ElementsAre(7, 0, 5, 1, 2, 4, 3, 6));
}

TEST(SplitTrainSearch, TakesTheSameShareOfEveryClass) {
  std::vector<uint16_t> labels;
  for (int i = 0; i < 1000; ++i) labels.push_back(static_cast<uint16_t>(i < 700 ? i % 2 : 2));
  for (const int64_t held_out : {1, 7, 100, 500, 999}) {
    const TrainSearchSplit split = SplitTrainSearch(labels, 3, held_out, 9);
    EXPECT_EQ(static_cast<int64_t>(split.search.size()), held_out);
    std::vector<int64_t> both = split.train;
    both.insert(both.end(), split.search.begin(), split.search.end());
    std::sort(both.begin(), both.end());
    EXPECT_EQ(both, Iota(1000));
    std::array<double, 3> counts{};
    for (const int64_t image : split.search) ++counts[labels[static_cast<size_t>(image)]];
    const double share = static_cast<double>(held_out) / 1000;
    EXPECT_NEAR(counts[0], 350 * share, 1);
    EXPECT_NEAR(counts[1], 350 * share, 1);
    EXPECT_NEAR(counts[2], 300 * share, 1);
  }
}

TEST(SplitTrainSearch, DependsOnTheSeedAlone) {
  const std::vector<uint16_t> labels(100, 0);
  EXPECT_EQ(SplitTrainSearch(labels, 1, 30, 5).search, SplitTrainSearch(labels, 1, 30, 5).search);
  EXPECT_NE(SplitTrainSearch(labels, 1, 30, 5).search, SplitTrainSearch(labels, 1, 30, 6).search);
}

TEST(SplitTrainSearchDeathTest, RefusesAnEmptySide) {
  const std::vector<uint16_t> labels(10, 0);
  EXPECT_DEATH(SplitTrainSearch(labels, 1, 10, 1), "broken invariant");
  EXPECT_DEATH(SplitTrainSearch(labels, 1, 0, 1), "broken invariant");
}

TEST(BatchSampler, EveryEpochHoldsEveryImageOnce) {
  BatchSampler sampler(Iota(10), 3);
  std::vector<int64_t> seen;
  for (int i = 0; i < 10; ++i) {  // 30 images in batches of 3: three epochs
    const std::vector<int64_t> batch = sampler.Next(3);
    ASSERT_EQ(batch.size(), 3u);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  std::set<std::vector<int64_t>> orders;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int64_t> order(seen.begin() + epoch * 10, seen.begin() + (epoch + 1) * 10);
    orders.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, Iota(10));
  }
  EXPECT_EQ(orders.size(), 3u);
}

TEST(BatchSampler, ABatchMayBeLongerThanAnEpoch) {
  BatchSampler sampler(Iota(4), 3);
  EXPECT_EQ(sampler.Next(11).size(), 11u);
}

TEST(BatchSampler, DependsOnTheSeedAlone) {
  BatchSampler a(Iota(100), 3);
  BatchSampler b(Iota(100), 3);
  BatchSampler c(Iota(100), 4);
  const std::vector<int64_t> from_a = a.Next(60);
  EXPECT_EQ(from_a, b.Next(60));
  EXPECT_NE(from_a, c.Next(60));
}

}  // namespace
}  // namespace precis
