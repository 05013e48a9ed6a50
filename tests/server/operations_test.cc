// What whoever runs a server sees of it, over real gRPC: health, metrics, request ids.
#include <prometheus/text_serializer.h>

#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/call_observer.h"
#include "tests/server/server_fixture.h"

namespace precis::server {
namespace {

namespace health = grpc::health::v1;
using testing::HasSubstr;
using testing::Not;

// "SERVING", "NOT_SERVING", or the code of a call that failed.
std::string Health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  grpc::ClientContext context;
  health::HealthCheckRequest request;
  request.set_service(service);
  health::HealthCheckResponse response;
  const grpc::Status status = health::Health::NewStub(channel)->Check(&context, request, &response);
  return status.ok() ? health::HealthCheckResponse::ServingStatus_Name(response.status())
                     : absl::StrCat("code ", status.error_code());
}

// The value of every series, by "name{label="value"}".
std::map<std::string, double> Series(const ServerMetrics& metrics) {
  std::map<std::string, double> series;
  for (absl::string_view line :
       absl::StrSplit(prometheus::TextSerializer().Serialize(metrics.Collect()), '\n', absl::SkipEmpty())) {
    if (absl::StartsWith(line, "#")) continue;
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    double value = 0;
    EXPECT_TRUE(absl::SimpleAtod(parts.second, &value)) << line;
    EXPECT_TRUE(series.emplace(parts.first, value).second) << line << " is there twice";
  }
  return series;
}

TEST(Health, IsAnsweredForTheServerAndEachService) {
  ServerFixture fixture(false);
  for (const char* service : {"", "precis.v1.SearchService", "precis.v1.WorkerService"}) {
    EXPECT_EQ(Health(fixture.channel(), service), "SERVING") << service;
  }
  EXPECT_EQ(Health(fixture.channel(), "precis.v1.Nonsense"), absl::StrCat("code ", grpc::NOT_FOUND));
}

TEST(Health, IsBadFromTheBeginningOfTheDrain) {
  ServerFixture fixture(false, {.data_dir = {}, .stop_grace = absl::Minutes(4)});
  const std::string name = fixture.SubmitGood();
  fixture.AwaitWorker(name);
  fixture.launcher().IgnorePoliteStops();
  std::thread shutdown([&] { fixture.server().Shutdown(absl::Minutes(4)); });
  while (Health(fixture.channel(), "") == "SERVING") absl::SleepFor(absl::Milliseconds(5));
  // The worker lives on and can still report.
  EXPECT_THAT(fixture.launcher().Running(), testing::ElementsAre(name.substr(5)));
  for (const char* service : {"", "precis.v1.SearchService", "precis.v1.WorkerService"}) {
    EXPECT_EQ(Health(fixture.channel(), service), "NOT_SERVING") << service;
  }
  EXPECT_EQ(fixture.Get(name).name(), name);
  // The manager is told right after the health service.
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  v1::Job job;
  while (fixture.launcher().Stops().empty()) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(CodeOf(fixture.Submit(request, &job)), grpc::UNAVAILABLE);
  fixture.launcher().End(name.substr(5), {.clean = false, .description = "exited with code 1"});
  shutdown.join();
}

TEST(Metrics, FollowJobsAndForgetThem) {
  ServerFixture fixture(true);
  const ServerMetrics& metrics = *fixture.server().metrics();
  std::map<std::string, double> before = Series(metrics);
  EXPECT_EQ(before.at("precis_jobs{state=\"running\"}"), 0);
  EXPECT_EQ(before.at("precis_job_queue_seconds_count"), 0);
  EXPECT_GT(before.at("precis_store_wal_bytes") + before.at("precis_store_database_bytes"), 0);
  EXPECT_EQ(before.at(absl::StrCat("precis_build_info{version=\"", PRECIS_VERSION, "\"}")), 1);
  EXPECT_NEAR(before.at("process_start_time_seconds"), absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()),
              600);

  const std::string running = fixture.SubmitGood();
  const std::string waiting = fixture.SubmitGood();
  PlayedWorker worker = fixture.AwaitWorker(running);
  ASSERT_TRUE(worker.Start().ok());
  ASSERT_TRUE(worker.ReportNext({FittingCandidate(fixture.Get(running), fixture.store(), 1)}).ok());
  const std::string label = absl::StrCat("{job=\"", running.substr(5), "\"}");
  std::map<std::string, double> during = Series(metrics);
  EXPECT_EQ(during.at("precis_jobs{state=\"running\"}"), 1);
  EXPECT_EQ(during.at("precis_jobs{state=\"pending\"}"), 1);
  EXPECT_EQ(during.at("precis_job_queue_seconds_count"), 1);
  EXPECT_EQ(during.at("precis_job_reward" + label), SampleProgress(1).reward);
  EXPECT_EQ(during.at("precis_job_images_per_second" + label), SampleProgress(1).images_per_second);
  EXPECT_FALSE(during.contains("precis_job_step_seconds" + label)) << "one report has no duration";
  ASSERT_TRUE(worker.ReportNext({}).ok());
  const double step_seconds = Series(metrics).at("precis_job_step_seconds" + label);
  EXPECT_GT(step_seconds, 0);
  EXPECT_LT(step_seconds, 60);
  EXPECT_EQ(
      during.at(
          "precis_rpc_duration_seconds_count{code=\"OK\",method=\"precis.v1.SearchService/SubmitJob\"}"),
      2);
  EXPECT_EQ(during.at("precis_store_duration_seconds_count{operation=\"insert_job\"}"), 2);

