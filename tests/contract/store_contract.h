// What every Store must do. Instantiate StoreContract with a factory for each implementation.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/store/store.h"
#include "tests/fakes/sample_records.h"

namespace precis::server {

struct StoreMaker {
  std::string name;
  std::function<std::unique_ptr<Store>()> make;
};

class StoreContract : public testing::TestWithParam<StoreMaker> {
 protected:
  void SetUp() override {
    store_ = GetParam().make();
    ASSERT_NE(store_, nullptr);
  }

  // Inserts a job and moves it to RUNNING.
  JobRecord RunningJob(const std::string& id) {
    EXPECT_TRUE(store_->InsertJob(SampleJob(id)).ok());
    absl::StatusOr<JobRecord> job =
        store_->MutateJob(id, [](JobRecord& record) -> absl::StatusOr<Disposition> {
          record.state = JobState::kRunning;
          record.started_us = record.created_us + 7;
          return Disposition::kKeep;
        });
    EXPECT_TRUE(job.ok()) << job.status();
    return *job;
  }

  JobRecord Job(const std::string& id) {
    JobQuery query;
    query.id = id;
    absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs(query);
    EXPECT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->items.size(), 1u);
    return page->items.empty() ? JobRecord{} : page->items[0];
  }

  std::vector<Event> Events(const std::string& id, int64_t after = 0) {
    absl::StatusOr<Page<Event>> page = store_->QueryEvents({.job_id = id, .after_number = after});
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? page->items : std::vector<Event>();
  }

  // All numbers in the query's order, read page by page.
  std::vector<int64_t> Numbers(CandidateQuery query) {
    std::vector<int64_t> numbers;
    for (bool more = true; more;) {
      absl::StatusOr<Page<search::Candidate>> page = store_->QueryCandidates(query);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->items.size(), static_cast<size_t>(query.limit));
      for (const search::Candidate& candidate : page->items) numbers.push_back(candidate.number);
      query.after_key = page->last_key;
      more = page->more;
      EXPECT_TRUE(!more || !page->items.empty());
    }
    return numbers;
  }

  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, KeepsEveryFieldOfAJob) {
  JobRecord job = SampleJob("a");
  ASSERT_TRUE(store_->InsertJob(job).ok());
  EXPECT_EQ(JobText(Job("a")), JobText(job));
  absl::StatusOr<JobRecord> after =
      store_->MutateJob("a", [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        record.state = JobState::kSucceeded;
        record.error = "ünïcode, \"quotes\" and 'SQL'; --";
        record.cancel_requested = true;
        record.started_us = 11;
        record.ended_us = 12;
        record.progress = SampleProgress(3);
        record.result = SampleResult();
        record.worker_version = "LibTorch 1.13.1";
        job = record;
        return Disposition::kKeep;
      });
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(JobText(*after), JobText(job));
  EXPECT_EQ(JobText(Job("a")), JobText(job));
}

TEST_P(StoreContract, KeepsNaNAndInfinity) {
  RunningJob("a");
  search::Candidate candidate = SampleCandidate(1);
  candidate.search.loss = std::numeric_limits<double>::quiet_NaN();
  candidate.test->loss = std::numeric_limits<double>::infinity();
  candidate.costs[0] = std::numeric_limits<double>::denorm_min();
  candidate.costs[1] = std::numeric_limits<double>::max();
  candidate.activation_ranges = {{-0.0, std::numeric_limits<double>::quiet_NaN()}, {-0.7, 0.1 + 0.2}};
  WorkerBatch batch{.number = 1, .progress = SampleProgress(1), .candidates = {candidate}};
  batch.progress->loss = std::numeric_limits<double>::quiet_NaN();
  batch.progress->reward = -std::numeric_limits<double>::infinity();
  ASSERT_TRUE(store_->AppendBatch("a", batch).ok());
  auto page = store_->QueryCandidates({.job_id = "a"});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_EQ(CandidateText(page->items[0]), CandidateText(candidate));
  EXPECT_EQ(ProgressText(Job("a").progress), ProgressText(*batch.progress));
  EXPECT_EQ(ProgressText(Events("a")[2].progress), ProgressText(*batch.progress));
}

