// The life of jobs over real gRPC: queue, cancelling, workers that fail, die or fall silent, restarts,
// shutting down, and what workers may and may not do.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "server/job_files.h"
#include "tests/server/server_fixture.h"

namespace precis::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Id(const std::string& name) { return name.substr(5); }

TEST(JobLife, SucceedsWithItsResult) {
  ServerFixture fixture(true);
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  v1::StartWorkResponse orders;
  ASSERT_TRUE(worker.Start(&orders).ok());
  const v1::Job running = fixture.Get(name);
  EXPECT_EQ(running.state(), v1::Job::RUNNING);
  EXPECT_EQ(orders.plan_fingerprint(), running.plan().fingerprint());
  EXPECT_EQ(orders.spec().SerializeAsString(), running.spec().SerializeAsString());
  EXPECT_EQ(orders.weights_path(), absl::StrCat(fixture.data_dir(), "/", name, "/weights.safetensors"));
  EXPECT_TRUE(std::filesystem::is_directory(fixture.data_dir() + "/" + name));
  v1::Directive directive = v1::DIRECTIVE_UNSPECIFIED;
  ASSERT_TRUE(worker.Report({.number = 0}, &directive).ok());
  EXPECT_EQ(directive, v1::DIRECTIVE_CONTINUE);
  ASSERT_TRUE(worker.ReportNext({FittingCandidate(running, fixture.store(), 1)}).ok());
  ASSERT_TRUE(worker.Succeed(1).ok());
  ASSERT_TRUE(worker.Succeed(1).ok());  // sent again
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(job.error(), "");
  EXPECT_EQ(job.result().final_candidate(), name + "/candidates/1");
  EXPECT_EQ(job.result().worker_version(), "played");
  EXPECT_EQ(job.progress().step(), 1);
  EXPECT_GE(job.end_time().seconds(), job.start_time().seconds());
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
  EXPECT_TRUE(fixture.Delete(name).ok());
  EXPECT_FALSE(std::filesystem::exists(fixture.data_dir() + "/" + name));
}

TEST(JobLife, JobsRunInOrderAndNoMoreThanAllowed) {
  ServerFixture fixture(false, {.data_dir = {}, .max_concurrent_jobs = 2});
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) names.push_back(fixture.SubmitGood());
  fixture.AwaitWorker(names[0]);
  PlayedWorker second = fixture.AwaitWorker(names[1]);
  EXPECT_EQ(fixture.launcher().Running().size(), 2u);
  // The outcome alone frees no slot; the end of the process does.
  ASSERT_TRUE(second.Fail(absl::InternalError("x")).ok());
  EXPECT_EQ(fixture.AwaitEnd(names[1]).state(), v1::Job::FAILED);
  EXPECT_EQ(fixture.launcher().Started().size(), 2u);
  fixture.launcher().End(Id(names[1]), {.clean = true, .description = "exited with code 0"});
  fixture.AwaitWorker(names[2]);
  fixture.launcher().End(Id(names[0]), {.clean = false, .description = "exited with code 3"});
  fixture.AwaitWorker(names[3]);
  std::vector<std::string> started;
  for (const WorkerCommand& command : fixture.launcher().Started())
    started.push_back("jobs/" + command.job_id);
  EXPECT_EQ(started, names);
}

TEST(JobLife, AFailureHasTheWorkersWords) {
  ServerFixture fixture(false);
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  ASSERT_TRUE(worker.Start().ok());
  ASSERT_TRUE(worker.Fail(absl::DataLossError("train-images-idx3-ubyte.gz is truncated")).ok());
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::FAILED);
  EXPECT_EQ(job.error(), "train-images-idx3-ubyte.gz is truncated");
  // What the process says afterwards changes nothing.
  fixture.launcher().End(Id(name), {.clean = false, .description = "killed"});
  EXPECT_EQ(fixture.Get(name).error(), job.error());
}

JobManagerOptions NoRestarts() { return {.data_dir = {}, .restart_limit = 0}; }

JobManagerOptions QuickRestarts(int limit = 5) {
  return {.data_dir = {}, .restart_limit = limit, .first_restart_pause = absl::Milliseconds(1)};
}

