// Pausing, resuming and retrying jobs over real gRPC, with workers that the test plays.
#include "absl/time/clock.h"
#include "tests/server/server_fixture.h"

namespace precis::server {
namespace {

using testing::ElementsAre;

std::string Id(const std::string& name) { return name.substr(5); }

TEST(Pause, APausedJobLeavesItsSlotAndGoesOnWhenResumed) {
  ServerFixture fixture(true, {.data_dir = {}, .checkpoint_grace = absl::Hours(1)});
  fixture.launcher().IgnorePoliteStops();
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  ASSERT_TRUE(worker.Start().ok());
  EXPECT_TRUE(fixture.Pause(name).ok());
  EXPECT_TRUE(fixture.Pause(name).ok());
  EXPECT_TRUE(fixture.Get(name).pausing());
  EXPECT_EQ(CodeOf(fixture.Resume(name)), grpc::FAILED_PRECONDITION);
  v1::Directive directive = v1::DIRECTIVE_UNSPECIFIED;
  ASSERT_TRUE(worker.Report({.number = 0}, &directive).ok());
  EXPECT_EQ(directive, v1::DIRECTIVE_PAUSE);
  ASSERT_TRUE(worker.Fail(absl::CancelledError("told to stop")).ok());
  EXPECT_EQ(fixture.Get(name).state(), v1::Job::RUNNING);
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
  const std::string other = fixture.SubmitGood();
  fixture.AwaitWorker(other);
  EXPECT_EQ(fixture.Get(name).state(), v1::Job::PAUSED);
  EXPECT_FALSE(fixture.Get(name).pausing());
  EXPECT_TRUE(fixture.Pause(name).ok());
  EXPECT_EQ(CodeOf(fixture.Retry(name)), grpc::FAILED_PRECONDITION);
  EXPECT_TRUE(fixture.Resume(name).ok());
  EXPECT_EQ(fixture.Get(name).state(), v1::Job::PENDING);
  EXPECT_TRUE(fixture.Resume(name).ok());
  fixture.launcher().End(Id(other), {.clean = false, .description = "x"});
  EXPECT_TRUE(fixture.Cancel(other).ok());
  PlayedWorker next(fixture.launcher().AwaitStart(Id(name), 2));
  ASSERT_TRUE(next.Fail(absl::InternalError("x")).ok());
  EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::FAILED);
  EXPECT_EQ(CodeOf(fixture.Pause(name)), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(CodeOf(fixture.Resume(name)), grpc::FAILED_PRECONDITION);
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
}

TEST(Pause, APendingJobIsPausedAtOnceAndCanBeCancelled) {
  ServerFixture fixture(false);
  const std::string running = fixture.SubmitGood();
  fixture.AwaitWorker(running);
  const std::string name = fixture.SubmitGood();
  EXPECT_TRUE(fixture.Pause(name).ok());
  EXPECT_EQ(fixture.Get(name).state(), v1::Job::PAUSED);
  EXPECT_TRUE(fixture.Cancel(name).ok());
  EXPECT_EQ(fixture.Get(name).state(), v1::Job::CANCELLED);
  EXPECT_EQ(fixture.launcher().Started().size(), 1u);
}

TEST(Pause, AJobBetweenTwoWorkersIsPausedOrCancelledAtOnce) {
  for (const bool pause : {true, false}) {
    ServerFixture fixture(
        false,
        {.data_dir = {}, .first_restart_pause = absl::Hours(1), .longest_restart_pause = absl::Hours(1)});
    const std::string name = fixture.SubmitGood();
    fixture.AwaitWorker(name);
    fixture.launcher().End(Id(name), {.clean = false, .description = "killed by signal 9 (Killed)"});
    while (fixture.Get(name).restarts() == 0) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_TRUE((pause ? fixture.Pause(name) : fixture.Cancel(name)).ok());
    EXPECT_EQ(fixture.Get(name).state(), pause ? v1::Job::PAUSED : v1::Job::CANCELLED);
  }
}

// Asked for between the end of one worker and the queueing for the next.
TEST(Pause, NoWorkerIsStartedForAJobThatIsToStop) {
  for (const bool pause : {true, false}) {
    ServerFixture fixture(false, {.data_dir = {}, .first_restart_pause = absl::Milliseconds(200)});
    const std::string name = fixture.SubmitGood();
    fixture.AwaitWorker(name);
    fixture.launcher().End(Id(name), {.clean = false, .description = "killed by signal 9 (Killed)"});
    while (fixture.Get(name).restarts() == 0) absl::SleepFor(absl::Milliseconds(1));
    ASSERT_TRUE(fixture.store()
                    .MutateJob(Id(name),
                               [&](JobRecord& job) -> absl::StatusOr<Disposition> {
                                 (pause ? job.pause_requested : job.cancel_requested) = true;
                                 return Disposition::kKeep;
                               })
                    .ok());
    const v1::Job::State end = pause ? v1::Job::PAUSED : v1::Job::CANCELLED;
    while (fixture.Get(name).state() != end) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_EQ(fixture.launcher().Started().size(), 1u);
  }
}

TEST(Pause, AJobThatFailedIsRetriedWithItsHistory) {
  ServerFixture fixture(true);
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  ASSERT_TRUE(worker.Start().ok());
  ASSERT_TRUE(worker.Fail(absl::UnavailableError("no such file")).ok());
  EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::FAILED);
  EXPECT_TRUE(fixture.Retry(name).ok());  // its worker has not ended yet
  EXPECT_EQ(fixture.Get(name).state(), v1::Job::PENDING);
  EXPECT_EQ(fixture.Get(name).error(), "");
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
  PlayedWorker second(fixture.launcher().AwaitStart(Id(name), 2));
  ASSERT_TRUE(second.Start().ok());
  ASSERT_TRUE(second.ReportNext({FittingCandidate(fixture.Get(name), fixture.store(), 1)}).ok());
  ASSERT_TRUE(second.Succeed(1).ok());
  std::vector<v1::JobEvent> events;
  EXPECT_TRUE(fixture.Watch(name, 0, &events).ok());
  std::vector<v1::Job::State> states;
  for (const v1::JobEvent& event : events) {
    if (event.has_state_change()) states.push_back(event.state_change().state());
  }
  EXPECT_THAT(states, ElementsAre(v1::Job::PENDING, v1::Job::RUNNING, v1::Job::FAILED, v1::Job::PENDING,
                                  v1::Job::RUNNING, v1::Job::SUCCEEDED));
  EXPECT_EQ(CodeOf(fixture.Retry(name)), grpc::FAILED_PRECONDITION);
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
}

}  // namespace
}  // namespace precis::server