TEST_P(StoreContract, InsertIsIdempotentByRequest) {
  JobRecord first = SampleJob("a");
  first.request_id = "r1";
  ASSERT_TRUE(store_->InsertJob(first).ok());
  JobRecord again = SampleJob("b");
  again.request_id = "r1";
  absl::StatusOr<JobRecord> known = store_->InsertJob(again);
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->id, "a");
  EXPECT_EQ(Events("a").size(), 1u);
  again.spec_digest = "another";
  EXPECT_EQ(store_->InsertJob(again).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->QueryJobs({})->items.size(), 1u);
}

TEST_P(StoreContract, EmptyRequestIdsDoNotClashAndIdsDo) {
  ASSERT_TRUE(store_->InsertJob(SampleJob("a")).ok());
  ASSERT_TRUE(store_->InsertJob(SampleJob("b")).ok());
  EXPECT_EQ(store_->InsertJob(SampleJob("a")).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_P(StoreContract, UnknownJobsAreNotFound) {
  const auto keep = [](JobRecord&) -> absl::StatusOr<Disposition> { return Disposition::kKeep; };
  EXPECT_EQ(store_->MutateJob("x", keep).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->AppendBatch("x", {.number = 1}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->QueryCandidates({.job_id = "x"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->QueryEvents({.job_id = "x"}).status().code(), absl::StatusCode::kNotFound);
  JobQuery query;
  query.id = "x";
  EXPECT_TRUE(store_->QueryJobs(query)->items.empty());
}

TEST_P(StoreContract, MutationErrorWritesNothing) {
  ASSERT_TRUE(store_->InsertJob(SampleJob("a")).ok());
  absl::StatusOr<JobRecord> failed =
      store_->MutateJob("a", [](JobRecord& record) -> absl::StatusOr<Disposition> {
        record.state = JobState::kFailed;
        record.error = "never seen";
        return absl::AbortedError("no");
      });
  EXPECT_EQ(failed.status(), absl::AbortedError("no"));
  EXPECT_EQ(Job("a").state, JobState::kPending);
  EXPECT_EQ(Events("a").size(), 1u);
}

TEST_P(StoreContract, StateChangesBecomeEventsAndOthersDoNot) {
  RunningJob("a");
  ASSERT_TRUE(store_
                  ->MutateJob("a",
                              [](JobRecord& record) -> absl::StatusOr<Disposition> {
                                record.cancel_requested = true;
                                return Disposition::kKeep;
                              })
                  .ok());
  ASSERT_TRUE(store_
                  ->MutateJob("a",
                              [](JobRecord& record) -> absl::StatusOr<Disposition> {
                                record.state = JobState::kFailed;
                                record.error = "why";
                                return Disposition::kKeep;
                              })
                  .ok());
  const std::vector<Event> events = Events("a");
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].state, JobState::kPending);
  EXPECT_EQ(events[1].state, JobState::kRunning);
  EXPECT_EQ(events[2].state, JobState::kFailed);
  EXPECT_EQ(events[2].message, "why");
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].number, static_cast<int64_t>(i) + 1);
}

TEST_P(StoreContract, EraseTakesEverythingAlong) {
  RunningJob("a");
  ASSERT_TRUE(store_->AppendBatch("a", {.number = 1, .candidates = {SampleCandidate(1)}}).ok());
  ASSERT_TRUE(
      store_->MutateJob("a", [](JobRecord&) -> absl::StatusOr<Disposition> { return Disposition::kErase; })
          .ok());
  EXPECT_EQ(store_->QueryEvents({.job_id = "a"}).status().code(), absl::StatusCode::kNotFound);
  // The same id again starts from nothing.
  ASSERT_TRUE(store_->InsertJob(SampleJob("a")).ok());
  EXPECT_EQ(Events("a").size(), 1u);
  EXPECT_TRUE(store_->QueryCandidates({.job_id = "a"})->items.empty());
}

TEST_P(StoreContract, BatchesAreAppliedOnceAndInOrder) {
  RunningJob("a");
  const WorkerBatch first{.number = 1, .progress = SampleProgress(1), .candidates = {SampleCandidate(1)}};
  ASSERT_TRUE(store_->AppendBatch("a", first).ok());
  ASSERT_TRUE(store_->AppendBatch("a", first).ok());
  EXPECT_EQ(Events("a").size(), 4u);
  EXPECT_EQ(store_->AppendBatch("a", {.number = 3}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->AppendBatch("a", {.number = 0}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Job("a").last_batch, 1);
  ASSERT_TRUE(store_->AppendBatch("a", {.number = 2}).ok());
  EXPECT_EQ(Job("a").last_batch, 2);
  EXPECT_EQ(ProgressText(Job("a").progress), ProgressText(SampleProgress(1)));
  EXPECT_EQ(Events("a").size(), 4u);
}

TEST_P(StoreContract, BatchesNeedARunningJob) {
  ASSERT_TRUE(store_->InsertJob(SampleJob("a")).ok());
  EXPECT_EQ(store_->AppendBatch("a", {.number = 1}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(StoreContract, ABadCandidateRefusesTheWholeBatch) {
  RunningJob("a");
  const auto refused = [&](auto spoil) {
    search::Candidate bad = SampleCandidate(2);
    spoil(bad);
    const absl::Status status =
        store_->AppendBatch("a", {.number = 1, .candidates = {SampleCandidate(1), bad}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  };
  refused([](search::Candidate& c) { c.number = 0; });
  refused([](search::Candidate& c) { c.search.accuracy = std::nan(""); });
  refused([](search::Candidate& c) { c.search.accuracy = 1.5; });
  refused([](search::Candidate& c) { c.search.images = -1; });
  refused([](search::Candidate& c) { c.test->accuracy = -0.5; });
  refused([](search::Candidate& c) { c.test->images = -1; });
  refused([](search::Candidate& c) { c.costs[0] = -1; });
  refused([](search::Candidate& c) { c.costs[0] = std::nan(""); });
  refused([](search::Candidate& c) { c.costs.pop_back(); });
  refused([](search::Candidate& c) { c.assignment.layers.pop_back(); });
  refused([](search::Candidate& c) { c.step = -1; });
  refused([](search::Candidate& c) { c.sampled_at = -2; });
  EXPECT_TRUE(store_->QueryCandidates({.job_id = "a"})->items.empty());
  EXPECT_EQ(Job("a").last_batch, 0);
}

TEST_P(StoreContract, ACandidateMeasuredAgainReplacesItself) {
  RunningJob("a");
  search::Candidate candidate = SampleCandidate(1);
  ASSERT_TRUE(store_->AppendBatch("a", {.number = 1, .candidates = {candidate, SampleCandidate(2)}}).ok());
  candidate.search.accuracy = 0.875;
  candidate.test.reset();
  candidate.origin = search::Origin::kFinal;
  candidate.costs = {5, 6};
  ASSERT_TRUE(store_->AppendBatch("a", {.number = 2, .candidates = {candidate}}).ok());
  const auto page = store_->QueryCandidates({.job_id = "a", .number = 1});
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_EQ(CandidateText(page->items[0]), CandidateText(candidate));
  EXPECT_EQ(Events("a").size(), 5u);
}

TEST_P(StoreContract, PointsAreTheCandidatesWithoutTheRest) {
  RunningJob("a");
  std::vector<search::Candidate> all;
  for (int64_t number = 1; number <= 7; ++number) {
    all.push_back(SampleCandidate(number));
    all.back().costs = {static_cast<double>(number), 0.5};
  }
  all[2].search.loss = std::numeric_limits<double>::quiet_NaN();
  ASSERT_TRUE(store_->AppendBatch("a", {.number = 1, .candidates = all}).ok());
  for (const bool feasible_only : {false, true}) {
    for (const int limit : {1, 3, 7, 8}) {
      CandidateQuery query{
          .job_id = "a", .feasible_only = feasible_only, .points_only = true, .limit = limit};
      std::vector<std::string> seen;
      std::vector<std::string> expected;
      const auto text = [](const search::Candidate& each) {
        return absl::StrCat(each.number, " ", QualityText(each.search), " ", each.feasible, " ",
                            ExactText(each.costs.at(0)), " ", ExactText(each.costs.at(1)), " ",
                            each.costs.size());
      };
      for (const search::Candidate& each : all) {
        if (each.feasible || !feasible_only) expected.push_back(text(each));
      }
      for (bool more = true; more;) {
        const absl::StatusOr<Page<search::Candidate>> page = store_->QueryCandidates(query);
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_LE(page->items.size(), static_cast<size_t>(limit));
        for (const search::Candidate& each : page->items) seen.push_back(text(each));
        query.after_key = page->last_key;
        more = page->more;
      }
      EXPECT_EQ(seen, expected) << feasible_only << " " << limit;
    }
  }
  EXPECT_EQ(store_->QueryCandidates({.job_id = "b", .points_only = true}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(StoreContract, PagesJobsInBothOrdersWithTies) {
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) {
    JobRecord job = SampleJob(absl::StrCat("job", i));
    job.created_us = 100 + i / 3;  // ties of three
    ASSERT_TRUE(store_->InsertJob(job).ok());
    ids.push_back(job.id);
  }
  for (bool newest_first : {false, true}) {
    for (int limit : {1, 2, 3, 7, 8}) {
      JobQuery query{.newest_first = newest_first, .limit = limit};
      std::vector<std::string> seen;
      for (bool more = true; more;) {
        absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs(query);
        ASSERT_TRUE(page.ok()) << page.status();
        for (const JobRecord& job : page->items) seen.push_back(job.id);
        query.after_key = page->last_key;
        more = page->more;
      }
      std::vector<std::string> expected = ids;
      if (newest_first) std::reverse(expected.begin(), expected.end());
      EXPECT_EQ(seen, expected) << newest_first << " " << limit;
    }
  }
}

TEST_P(StoreContract, FiltersJobsByState) {
  RunningJob("a");
  ASSERT_TRUE(store_->InsertJob(SampleJob("b")).ok());
  JobQuery query;
  query.state = JobState::kRunning;
  ASSERT_EQ(store_->QueryJobs(query)->items.size(), 1u);
  EXPECT_EQ(store_->QueryJobs(query)->items[0].id, "a");
  query.state = JobState::kFailed;
  EXPECT_TRUE(store_->QueryJobs(query)->items.empty());
}

TEST_P(StoreContract, PagesCandidatesInEveryOrderWithTies) {
  RunningJob("a");
  std::vector<search::Candidate> all;
  for (int i = 1; i <= 12; ++i) {
    search::Candidate candidate = SampleCandidate(i);
    candidate.search.accuracy = (i * 5 % 4) / 4.0;
    candidate.costs = {static_cast<double>(i * 7 % 3), 1.0 / (1 + i % 5)};
    candidate.feasible = i % 3 != 0;
    all.push_back(candidate);
  }
  ASSERT_TRUE(store_->AppendBatch("a", {.number = 1, .candidates = all}).ok());
  const auto value = [](const CandidateQuery& query, const search::Candidate& candidate) {
    if (query.order == CandidateOrder::kNumber) return static_cast<double>(candidate.number);
    if (query.order == CandidateOrder::kAccuracy) return candidate.search.accuracy;
    return candidate.costs[static_cast<size_t>(query.cost_index)];
  };
  for (auto [order, cost] : {std::pair{CandidateOrder::kNumber, 0}, std::pair{CandidateOrder::kAccuracy, 0},
                             std::pair{CandidateOrder::kCost, 0}, std::pair{CandidateOrder::kCost, 1}}) {
    for (bool descending : {false, true}) {
      for (bool feasible_only : {false, true}) {
        for (int limit : {1, 3, 5, 12, 20}) {
          CandidateQuery query{.job_id = "a",
                               .feasible_only = feasible_only,
                               .order = order,
                               .descending = descending,
                               .cost_index = cost,
                               .limit = limit};
          std::vector<std::tuple<double, int64_t>> sorted;
          for (const search::Candidate& candidate : all) {
            if (feasible_only && !candidate.feasible) continue;
            sorted.emplace_back(descending ? -value(query, candidate) : value(query, candidate),
                                candidate.number);
          }
          std::sort(sorted.begin(), sorted.end());
          std::vector<int64_t> expected;
          for (const auto& [key, number] : sorted) expected.push_back(number);
          EXPECT_EQ(Numbers(query), expected);
        }
      }
    }
  }
}

TEST_P(StoreContract, RefusesAPageKeyOfAnotherOrder) {
  RunningJob("a");
  ASSERT_TRUE(
      store_->AppendBatch("a", {.number = 1, .candidates = {SampleCandidate(1), SampleCandidate(2)}}).ok());
  CandidateQuery query{.job_id = "a", .order = CandidateOrder::kAccuracy, .limit = 1};
  const std::string key = store_->QueryCandidates(query)->last_key;
  const auto refused = [&](CandidateQuery other) {
    EXPECT_EQ(store_->QueryCandidates(other).status().code(), absl::StatusCode::kInvalidArgument);
  };
  refused({.job_id = "a", .order = CandidateOrder::kNumber, .after_key = key});
  refused({.job_id = "a", .order = CandidateOrder::kAccuracy, .descending = true, .after_key = key});
  refused({.job_id = "a", .order = CandidateOrder::kCost, .cost_index = 1, .after_key = key});
  refused({.job_id = "a", .order = CandidateOrder::kAccuracy, .after_key = "junk"});
  refused({.job_id = "a", .order = CandidateOrder::kCost, .cost_index = 2});
  refused({.job_id = "a", .order = CandidateOrder::kCost, .cost_index = -1});
  EXPECT_EQ(store_->QueryJobs({.after_key = "junk"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(StoreContract, EventsPageByNumber) {
  RunningJob("a");
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(store_->AppendBatch("a", {.number = i, .progress = SampleProgress(i)}).ok());
  }
  const auto page = store_->QueryEvents({.job_id = "a", .after_number = 3, .limit = 2});
  ASSERT_EQ(page->items.size(), 2u);
  EXPECT_EQ(page->items[0].number, 4);
  EXPECT_TRUE(page->more);
  EXPECT_EQ(Events("a", 5).size(), 2u);
  EXPECT_TRUE(Events("a", 7).empty());
  EXPECT_TRUE(Events("a", 700).empty());
}

TEST_P(StoreContract, ConcurrentWritersLeaveNoGapInEvents) {
  constexpr int kJobs = 4;
  constexpr int kBatches = 25;
  for (int j = 0; j < kJobs; ++j) RunningJob(absl::StrCat("job", j));
  std::vector<std::thread> threads;
  for (int j = 0; j < kJobs; ++j) {
    threads.emplace_back([&, j] {
      for (int i = 1; i <= kBatches; ++i) {
        WorkerBatch batch{.number = i, .progress = SampleProgress(i), .candidates = {SampleCandidate(i)}};
        EXPECT_TRUE(store_->AppendBatch(absl::StrCat("job", j), batch).ok());
      }
    });
    threads.emplace_back([&, j] {
      int64_t last = 0;
      while (last < 2 + 2 * kBatches) {
        auto page = store_->QueryEvents({.job_id = absl::StrCat("job", j), .after_number = last});
        ASSERT_TRUE(page.ok()) << page.status();
        for (const Event& event : page->items) ASSERT_EQ(event.number, ++last);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(StoreContract, ConcurrentInsertsOfOneRequestMakeOneJob) {
  std::vector<std::thread> threads;
  std::vector<std::string> ids(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      JobRecord job = SampleJob(absl::StrCat("job", i));
      job.request_id = "same";
      absl::StatusOr<JobRecord> stored = store_->InsertJob(job);
      ASSERT_TRUE(stored.ok()) << stored.status();
      ids[static_cast<size_t>(i)] = stored->id;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
}

}  // namespace precis::server