TEST(JobLife, ADeadWorkerLeavesTheReasonAndItsLastWords) {
  ServerFixture fixture(false, NoRestarts());
  const std::string name = fixture.SubmitGood();
  fixture.AwaitWorker(name);
  std::ofstream(JobFiles(fixture.data_dir()).LogPath(Id(name))) << "loading\nstd::bad_alloc\n";
  fixture.launcher().End(Id(name), {.clean = false, .description = "killed by signal 6 (Aborted)"});
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::FAILED);
  EXPECT_EQ(job.error(),
            "the worker died: killed by signal 6 (Aborted). Its log ends: loading | std::bad_alloc");
}

TEST(JobLife, AWorkerThatEndsWithoutAWordFailsItsJob) {
  ServerFixture fixture(false, NoRestarts());
  const std::string name = fixture.SubmitGood();
  fixture.AwaitWorker(name);
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
  EXPECT_THAT(fixture.AwaitEnd(name).error(), HasSubstr("without delivering a result"));
}

TEST(JobLife, ALostWorkerIsFollowedByOneThatKnowsWhatWasReported) {
  ServerFixture fixture(true, QuickRestarts());
  const std::string name = fixture.SubmitGood();
  PlayedWorker first = fixture.AwaitWorker(name);
  const v1::Job job = fixture.Get(name);
  ASSERT_TRUE(first.Start().ok());
  ASSERT_TRUE(
      first.ReportNext({FittingCandidate(job, fixture.store(), 1), FittingCandidate(job, fixture.store(), 2)})
          .ok());
  ASSERT_TRUE(first.ReportNext({FittingCandidate(job, fixture.store(), 1)}).ok());
  fixture.launcher().End(Id(name), {.clean = false, .description = "killed by signal 9 (Killed)"});
  PlayedWorker second(fixture.launcher().AwaitStart(Id(name), 2));
  EXPECT_EQ(CodeOf(first.Report({.number = 0})), grpc::PERMISSION_DENIED);
  v1::StartWorkResponse orders;
  ASSERT_TRUE(second.Start(&orders).ok());
  EXPECT_EQ(orders.last_batch(), 2);
  EXPECT_EQ(orders.candidates_reported(), 3);
  EXPECT_EQ(orders.fraction(), SampleProgress(2).fraction);
  EXPECT_EQ(orders.checkpoint_folder(), absl::StrCat(fixture.data_dir(), "/", name, "/checkpoint"));
  const v1::Job restarted = fixture.Get(name);
  EXPECT_EQ(restarted.state(), v1::Job::RUNNING);
  EXPECT_EQ(restarted.restarts(), 1);
  EXPECT_THAT(restarted.notice(), AllOf(HasSubstr("signal 9"), HasSubstr("checkpoint")));
  EXPECT_TRUE(second.Report({.number = 3, .progress = SampleProgress(3)}).ok());
  std::filesystem::create_directories(orders.checkpoint_folder());
  ASSERT_TRUE(second.Succeed(1).ok());
  EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(fixture.Get(name).notice(), "");
  EXPECT_FALSE(std::filesystem::exists(orders.checkpoint_folder()));
  std::vector<v1::JobEvent> events;
  ASSERT_TRUE(fixture.Watch(name, 0, &events).ok());
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const v1::JobEvent& event) {
                            return absl::StrContains(event.state_change().notice(), "checkpoint");
                          }),
            1);
}

TEST(JobLife, WorkersThatDieWithoutGettingFurtherFailTheJob) {
  ServerFixture fixture(false, QuickRestarts(2));
  const std::string name = fixture.SubmitGood();
  for (size_t i = 1; i <= 5; ++i) {
    PlayedWorker worker(fixture.launcher().AwaitStart(Id(name), i));
    // The second gets further, and the count begins anew.
    if (i == 2) {
      EXPECT_TRUE(worker.ReportNext({}).ok());
    }
    EXPECT_EQ(fixture.Get(name).state(), v1::Job::RUNNING) << i;
    fixture.launcher().End(Id(name), {.clean = false, .description = "killed by signal 9 (Killed)"});
    if (i == 4) break;
  }
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::FAILED);
  EXPECT_THAT(job.error(), HasSubstr("3 workers in a row"));
  EXPECT_EQ(fixture.launcher().Started().size(), 4u);
}

