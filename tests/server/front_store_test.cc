// Fronts that follow the candidates: as brute force has them, whatever comes in and in whatever order.
#include "server/front_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "search/pareto.h"
#include "server/candidate_listing.h"
#include "tests/contract/store_contract.h"
#include "tests/fakes/memory_store.h"

namespace precis::server {
namespace {

INSTANTIATE_TEST_SUITE_P(FrontStore, StoreContract,
                         testing::Values(StoreMaker{
                             "OverMemory",
                             [] { return std::make_unique<FrontStore>(std::make_unique<MemoryStore>()); }}),
                         [](const auto& info) { return info.param.name; });

class FrontStoreTest : public testing::Test {
 protected:
  void Run(const std::string& id) {
    ASSERT_TRUE(store_.InsertJob(SampleJob(id)).ok());
    ASSERT_TRUE(store_
                    .MutateJob(id,
                               [](JobRecord& record) -> absl::StatusOr<Disposition> {
                                 record.state = JobState::kRunning;
                                 return Disposition::kKeep;
                               })
                    .ok());
  }

  // Coarse numbers, so that ties and repeats are common.
  search::Candidate Random(int64_t number) {
    search::Candidate candidate = SampleCandidate(number);
    candidate.search.accuracy = static_cast<double>(draw_() % 20) / 20;
    candidate.feasible = draw_() % 3 != 0;
    for (double& cost : candidate.costs) cost = static_cast<double>(draw_() % 20);
    return candidate;
  }

  void Append(const std::string& id, std::vector<search::Candidate> candidates) {
    ASSERT_TRUE(
        store_
            .AppendBatch(id, {.number = ++batches_[id], .progress = {}, .candidates = std::move(candidates)})
            .ok());
  }

  void Check(const std::string& id) {
    std::vector<search::Candidate> all = *AllCandidates(store_, id, false);
    for (const bool feasible_only : {false, true}) {
      for (const int64_t cost : {0, 1}) {
        const JobFront front = *store_.Front(id, cost, feasible_only);
        std::vector<search::Candidate> some = all;
        double dearest = 0;
        for (const search::ParetoPoint& point : PointsOf(all, cost)) dearest = std::max(dearest, point.cost);
        if (feasible_only) std::erase_if(some, [](const search::Candidate& each) { return !each.feasible; });
        std::vector<int64_t> expected;
        for (const size_t index : search::ParetoFront(PointsOf(some, cost)))
          expected.push_back(some[index].number);
        std::vector<int64_t> numbers;
        for (const FrontPoint& point : front.points) numbers.push_back(point.number);
        ASSERT_EQ(front.candidates->size(), numbers.size());
        for (size_t i = 0; i < numbers.size(); ++i) {
          const search::Candidate& candidate = (*front.candidates)[i];
          const auto stored = std::ranges::find(all, numbers[i], &search::Candidate::number);
          EXPECT_EQ(CandidateText(candidate), CandidateText(*stored));
        }
        EXPECT_EQ(numbers, expected) << feasible_only << " " << cost;
        EXPECT_EQ(front.dearest, dearest);
      }
    }
  }

  FrontStore store_{std::make_unique<MemoryStore>(), 2};
  std::map<std::string, int64_t> batches_;
  std::mt19937 draw_{7};
};

TEST_F(FrontStoreTest, IsBruteForceAfterEveryBatch) {
  Run("a");
  Check("a");
  int64_t last = 0;
  for (int round = 0; round < 150; ++round) {
    std::vector<search::Candidate> batch;
    for (uint32_t i = 0; i < draw_() % 4; ++i) {
      const bool again = last > 0 && draw_() % 3 == 0;
      batch.push_back(Random(again ? 1 + static_cast<int64_t>(draw_()) % last : ++last));
    }
    Append("a", std::move(batch));
    if (draw_() % 2 == 0) Check("a");
  }
  Check("a");
}

TEST_F(FrontStoreTest, JobsComeAndGo) {
  for (const std::string id : {"a", "b", "c"}) {
    Run(id);
    Append(id, {Random(1), Random(2), Random(3)});
    Check(id);
  }
  Append("a", {Random(4), Random(2)});
  Check("a");  // had been forgotten for b and c
  ASSERT_TRUE(
      store_.MutateJob("a", [](JobRecord&) -> absl::StatusOr<Disposition> { return Disposition::kErase; })
          .ok());
  EXPECT_EQ(store_.Front("a", 0, false).status().code(), absl::StatusCode::kNotFound);
  batches_["a"] = 0;
  Run("a");
  Check("a");
}

TEST_F(FrontStoreTest, MissesNothingThatComesInMeanwhile) {
  Run("a");
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) ASSERT_TRUE(store_.Front("a", 0, false).ok());
  });
  for (int64_t number = 1; number <= 2000; ++number) Append("a", {Random(number)});
  done = true;
  reader.join();
  Check("a");
}

}  // namespace
}  // namespace precis::server