  ASSERT_TRUE(worker.Succeed(1).ok());
  EXPECT_EQ(fixture.AwaitEnd(running).state(), v1::Job::SUCCEEDED);
  std::map<std::string, double> after = Series(metrics);
  EXPECT_EQ(after.at("precis_jobs{state=\"succeeded\"}"), 1);
  for (const auto& [name, value] : after)
    EXPECT_THAT(name, Not(HasSubstr("job=\""))) << "of a job that has ended";
  EXPECT_TRUE(fixture.Cancel(waiting).ok());
  EXPECT_TRUE(fixture.Delete(waiting).ok());
  after = Series(metrics);
  EXPECT_EQ(after.at("precis_jobs{state=\"pending\"}"), 0);
  EXPECT_EQ(after.at("precis_jobs{state=\"cancelled\"}"), 0);

  // A server that starts on jobs counts them.
  fixture.launcher().End(running.substr(5), {.clean = true, .description = "exited with code 0"});
  fixture.Stop();
  fixture.Start();
  EXPECT_EQ(Series(*fixture.server().metrics()).at("precis_jobs{state=\"succeeded\"}"), 1);
}

TEST(Metrics, CountErrorsByCodeAndWorkerRestarts) {
  ServerFixture fixture(false, {.data_dir = {}, .first_restart_pause = absl::Milliseconds(1)});
  grpc::ClientContext context;
  v1::GetJobRequest request;
  request.set_name("jobs/000000000000");
  v1::Job job;
  EXPECT_EQ(CodeOf(fixture.stub().GetJob(&context, request, &job)), grpc::NOT_FOUND);
  const std::string id = fixture.SubmitGood().substr(5);
  fixture.launcher().AwaitStart(id);
  fixture.launcher().End(id, {.clean = false, .description = "killed by signal 9 (Killed)"});
  fixture.launcher().AwaitStart(id, 2);
  const std::map<std::string, double> series = Series(*fixture.server().metrics());
  EXPECT_EQ(
      series.at(
          "precis_rpc_duration_seconds_count{code=\"NOT_FOUND\",method=\"precis.v1.SearchService/GetJob\"}"),
      1);
  EXPECT_EQ(series.at("precis_worker_restarts_total"), 1);
}

// A store whose writes do not end must not hold up who looks at the metrics.
TEST(Metrics, NeverWaitForTheStore) {
  ServerFixture fixture(true);
  const std::string name = fixture.SubmitGood();
  fixture.AwaitWorker(name);
  absl::Notification inside, go_on;
  std::thread writer([&] {
    (void)fixture.store().MutateJob(name.substr(5), [&](JobRecord&) -> absl::StatusOr<Disposition> {
      inside.Notify();
      go_on.WaitForNotification();
      return Disposition::kKeep;
    });
  });
  inside.WaitForNotification();
  EXPECT_EQ(Series(*fixture.server().metrics()).at("precis_jobs{state=\"running\"}"), 1);
  go_on.Notify();
  writer.join();
}

TEST(RequestId, IsTheClientsOrMade) {
  ServerFixture fixture(false);
  const auto ask = [&](const std::string& id) -> std::string {
    grpc::ClientContext context;
    if (!id.empty()) context.AddMetadata(kRequestIdMetadata, id);
    v1::GetJobRequest request;
    request.set_name("jobs/000000000000");
    v1::Job job;
    EXPECT_EQ(CodeOf(fixture.stub().GetJob(&context, request, &job)), grpc::NOT_FOUND);
    const auto& metadata = context.GetServerInitialMetadata();
    auto found = metadata.find(kRequestIdMetadata);
    return found == metadata.end() ? "none" : std::string(found->second.data(), found->second.size());
  };
  EXPECT_EQ(ask("My-own_id.1"), "My-own_id.1");
  const std::string made = ask("");
  EXPECT_TRUE(IsRequestId(made));
  EXPECT_NE(ask(""), made);
  for (const std::string& bad : {std::string("two words"), std::string("\"quoted\""), std::string(65, 'a')}) {
    const std::string given = ask(bad);
    EXPECT_NE(given, bad);
    EXPECT_TRUE(IsRequestId(given)) << given;
  }
}

}  // namespace
}  // namespace precis::server