TEST(JobLife, AWorkerThatCannotBeStartedFailsItsJob) {
  ServerFixture fixture(false);
  fixture.launcher().Refuse(absl::UnavailableError("cannot execute /x/precis-worker: No such file"));
  const std::string name = fixture.SubmitGood();
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::FAILED);
  EXPECT_THAT(job.error(), HasSubstr("/x/precis-worker"));
  fixture.launcher().Refuse(absl::OkStatus());
  fixture.AwaitWorker(fixture.SubmitGood());
}

TEST(JobLife, ASilentWorkerIsKilled) {
  ServerFixture fixture(false, {.data_dir = {}, .silence_limit = absl::Milliseconds(30), .restart_limit = 0});
  const std::string name = fixture.SubmitGood();
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::FAILED);
  EXPECT_THAT(job.error(), HasSubstr("no sign of life for 30ms"));
  EXPECT_THAT(fixture.launcher().Stops(), testing::Contains(std::pair(Id(name), true)));
}

TEST(JobLife, CancellingAPendingJobIsImmediate) {
  ServerFixture fixture(false);
  const std::string running = fixture.SubmitGood();
  fixture.AwaitWorker(running);
  const std::string pending = fixture.SubmitGood();
  EXPECT_TRUE(fixture.Cancel(pending).ok());
  EXPECT_EQ(fixture.Get(pending).state(), v1::Job::CANCELLED);
  EXPECT_TRUE(fixture.Cancel(pending).ok());
  EXPECT_TRUE(fixture.Cancel(running).ok());
  EXPECT_EQ(fixture.AwaitEnd(running).state(), v1::Job::CANCELLED);
  EXPECT_EQ(fixture.launcher().Started().size(), 1u);
}

TEST(JobLife, CancellingARunningJobStopsItsWorkerPolitelyFirst) {
  ServerFixture fixture(false, {.data_dir = {}, .stop_grace = absl::Milliseconds(30)});
  fixture.launcher().IgnorePoliteStops();
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  ASSERT_TRUE(worker.Start().ok());
  EXPECT_TRUE(fixture.Cancel(name).ok());
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::CANCELLED);
  EXPECT_EQ(job.error(), "");
  const auto stops = fixture.launcher().Stops();
  ASSERT_GE(stops.size(), 2u);
  EXPECT_EQ(stops[0], std::pair(Id(name), false));
  EXPECT_EQ(stops[1], std::pair(Id(name), true));
  EXPECT_TRUE(fixture.Cancel(name).ok());
}

TEST(JobLife, ACancelledWorkerIsToldByItsNextReport) {
  ServerFixture fixture(false, {.data_dir = {}, .stop_grace = absl::Hours(1)});
  fixture.launcher().IgnorePoliteStops();
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  ASSERT_TRUE(worker.Start().ok());
  EXPECT_TRUE(fixture.Cancel(name).ok());
  EXPECT_EQ(fixture.Get(name).state(), v1::Job::RUNNING);
  v1::Directive directive = v1::DIRECTIVE_UNSPECIFIED;
  ASSERT_TRUE(worker.Report({.number = 1, .progress = SampleProgress(1)}, &directive).ok());
  EXPECT_EQ(directive, v1::DIRECTIVE_CANCEL);
  ASSERT_TRUE(worker.Fail(absl::CancelledError("told to stop")).ok());
  EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::CANCELLED);
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
}

TEST(JobLife, AResultThatComesAfterTheCancellationDoesNotCount) {
  ServerFixture fixture(false, {.data_dir = {}, .stop_grace = absl::Hours(1)});
  fixture.launcher().IgnorePoliteStops();
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  ASSERT_TRUE(worker.ReportNext({FittingCandidate(fixture.Get(name), fixture.store(), 1)}).ok());
  EXPECT_TRUE(fixture.Cancel(name).ok());
  ASSERT_TRUE(worker.Succeed(1).ok());
  const v1::Job job = fixture.AwaitEnd(name);
  EXPECT_EQ(job.state(), v1::Job::CANCELLED);
  EXPECT_FALSE(job.has_result());
  fixture.launcher().End(Id(name), {.clean = true, .description = "exited with code 0"});
}

