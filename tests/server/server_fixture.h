// A whole server in this process on a free loopback port, with a launcher whose workers the test plays.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "precis/v1/search_service.grpc.pb.h"
#include "precis/v1/worker_service.grpc.pb.h"
#include "server/convert.h"
#include "server/precis_server.h"
#include "server/store/sqlite_store.h"
#include "tests/fakes/fake_launcher.h"
#include "tests/fakes/memory_credential_store.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/sample_records.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {

inline grpc::StatusCode CodeOf(const grpc::Status& status) { return status.error_code(); }

// A small job that is right.
inline v1::JobSpec GoodSpec() {
  v1::JobSpec spec;
  spec.set_display_name("good");
  spec.mutable_model()->set_name("resnet8");
  spec.mutable_data()->set_name("fashion_mnist");
  spec.mutable_data()->set_search_images(500);
  for (const char* format : {"int2", "int4", "int8"}) spec.mutable_space()->add_formats(format);
  spec.mutable_cost()->set_target("1.1x int4");
  spec.mutable_training()->set_epochs(0.05);
  return spec;
}

// What the test does as the worker of one job.
class PlayedWorker {
 public:
  explicit PlayedWorker(WorkerCommand command)
      : command_(std::move(command)),
        stub_(v1::WorkerService::NewStub(
            grpc::CreateChannel(command_.server_address, grpc::InsecureChannelCredentials()))) {}

  void set_secret(std::string secret) { command_.secret = std::move(secret); }

  grpc::Status Start(v1::StartWorkResponse* response = nullptr) {
    v1::StartWorkRequest request;
    request.set_job(command_.job_id);
    request.set_worker_version("played");
    v1::StartWorkResponse ignored;
    return Call([&](grpc::ClientContext* context) {
      return stub_->StartWork(context, request, response == nullptr ? &ignored : response);
    });
  }
  grpc::Status Report(const WorkerBatch& batch, v1::Directive* directive = nullptr) {
    v1::ReportBatchResponse response;
    const v1::ReportBatchRequest request = BatchToWire(command_.job_id, batch);
    grpc::Status status =
        Call([&](grpc::ClientContext* context) { return stub_->ReportBatch(context, request, &response); });
    if (directive != nullptr) *directive = response.directive();
    return status;
  }
  // The next batch, with these candidates and some progress.
  grpc::Status ReportNext(std::vector<search::Candidate> candidates) {
    ++number_;
    return Report(
        {.number = number_, .progress = SampleProgress(number_), .candidates = std::move(candidates)});
  }
  grpc::Status Succeed(int64_t final_candidate) {
    v1::FinishWorkRequest request;
    search::SearchResult result = SampleResult();
    result.final_candidate = final_candidate;
    *request.mutable_result() = WorkerResultToWire(result);
    return Finish(request);
  }
  grpc::Status Fail(const absl::Status& status) {
    v1::FinishWorkRequest request;
    request.mutable_failure()->set_code(status.raw_code());
    request.mutable_failure()->set_message(std::string(status.message()));
    return Finish(request);
  }
  grpc::Status Finish(v1::FinishWorkRequest request) {
    request.set_job(command_.job_id);
    v1::FinishWorkResponse response;
    return Call([&](grpc::ClientContext* context) { return stub_->FinishWork(context, request, &response); });
  }

 private:
  template <typename Function>
  grpc::Status Call(const Function& function) {
    grpc::ClientContext context;
    context.AddMetadata(kSecretMetadata, command_.secret);
    return function(&context);
  }

  WorkerCommand command_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  int64_t number_ = 0;
};

class ServerFixture {
 public:
  // On SQLite the server can be started again on the same data.
  explicit ServerFixture(bool sqlite, JobManagerOptions options = {}, const ServingLimits& limits = {},
                         DoorOptions doors = {})
      : sqlite_(sqlite), options_(options), limits_(limits), doors_(std::move(doors)) {
    options_.data_dir = dir_.path();
    Start();
  }

