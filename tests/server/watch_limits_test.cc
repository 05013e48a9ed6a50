// What one client may take from others: watch streams, watchers that do not read, large messages, pings.
#include <thread>

#include "absl/time/clock.h"
#include "tests/server/server_fixture.h"

namespace precis::server {
namespace {

using testing::HasSubstr;

v1::WatchJobRequest WatchOf(const std::string& name) {
  v1::WatchJobRequest request;
  request.set_name(name);
  return request;
}

TEST(WatchLimits, OneMoreThanAllowedIsRefusedUntilOneLeaves) {
  ServerFixture fixture(false, {}, {.max_watch_streams = 2});
  const std::string name = fixture.SubmitGood();
  grpc::ClientContext first, second;
  auto first_reader = fixture.stub().WatchJob(&first, WatchOf(name));
  auto second_reader = fixture.stub().WatchJob(&second, WatchOf(name));
  v1::JobEvent event;
  ASSERT_TRUE(first_reader->Read(&event));
  ASSERT_TRUE(second_reader->Read(&event));
  grpc::ClientContext third;
  third.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  auto third_reader = fixture.stub().WatchJob(&third, WatchOf(name));
  EXPECT_FALSE(third_reader->Read(&event));
  const grpc::Status refused = third_reader->Finish();
  EXPECT_EQ(CodeOf(refused), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("2 jobs are being watched"));
  EXPECT_THAT(refused.error_message(), HasSubstr("--max-watchers"));
  first.TryCancel();
  first_reader->Finish();
  grpc::StatusCode code = grpc::RESOURCE_EXHAUSTED;
  std::thread canceller([&] {
    fixture.AwaitWorker(name);
    EXPECT_TRUE(fixture.Cancel(name).ok());
  });
  while (code == grpc::RESOURCE_EXHAUSTED) {
    std::vector<v1::JobEvent> events;
    code = CodeOf(fixture.Watch(name, 0, &events));
  }
  EXPECT_EQ(code, grpc::OK);
  canceller.join();
  second.TryCancel();
  second_reader->Finish();
}

// The search goes on as if the sleeping watcher were not there, and the sleeper finds every event in order.
TEST(WatchLimits, AWatcherThatDoesNotReadHoldsUpNobodyAndMissesNothing) {
  constexpr int kBatches = 300;
  ServerFixture fixture(true);
  const std::string name = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(name);
  ASSERT_TRUE(worker.Start().ok());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  auto sleepers_stub = v1::SearchService::NewStub(grpc::CreateCustomChannel(
      absl::StrCat("127.0.0.1:", fixture.server().port()), grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext sleeper;
  auto sleeping = sleepers_stub->WatchJob(&sleeper, WatchOf(name));
  const search::Candidate candidate = FittingCandidate(fixture.Get(name), fixture.store(), 1);
  for (int i = 0; i < kBatches; ++i) {
    std::vector<search::Candidate> candidates(10, candidate);
    for (int j = 0; j < 10; ++j) candidates[static_cast<size_t>(j)].number = 10 * i + j + 1;
    ASSERT_TRUE(worker.ReportNext(candidates).ok());
  }
  ASSERT_TRUE(worker.Succeed(1).ok());
  EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::SUCCEEDED) << "another watcher reads on meanwhile";
  int64_t next = 1;
  v1::JobEvent event;
  for (; sleeping->Read(&event); ++next) ASSERT_EQ(event.number(), next);
  EXPECT_TRUE(sleeping->Finish().ok());
  EXPECT_EQ(event.state_change().state(), v1::Job::SUCCEEDED);
  EXPECT_GE(next, kBatches * 11);
}

TEST(WatchLimits, TheEndOfTheServerTellsWhereToGoOn) {
  ServerFixture fixture(true);
  const std::string running = fixture.SubmitGood();
  fixture.AwaitWorker(running);
  const std::string waiting = fixture.SubmitGood();
  grpc::ClientContext context;
  auto reader = fixture.stub().WatchJob(&context, WatchOf(waiting));
  v1::JobEvent event;
  ASSERT_TRUE(reader->Read(&event));
  fixture.server().Shutdown(absl::Minutes(1));
  while (reader->Read(&event)) {
  }
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(CodeOf(status), grpc::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr(absl::StrCat("after event ", event.number())));
}

TEST(WatchLimits, ARequestLargerThanAllowedIsRefused) {
  ServerFixture fixture(false, {}, {.max_request_bytes = 100000});
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  request.mutable_spec()->mutable_cost()->set_table(std::string(100001, 'x'));
  v1::Job job;
  EXPECT_EQ(CodeOf(fixture.Submit(request, &job)), grpc::RESOURCE_EXHAUSTED);
  EXPECT_FALSE(fixture.SubmitGood().empty());
}

// How watching a job that does nothing ends for a client that pings every second, after a few seconds.
grpc::StatusCode PingingWatch(absl::Duration min_interval) {
  ServerFixture fixture(false, {}, {.min_ping_interval = min_interval});
  const std::string name = fixture.SubmitGood();
  fixture.AwaitWorker(name);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 1000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  auto stub = v1::SearchService::NewStub(grpc::CreateCustomChannel(
      absl::StrCat("127.0.0.1:", fixture.server().port()), grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(8));
  auto reader = stub->WatchJob(&context, WatchOf(name));
  v1::JobEvent event;
  while (reader->Read(&event)) {
  }
  return CodeOf(reader->Finish());
}

TEST(WatchLimits, WhoPingsTooOftenIsDisconnected) {
  EXPECT_EQ(PingingWatch(absl::Seconds(10)), grpc::UNAVAILABLE);
  EXPECT_EQ(PingingWatch(absl::Milliseconds(300)), grpc::DEADLINE_EXCEEDED);
}

}  // namespace
}  // namespace precis::server