TEST(JobLife, EndedJobsCannotBeCancelledAndRunningOnesNotDeleted) {
  ServerFixture fixture(false);
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  EXPECT_EQ(CodeOf(fixture.Delete(name)), grpc::FAILED_PRECONDITION);
  ASSERT_TRUE(worker.Fail(absl::InternalError("x")).ok());
  const grpc::Status cancelled = fixture.Cancel(name);
  EXPECT_EQ(CodeOf(cancelled), grpc::FAILED_PRECONDITION);
  EXPECT_THAT(cancelled.error_message(), HasSubstr("FAILED"));
  EXPECT_TRUE(fixture.Delete(name).ok());
  EXPECT_EQ(CodeOf(fixture.Delete(name)), grpc::NOT_FOUND);
}

TEST(JobLife, OnlyTheJobsOwnWorkerIsHeard) {
  ServerFixture fixture(false);
  const std::string name = fixture.SubmitGood();
  const std::string other = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  const WorkerCommand command = fixture.launcher().AwaitStart(Id(name));
  EXPECT_EQ(command.secret.size(), 64u);
  for (const std::string& secret : {std::string(), std::string("guess"), std::string(64, '0')}) {
    PlayedWorker stranger(command);
    stranger.set_secret(secret);
    EXPECT_EQ(CodeOf(stranger.Start()), grpc::PERMISSION_DENIED);
    EXPECT_EQ(CodeOf(stranger.Report({.number = 0})), grpc::PERMISSION_DENIED);
    EXPECT_EQ(CodeOf(stranger.Fail(absl::InternalError("x"))), grpc::PERMISSION_DENIED);
  }
  WorkerCommand crossed = command;
  crossed.job_id = Id(other);
  EXPECT_EQ(CodeOf(PlayedWorker(crossed).Start()), grpc::PERMISSION_DENIED);
  crossed.job_id = "nothing like an id";
  EXPECT_EQ(CodeOf(PlayedWorker(crossed).Report({.number = 1})), grpc::PERMISSION_DENIED);
  EXPECT_TRUE(worker.Start().ok());
}

