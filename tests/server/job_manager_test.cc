// JobManager without gRPC, raced by many threads on either store, so that ThreadSanitizer sees all of it.
#include "server/job_manager.h"

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/job_state.h"
#include "server/store/sqlite_store.h"
#include "tests/fakes/fake_launcher.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/sample_records.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

constexpr int kMostRuns = 3;

class JobManagerTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(dir_.path());
      ASSERT_TRUE(store.ok()) << store.status();
      store_ = *std::move(store);
    } else {
      store_ = std::make_unique<MemoryStore>();
    }
    manager_ = std::make_unique<JobManager>(store_.get(), &launcher_, &hub_,
                                            JobManagerOptions{.data_dir = dir_.path(),
                                                              .max_concurrent_jobs = kMostRuns,
                                                              .restart_limit = 1,
                                                              .first_restart_pause = absl::Milliseconds(1)});
    ASSERT_TRUE(manager_->Recover().ok());
    manager_->Start("127.0.0.1:1");
  }

  std::vector<JobRecord> Jobs() {
    absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs({.limit = 1000});
    EXPECT_TRUE(page.ok()) << page.status();
    return page->items;
  }

  // Plays one worker from its start to its end, in one of several manners. Calls may fail: the job may be
  // cancelled or deleted at any moment.
  void Play(const WorkerCommand& command, size_t manner) {
    const std::string& id = command.job_id;
    (void)manager_->StartWork(id, command.secret, "played");
    for (int i = 1; i <= 3; ++i) {
      absl::StatusOr<WorkerDirective> directive =
          manager_->Report(id, command.secret,
                           {.number = i, .progress = SampleProgress(i), .candidates = {SampleCandidate(i)}});
      if (!directive.ok() || *directive != WorkerDirective::kContinue) break;
    }
    if (manner % 3 == 0) (void)manager_->Finish(id, command.secret, SampleResult(), "played");
    if (manner % 3 == 1) (void)manager_->Finish(id, command.secret, absl::DataLossError("bad data"), "");
    launcher_.End(id, {.clean = manner % 2 == 0, .description = "ended"});
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
  FakeLauncher launcher_;
  EventHub hub_;
  std::unique_ptr<JobManager> manager_;
};

INSTANTIATE_TEST_SUITE_P(Stores, JobManagerTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "sqlite" : "memory"; });

TEST_P(JobManagerTest, AMuddleLeavesEveryJobEndedAndEveryLogWhole) {
  std::atomic<bool> done = false;
  std::thread actor([&] {
    for (size_t played = 0; !done;) {
      const std::vector<WorkerCommand> started = launcher_.Started();
      EXPECT_LE(launcher_.Running().size(), static_cast<size_t>(kMostRuns));
      for (; played < started.size(); ++played) Play(started[played], played);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 10; ++i) {
        JobRecord job = SampleJob("");
        if (i % 4 == 0) job.request_id = absl::StrCat("request ", i);  // the same from every client
        absl::StatusOr<JobRecord> stored = manager_->Submit(job);
        ASSERT_TRUE(stored.ok()) << stored.status();
        if ((c + i) % 3 == 0) (void)manager_->Cancel(stored->id);
        if ((c + i) % 5 == 0) (void)manager_->Delete(stored->id);
        if ((c + i) % 4 == 0) (void)manager_->Pause(stored->id);
        if ((c + i) % 7 == 0) (void)manager_->Retry(stored->id);
        (void)manager_->Counts();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const auto all_ended = [&] {
    bool ended = true;
    for (const JobRecord& job : Jobs()) {
      if (job.state == JobState::kPaused) (void)manager_->Resume(job.id);
      ended = ended && IsTerminal(job.state);
    }
    return ended;
  };
  while (!all_ended()) std::this_thread::yield();
  done = true;
  actor.join();

  std::set<std::string> ids;
  for (const JobRecord& job : Jobs()) {
    EXPECT_TRUE(ids.insert(job.id).second);
    absl::StatusOr<Page<Event>> events = store_->QueryEvents({.job_id = job.id});
    ASSERT_TRUE(events.ok()) << events.status();
    JobState state = JobState::kPending;
    for (size_t i = 0; i < events->items.size(); ++i) {
      const Event& event = events->items[i];
      EXPECT_EQ(event.number, static_cast<int64_t>(i) + 1);
      if (event.kind != Event::Kind::kState || i == 0) continue;
      if (event.state == state) continue;  // a notice
      EXPECT_TRUE(CanMove(state, event.state)) << JobStateName(state) << " to " << JobStateName(event.state);
      state = event.state;
    }
    EXPECT_EQ(state, job.state);
    EXPECT_EQ(job.result.has_value(), job.state == JobState::kSucceeded);
  }
  EXPECT_GT(ids.size(), 10u);
}

TEST_P(JobManagerTest, DrainingWhileWorkersReportEndsAll) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(manager_->Submit(SampleJob(""))->id);
  std::vector<std::thread> workers;
  for (int i = 0; i < kMostRuns; ++i) {
    workers.emplace_back([&, command = launcher_.AwaitStart(ids[static_cast<size_t>(i)])] {
      for (int number = 1;; ++number) {
        absl::StatusOr<WorkerDirective> directive = manager_->Report(
            command.job_id, command.secret, {.number = number, .progress = SampleProgress(1)});
        if (!directive.ok() || *directive != WorkerDirective::kContinue) break;
      }
    });
  }
  manager_->Drain();
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(manager_->Submit(SampleJob("")).status().code(), absl::StatusCode::kUnavailable);
  for (size_t i = 0; i < ids.size(); ++i) {
    JobQuery query;
    query.id = ids[i];
    const JobRecord job = store_->QueryJobs(query)->items.at(0);
    EXPECT_EQ(job.state, i < kMostRuns ? JobState::kRunning : JobState::kPending);
  }
}

}  // namespace
}  // namespace precis::server
