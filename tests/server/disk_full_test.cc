// A disk that is full: jobs wait, say why, and go on; and a store that fails for a while leaves no job
// behind.
#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/job_manager.h"
#include "tests/fakes/fake_launcher.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/sample_records.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

using testing::StartsWith;

// Refuses every change while it is full.
class FillingStore final : public Store {
 public:
  absl::StatusOr<JobRecord> InsertJob(const JobRecord& job) override {
    return full ? absl::ResourceExhaustedError("disk is full") : store_.InsertJob(job);
  }
  absl::StatusOr<JobRecord> MutateJob(const std::string& id, const Mutation& mutate) override {
    if (full) return absl::ResourceExhaustedError("disk is full");
    return store_.MutateJob(id, mutate);
  }
  absl::Status AppendBatch(const std::string& id, const WorkerBatch& batch) override {
    return full ? absl::ResourceExhaustedError("disk is full") : store_.AppendBatch(id, batch);
  }
  absl::StatusOr<Page<JobRecord>> QueryJobs(const JobQuery& query) override {
    return store_.QueryJobs(query);
  }
  absl::StatusOr<Page<search::Candidate>> QueryCandidates(const CandidateQuery& query) override {
    return store_.QueryCandidates(query);
  }
  absl::StatusOr<Page<Event>> QueryEvents(const EventQuery& query) override {
    return store_.QueryEvents(query);
  }
  std::atomic<bool> full = false;

 private:
  MemoryStore store_;
};

class DiskFullTest : public testing::Test {
 protected:
  DiskFullTest() {
    JobManagerOptions options{.data_dir = dir_.path()};
    options.room_pause = absl::Milliseconds(20);
    options.free_bytes = [this](const std::string&) { return free_bytes_.load(); };
    manager_ = std::make_unique<JobManager>(&store_, &launcher_, &hub_, options);
    EXPECT_TRUE(manager_->Recover().ok());
    manager_->Start("127.0.0.1:1");
    job_id_ = manager_->Submit(SampleJob("x"))->id;
  }
  JobRecord Job() { return store_.QueryJobs({.id = job_id_})->items.at(0); }
  void AwaitNotice(const std::string& begin) {
    while (!absl::StartsWith(Job().notice, begin)) absl::SleepFor(absl::Milliseconds(2));
  }

  TempDir dir_;
  FillingStore store_;
  FakeLauncher launcher_;
  EventHub hub_;
  std::atomic<int64_t> free_bytes_ = int64_t{1} << 40;
  std::unique_ptr<JobManager> manager_;
  std::string job_id_;
};

TEST_F(DiskFullTest, AJobWhoseWorkerFoundNoRoomGoesOnWhenThereIsSome) {
  const WorkerCommand worker = launcher_.AwaitStart(job_id_);
  free_bytes_ = 0;
  const absl::Status full = absl::ResourceExhaustedError("cannot write: No space left on device");
  EXPECT_TRUE(manager_->Finish(job_id_, worker.secret, full, "").ok());
  launcher_.End(job_id_, {.clean = true, .description = "ended"});
  AwaitNotice(kNoRoom);
  EXPECT_EQ(Job().state, JobState::kRunning);
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(launcher_.Started().size(), 1u) << "none is started while there is no room";
  free_bytes_ = int64_t{1} << 40;
  launcher_.AwaitStart(job_id_, 2);
  while (!Job().notice.empty()) absl::SleepFor(absl::Milliseconds(2));
  EXPECT_EQ(Job().restarts, 0) << "nobody was lost";
}

TEST_F(DiskFullTest, AWaitingJobCanBeCancelledAndPaused) {
  launcher_.AwaitStart(job_id_);
  free_bytes_ = 0;
  const std::string second = manager_->Submit(SampleJob("y"))->id;
  launcher_.End(job_id_, {.description = "killed"});
  AwaitNotice(kNoRoom);
  EXPECT_EQ(manager_->Cancel(job_id_)->state, JobState::kCancelled);
  EXPECT_EQ(manager_->Pause(second)->state, JobState::kPaused);
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(Job().state, JobState::kCancelled);
  EXPECT_EQ(launcher_.Started().size(), 1u);
}

TEST_F(DiskFullTest, TheEndOfARunThatTheStoreCannotTakeInIsTriedAgain) {
  launcher_.AwaitStart(job_id_);
  store_.full = true;
  launcher_.End(job_id_, {.description = "killed"});
  absl::SleepFor(absl::Milliseconds(100));
  store_.full = false;
  launcher_.AwaitStart(job_id_, 2);
  EXPECT_EQ(Job().state, JobState::kRunning);
}

}  // namespace
}  // namespace precis::server