TEST(JobLife, WorkersReportsAreChecked) {
  ServerFixture fixture(true);
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  const search::Candidate good = FittingCandidate(fixture.Get(name), fixture.store(), 1);
  search::Candidate bad = good;
  bad.assignment.layers.pop_back();
  EXPECT_EQ(CodeOf(worker.Report({.number = 1, .candidates = {bad}})), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(CodeOf(worker.Report({.number = 2, .candidates = {good}})), grpc::FAILED_PRECONDITION);
  EXPECT_TRUE(worker.Report({.number = 1, .candidates = {good}}).ok());
  EXPECT_TRUE(worker.Report({.number = 1, .candidates = {good}}).ok());
  EXPECT_EQ(CodeOf(worker.Succeed(9)), grpc::INVALID_ARGUMENT);  // never reported
  EXPECT_EQ(CodeOf(worker.Finish(v1::FinishWorkRequest())), grpc::INVALID_ARGUMENT);
  EXPECT_TRUE(worker.Succeed(1).ok());
  EXPECT_EQ(CodeOf(worker.Report({.number = 2})), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(CodeOf(worker.Start()), grpc::FAILED_PRECONDITION);
}

TEST(JobLife, ARestartGoesOnWithWhatRanAndThenWithWhatWaited) {
  ServerFixture fixture(true, QuickRestarts());
  const std::string running = fixture.SubmitGood();
  fixture.AwaitWorker(running);
  const std::string waiting = fixture.SubmitGood();
  // As after a crash: the rows say RUNNING, the folder of a job deleted half-way is there.
  fixture.Stop();
  std::filesystem::create_directories(fixture.data_dir() + "/jobs/zzzzzzzzzzzz");
  {
    auto store = SqliteStore::Open(fixture.data_dir());
    ASSERT_TRUE(store.ok()) << store.status();
    for (const char* id : {"000000000001", "000000000002"}) {
      JobRecord asked = SampleJob(id);
      asked.spec = SpecBytes({});
      ASSERT_TRUE((*store)->InsertJob(asked).ok());
      ASSERT_TRUE((*store)
                      ->MutateJob(id,
                                  [&](JobRecord& job) -> absl::StatusOr<Disposition> {
                                    job.state = JobState::kRunning;
                                    (asked.id == "000000000001" ? job.pause_requested
                                                                : job.cancel_requested) = true;
                                    return Disposition::kKeep;
                                  })
                      .ok());
    }
  }
  fixture.Start();
  EXPECT_EQ(fixture.Get("jobs/000000000001").state(), v1::Job::PAUSED);
  EXPECT_EQ(fixture.Get("jobs/000000000002").state(), v1::Job::CANCELLED);
  EXPECT_FALSE(std::filesystem::exists(fixture.data_dir() + "/jobs/zzzzzzzzzzzz"));
  PlayedWorker again = fixture.AwaitWorker(running);
  EXPECT_EQ(fixture.Get(running).state(), v1::Job::RUNNING);
  EXPECT_THAT(fixture.Get(running).notice(), HasSubstr("server was stopped"));
  EXPECT_EQ(fixture.Get(waiting).state(), v1::Job::PENDING);
  EXPECT_TRUE(again.Start().ok());
  EXPECT_TRUE(fixture.Cancel(running).ok());
  fixture.AwaitWorker(waiting);
}

TEST(JobLife, ShuttingDownStopsWhatRunsRefusesWhatComesAndLosesNothing) {
  ServerFixture fixture(true, QuickRestarts());
  const std::string running = fixture.SubmitGood();
  fixture.AwaitWorker(running);
  const std::string waiting = fixture.SubmitGood();
  // A call that only arrives while gRPC shuts down is cancelled by gRPC: no promise of ours.
  std::latch watching(2);
  std::vector<std::thread> watchers;
  for (const std::string& name : {running, waiting}) {
    watchers.emplace_back([&fixture, &watching, name] {
      std::vector<v1::JobEvent> events;
      EXPECT_EQ(CodeOf(fixture.Watch(name, 0, &events, [&] { watching.count_down(); })), grpc::UNAVAILABLE);
    });
  }
  watching.wait();
  fixture.server().Shutdown(absl::Minutes(4));
  for (std::thread& watcher : watchers) watcher.join();
  EXPECT_THAT(fixture.launcher().Running(), ElementsAre());
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  v1::Job job;
  EXPECT_EQ(CodeOf(fixture.Submit(request, &job)), grpc::UNAVAILABLE);
  fixture.Stop();
  fixture.Start();
  EXPECT_EQ(fixture.Get(running).state(), v1::Job::RUNNING);
  fixture.AwaitWorker(running);
  EXPECT_EQ(fixture.Get(waiting).state(), v1::Job::PENDING);
}

// Half a dozen threads submit, cancel and delete at random while workers come and go; afterwards every job
// has ended, its events have no gap and its states follow the table.
TEST(JobLife, SurvivesAMuddle) {
  ServerFixture fixture(true, {.data_dir = {}, .max_concurrent_jobs = 3});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 6; ++i) {
        const std::string name = fixture.SubmitGood();
        if ((t + i) % 3 == 0) (void)fixture.Cancel(name);
        if ((t + i) % 4 == 0) (void)fixture.Delete(name);
        if ((t + i) % 5 == 0) fixture.launcher().End(Id(name), {.clean = false, .description = "crashed"});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (true) {
    grpc::ClientContext context;
    v1::ListJobsRequest request;
    request.set_page_size(500);
    v1::ListJobsResponse jobs;
    ASSERT_TRUE(fixture.stub().ListJobs(&context, request, &jobs).ok());
    bool all_ended = true;
    for (const v1::Job& job : jobs.jobs()) {
      if (job.state() == v1::Job::PENDING || job.state() == v1::Job::RUNNING) {
        all_ended = false;
        (void)fixture.Cancel(job.name());
      }
    }
    if (!all_ended) continue;
    for (const v1::Job& job : jobs.jobs()) {
      std::vector<v1::JobEvent> events;
      ASSERT_TRUE(fixture.Watch(job.name(), 0, &events).ok());
      for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].number(), static_cast<int64_t>(i) + 1);
      EXPECT_EQ(events.back().state_change().state(), job.state());
    }
    break;
  }
}

}  // namespace
}  // namespace precis::server
