// The SearchService over real gRPC: submitting, listing and watching jobs, catalogues, and every error code.
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <set>
#include <thread>

#include "supernet/graph/model_zoo.h"
#include "tests/server/service_suite.h"

namespace precis::server {
namespace {

using testing::Contains;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Stores, ServiceTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "sqlite" : "memory"; });

TEST_P(ServiceTest, SubmitAnswersWithAPlannedJob) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  v1::Job job;
  ASSERT_TRUE(fixture_.Submit(request, &job).ok());
  EXPECT_THAT(job.name(), testing::MatchesRegex("jobs/[0-9a-z]{12}"));
  EXPECT_EQ(job.state(), v1::Job::PENDING);
  EXPECT_EQ(job.spec().display_name(), "good");
  EXPECT_EQ(job.spec().training().batch_size(), 128);
  EXPECT_EQ(job.plan().fingerprint().size(), 64u);
  EXPECT_EQ(job.plan().constrained_metric(), "bops");
  EXPECT_GT(job.plan().target(), job.plan().reachable_min());
  EXPECT_LT(job.plan().target(), job.plan().reachable_max());
  EXPECT_GT(job.create_time().seconds(), 0);
}

TEST_P(ServiceTest, SubmitReportsEveryFaultAtOnce) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  request.mutable_spec()->mutable_model()->set_name("resnet9");
  request.mutable_spec()->mutable_data()->set_path("/no/such/folder");
  request.mutable_spec()->mutable_space()->add_formats("int99");
  request.mutable_spec()->mutable_reward()->set_shape(static_cast<v1::RewardShape>(42));
  request.mutable_spec()->mutable_training()->set_epochs(-1);
  grpc::ClientContext context;
  v1::Job job;
  const grpc::Status status = fixture_.stub().SubmitJob(&context, request, &job);
  EXPECT_EQ(CodeOf(status), grpc::INVALID_ARGUMENT);
  const auto& trailing = context.GetServerTrailingMetadata();
  auto found = trailing.find(kInvalidArgumentMetadata);
  ASSERT_NE(found, trailing.end());
  v1::InvalidArgument details;
  ASSERT_TRUE(details.ParseFromArray(found->second.data(), static_cast<int>(found->second.size())));
  std::vector<std::string> fields;
  for (const auto& violation : details.violations()) {
    fields.push_back(violation.field());
    EXPECT_THAT(status.error_message(), HasSubstr(violation.field()));
  }
  for (const char* field :
       {"model.name", "data.path", "space.formats[3]", "reward.shape", "training.epochs"}) {
    EXPECT_THAT(fields, Contains(field));
  }
  EXPECT_THAT(status.error_message(), HasSubstr("resnet8"));  // meant, probably
  v1::ListJobsResponse jobs;
  ASSERT_TRUE(List(v1::ListJobsRequest(), &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
}

TEST_P(ServiceTest, ManyAndLongFaultsStillFitIntoAnAnswer) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  request.mutable_spec()->mutable_model()->set_name(std::string(500'000, 'x'));
  for (int i = 0; i < 2000; ++i) request.mutable_spec()->mutable_space()->add_formats(absl::StrCat("bad", i));
  grpc::ClientContext context;
  v1::Job job;
  const grpc::Status status = fixture_.stub().SubmitJob(&context, request, &job);
  EXPECT_EQ(CodeOf(status), grpc::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(context.GetServerTrailingMetadata().count(kInvalidArgumentMetadata), 1u);
  EXPECT_THAT(status.error_message(), HasSubstr("2001 faults"));
}

TEST_P(ServiceTest, AMissingSpecAndALongRequestIdAreFaults) {
  v1::SubmitJobRequest request;
  request.set_request_id(std::string(101, 'r'));
  v1::Job job;
  const grpc::Status status = fixture_.Submit(request, &job);
  EXPECT_EQ(CodeOf(status), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::AllOf(HasSubstr("spec: "), HasSubstr("request_id: ")));
}

TEST_P(ServiceTest, AnUnreachableTargetIsRefusedWithTheRange) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  request.mutable_spec()->mutable_cost()->set_target("0.1x int2");
  v1::Job job;
  const grpc::Status status = fixture_.Submit(request, &job);
  EXPECT_EQ(CodeOf(status), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::AllOf(HasSubstr("cost.target"), HasSubstr("BOPs")));
}

TEST_P(ServiceTest, ValidateOnlyStoresNothing) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  request.set_validate_only(true);
  v1::Job job;
  ASSERT_TRUE(fixture_.Submit(request, &job).ok());
  EXPECT_EQ(job.name(), "");
  EXPECT_EQ(job.state(), v1::Job::STATE_UNSPECIFIED);
  EXPECT_EQ(job.plan().fingerprint().size(), 64u);
  v1::ListJobsResponse jobs;
  ASSERT_TRUE(List(v1::ListJobsRequest(), &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
}

TEST_P(ServiceTest, ARepeatedRequestIsTheSameJob) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  request.set_request_id("one");
  v1::Job first, again;
  ASSERT_TRUE(fixture_.Submit(request, &first).ok());
  request.mutable_spec()->mutable_training()->set_batch_size(128);  // the default, now said
  ASSERT_TRUE(fixture_.Submit(request, &again).ok());
  EXPECT_EQ(first.name(), again.name());
  request.mutable_spec()->set_seed(5);
  EXPECT_EQ(CodeOf(fixture_.Submit(request, &again)), grpc::ALREADY_EXISTS);
}

TEST_P(ServiceTest, ConcurrentRepeatsMakeOneJob) {
  std::vector<std::string> names(8);
  std::vector<std::thread> threads;
  for (std::string& name : names) {
    threads.emplace_back([&] {
      v1::SubmitJobRequest request;
      *request.mutable_spec() = GoodSpec();
      request.set_request_id("same");
      v1::Job job;
      EXPECT_TRUE(fixture_.Submit(request, &job).ok());
      name = job.name();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 1u);
}

TEST_P(ServiceTest, UnknownAndMalformedNames) {
  for (auto [name, code] : {std::pair<const char*, grpc::StatusCode>{"jobs/000000000000", grpc::NOT_FOUND},
                            {"jobs/nope", grpc::INVALID_ARGUMENT},
                            {"", grpc::INVALID_ARGUMENT}}) {
    v1::GetJobRequest get;
    get.set_name(name);
    v1::Job job;
    grpc::ClientContext get_context, front_context, export_context;
    EXPECT_EQ(CodeOf(fixture_.stub().GetJob(&get_context, get, &job)), code) << name;
    EXPECT_EQ(CodeOf(fixture_.Cancel(name)), code) << name;
    EXPECT_EQ(CodeOf(fixture_.Delete(name)), code) << name;
    std::vector<v1::JobEvent> events;
    EXPECT_EQ(CodeOf(fixture_.Watch(name, 0, &events)), code) << name;
    v1::ListCandidatesResponse candidates;
    EXPECT_EQ(CodeOf(List(Listing(name), &candidates)), code) << name;
    v1::GetParetoFrontRequest front;
    front.set_parent(name);
    v1::GetParetoFrontResponse front_response;
    EXPECT_EQ(CodeOf(fixture_.stub().GetParetoFront(&front_context, front, &front_response)), code) << name;
    v1::ExportCandidateRequest exported;
    exported.set_name(name);
    auto reader = fixture_.stub().ExportCandidate(&export_context, exported);
    v1::ExportCandidateResponse chunk;
    EXPECT_FALSE(reader->Read(&chunk));
    EXPECT_EQ(CodeOf(reader->Finish()), code) << name;
  }
  std::vector<v1::JobEvent> events;
  const grpc::Status huge = fixture_.Watch(std::string(100'000, 'j'), 0, &events);
  EXPECT_EQ(CodeOf(huge), grpc::INVALID_ARGUMENT) << huge.error_message();
}

TEST_P(ServiceTest, JobsAreListedInPagesBothWays) {
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) names.push_back(fixture_.SubmitGood());
  for (const char* order : {"", "create_time desc", "create_time"}) {
    std::vector<std::string> expected = names;
    if (order != std::string("create_time")) std::reverse(expected.begin(), expected.end());
    for (int size : {1, 2, 5, 1000}) {
      v1::ListJobsRequest request;
      request.set_page_size(size);
      request.set_order_by(order);
      std::vector<std::string> seen;
      do {
        v1::ListJobsResponse response;
        ASSERT_TRUE(List(request, &response).ok());
        for (const v1::Job& job : response.jobs()) seen.push_back(job.name());
        request.set_page_token(response.next_page_token());
      } while (!request.page_token().empty());
      EXPECT_EQ(seen, expected);
    }
  }
}

TEST_P(ServiceTest, ListJobsRefusesNonsense) {
  fixture_.SubmitGood();
  fixture_.SubmitGood();
  v1::ListJobsResponse response;
  v1::ListJobsRequest request;
  request.set_page_size(-1);
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request.set_page_size(1);
  request.set_order_by("name");
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request.set_order_by("");
  request.set_state(static_cast<v1::Job::State>(99));
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request.set_state(v1::Job::STATE_UNSPECIFIED);
  ASSERT_TRUE(List(request, &response).ok());
  const std::string token = response.next_page_token();
  ASSERT_NE(token, "");
  request.set_page_token(token);
  request.set_order_by("create_time");
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request.set_order_by("");
  request.set_page_token(token + "x");
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request.set_page_token(token);
  request.set_page_size(7);  // the size alone may change
  EXPECT_TRUE(List(request, &response).ok());
}

TEST_P(ServiceTest, AWatchGivesTheSameSuffixFromAnyEvent) {
  const std::string name = JobWithCandidates(70);  // more than a page of the stream
  std::vector<v1::JobEvent> live;
  std::thread watcher([&] { EXPECT_TRUE(fixture_.Watch(name, 0, &live).ok()); });
  PlayedWorker worker = fixture_.AwaitWorker(name);
  for (int i = 2; i < 30; ++i) ASSERT_TRUE(worker.Report({.number = i, .progress = SampleProgress(i)}).ok());
  ASSERT_TRUE(worker.Succeed(3).ok());
  watcher.join();
  ASSERT_EQ(live.size(), 2u + 71 + 28 + 1);
  for (size_t i = 0; i < live.size(); ++i) EXPECT_EQ(live[i].number(), static_cast<int64_t>(i) + 1);
  EXPECT_EQ(live.front().state_change().state(), v1::Job::PENDING);
  EXPECT_EQ(live.back().state_change().state(), v1::Job::SUCCEEDED);
  for (size_t after = 0; after <= live.size(); ++after) {
    std::vector<v1::JobEvent> again;
    ASSERT_TRUE(fixture_.Watch(name, static_cast<int64_t>(after), &again).ok());
    ASSERT_EQ(again.size(), live.size() - after);
    for (size_t i = 0; i < again.size(); ++i) {
      EXPECT_EQ(again[i].SerializeAsString(), live[after + i].SerializeAsString());
    }
  }
  std::vector<v1::JobEvent> none;
  EXPECT_EQ(CodeOf(fixture_.Watch(name, static_cast<int64_t>(live.size()) + 1, &none)), grpc::OUT_OF_RANGE);
  EXPECT_EQ(CodeOf(fixture_.Watch(name, -1, &none)), grpc::OUT_OF_RANGE);
}

TEST_P(ServiceTest, AHundredWatchersSeeTheSame) {
  const std::string name = fixture_.SubmitGood();
  std::vector<std::vector<v1::JobEvent>> seen(100);
  std::vector<std::thread> threads;
  for (auto& events : seen) {
    threads.emplace_back([&] { EXPECT_TRUE(fixture_.Watch(name, 0, &events).ok()); });
  }
  PlayedWorker worker = fixture_.AwaitWorker(name);
  for (int i = 1; i <= 20; ++i) ASSERT_TRUE(worker.Report({.number = i, .progress = SampleProgress(i)}).ok());
  ASSERT_TRUE(worker.Fail(absl::DataLossError("truncated")).ok());
  for (std::thread& thread : threads) thread.join();
  for (const auto& events : seen) {
    ASSERT_EQ(events.size(), 23u);
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].SerializeAsString(), seen[0][i].SerializeAsString());
    }
    EXPECT_EQ(events.back().state_change().error(), "truncated");
  }
}

TEST_P(ServiceTest, AWatcherThatLeavesDisturbsNobody) {
  const std::string name = fixture_.SubmitGood();
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(name);
    auto reader = fixture_.stub().WatchJob(&context, request);
    v1::JobEvent event;
    if (i % 2 == 0) {
      EXPECT_TRUE(reader->Read(&event));
    }
    context.TryCancel();
    while (reader->Read(&event)) {
    }
    EXPECT_EQ(CodeOf(reader->Finish()), grpc::CANCELLED);
  }
  EXPECT_TRUE(fixture_.Cancel(name).ok());
  EXPECT_EQ(fixture_.AwaitEnd(name).state(), v1::Job::CANCELLED);
}

TEST_P(ServiceTest, DeletingEndsTheWatch) {
  const std::string running = fixture_.SubmitGood();
  fixture_.AwaitWorker(running);
  const std::string pending = fixture_.SubmitGood();
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_name(pending);
  auto reader = fixture_.stub().WatchJob(&context, request);
  v1::JobEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_TRUE(fixture_.Delete(pending).ok());
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(CodeOf(reader->Finish()), grpc::NOT_FOUND);
}

TEST_P(ServiceTest, CataloguesAndServerInfo) {
  grpc::ClientContext formats_context, costs_context, models_context, info_context;
  v1::ListCostsResponse costs;
  ASSERT_TRUE(fixture_.stub().ListCosts(&costs_context, {}, &costs).ok());
  EXPECT_EQ(costs.costs(0).name(), "bops");
  v1::ListFormatsResponse formats;
  ASSERT_TRUE(fixture_.stub().ListFormats(&formats_context, {}, &formats).ok());
  EXPECT_GT(formats.formats_size(), 50);
  v1::ListModelsResponse models;
  ASSERT_TRUE(fixture_.stub().ListModels(&models_context, {}, &models).ok());
  EXPECT_EQ(static_cast<size_t>(models.models_size()), Models().size());
  fixture_.AwaitWorker(fixture_.SubmitGood());
  fixture_.SubmitGood();
  v1::ServerInfo info;
  ASSERT_TRUE(fixture_.stub().GetServerInfo(&info_context, {}, &info).ok());
  EXPECT_EQ(info.version(), PRECIS_VERSION);
  EXPECT_EQ(info.running_jobs(), 1);
  EXPECT_EQ(info.pending_jobs(), 1);
}

TEST(ServerExposes, HealthAndReflection) {
  ServerFixture fixture(false);
  for (const char* method :
       {"/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    // An empty message is a Check of the whole server; for reflection the stream is opened and closed.
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(fixture.channel());
    grpc::ClientContext context;
    auto call = stub.PrepareCall(&context, method, &queue);
    const auto next = [&] {
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(queue.Next(&tag, &ok));
      return ok;
    };
    call->StartCall(nullptr);
    EXPECT_TRUE(next());
    if (std::string(method).find("health") != std::string::npos) {
      call->Write(grpc::ByteBuffer(nullptr, 0), nullptr);
      EXPECT_TRUE(next());
    }
    call->WritesDone(nullptr);
    EXPECT_TRUE(next());
    grpc::ByteBuffer answer;
    do {
      call->Read(&answer, nullptr);
    } while (next());
    grpc::Status status;
    call->Finish(&status, nullptr);
    next();
    EXPECT_TRUE(status.ok()) << method << ": " << status.error_message();
  }
}

}  // namespace
}  // namespace precis::server