  void Start() {
    std::unique_ptr<Store> store;
    CredentialStore* credentials = &credentials_;
    if (sqlite_) {
      absl::StatusOr<std::unique_ptr<SqliteStore>> opened = SqliteStore::Open(dir_.path());
      ASSERT_TRUE(opened.ok()) << opened.status();
      credentials = opened->get();
      store = *std::move(opened);
    } else {
      store = std::make_unique<MemoryStore>();
    }
    store_ = store.get();
    auto launcher = std::make_unique<FakeLauncher>();
    launcher_ = launcher.get();
    absl::StatusOr<std::unique_ptr<PrecisServer>> server = PrecisServer::Start(
        {"127.0.0.1", 0}, options_, std::move(store), std::move(launcher), credentials, doors_, limits_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::InsecureChannelCredentials());
    stub_ = v1::SearchService::NewStub(channel_);
  }
  void Stop() { server_.reset(); }

  Store& store() { return *store_; }
  FakeLauncher& launcher() { return *launcher_; }
  PrecisServer& server() { return *server_; }
  v1::SearchService::Stub& stub() { return *stub_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }
  const std::string& data_dir() const { return dir_.path(); }

  grpc::Status Submit(const v1::SubmitJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return stub_->SubmitJob(&context, request, job);
  }
  // The name of a new job.
  std::string SubmitGood() {
    v1::SubmitJobRequest request;
    *request.mutable_spec() = GoodSpec();
    v1::Job job;
    const grpc::Status status = Submit(request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job.name();
  }
  PlayedWorker AwaitWorker(const std::string& job_name) {
    return PlayedWorker(launcher_->AwaitStart(job_name.substr(5)));
  }
  v1::Job Get(const std::string& name) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    const grpc::Status status = stub_->GetJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  grpc::Status Cancel(const std::string& name) {
    grpc::ClientContext context;
    v1::CancelJobRequest request;
    request.set_name(name);
    v1::Job job;
    return stub_->CancelJob(&context, request, &job);
  }
  grpc::Status Pause(const std::string& name) {
    grpc::ClientContext context;
    v1::PauseJobRequest request;
    request.set_name(name);
    v1::Job job;
    return stub_->PauseJob(&context, request, &job);
  }
  grpc::Status Resume(const std::string& name) {
    grpc::ClientContext context;
    v1::ResumeJobRequest request;
    request.set_name(name);
    v1::Job job;
    return stub_->ResumeJob(&context, request, &job);
  }
  grpc::Status Retry(const std::string& name) {
    grpc::ClientContext context;
    v1::RetryJobRequest request;
    request.set_name(name);
    v1::Job job;
    return stub_->RetryJob(&context, request, &job);
  }
  grpc::Status Delete(const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteJobRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return stub_->DeleteJob(&context, request, &empty);
  }
  // Reads the watch to its end.
  // `begun` is called when the first event has come.
  grpc::Status Watch(
      const std::string& name, int64_t after, std::vector<v1::JobEvent>* events,
      const std::function<void()>& begun = [] {}) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(name);
    request.set_after_event(after);
    auto reader = stub_->WatchJob(&context, request);
    v1::JobEvent event;
    while (reader->Read(&event)) {
      if (events->empty()) begun();
      events->push_back(event);
    }
    return reader->Finish();
  }
  // Watches until the job has ended and returns it.
  v1::Job AwaitEnd(const std::string& name) {
    std::vector<v1::JobEvent> events;
    const grpc::Status status = Watch(name, 0, &events);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return Get(name);
  }

 private:
  TempDir dir_;
  const bool sqlite_;
  JobManagerOptions options_;
  const ServingLimits limits_;
  const DoorOptions doors_;
  MemoryCredentialStore credentials_;
  Store* store_ = nullptr;
  FakeLauncher* launcher_ = nullptr;
  std::unique_ptr<PrecisServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::SearchService::Stub> stub_;
};

// A candidate that suits GoodSpec's network and costs.
inline search::Candidate FittingCandidate(const v1::Job& job, Store& store, int64_t number) {
  JobQuery query;
  query.id = job.name().substr(5);
  const PlanSummary plan = store.QueryJobs(query)->items.at(0).plan;
  search::Candidate candidate = SampleCandidate(number);
  const Format format = *ParseFormat(number % 2 == 0 ? "int4" : "int8");
  candidate.assignment = UniformAssignment(plan.layer_names.size(), format);
  candidate.costs.assign(plan.cost_names.size(), 100.0 * static_cast<double>(number));
  candidate.activation_ranges.assign(plan.layer_names.size(), {-1.5, 1.5});
  return candidate;
}

}  // namespace precis::server
