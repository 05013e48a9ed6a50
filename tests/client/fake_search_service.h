// A server on a loopback port that answers as a test says, and `precis` run in-process against it.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/command_line.h"
#include "precis/v1/search_service.grpc.pb.h"
#include "tests/client/sample_messages.h"

namespace precis::client {

// Answers with its members; methods are overridden by assigning the functions.
class FakeSearchService : public v1::SearchService::Service {
 public:
  std::vector<v1::Job> jobs = {SampleJob()};
  std::vector<v1::Candidate> candidates = SampleCandidates();
  std::string exported = "{\"made\": \"up\"}\n";
  std::string exported_sha256 = "f4345aed2b1f808fc82bf7cb4425e4fddee7af09fef9a18b715a2df5439964d7";
  bool damage_export = false;
  std::function<grpc::Status(grpc::ServerContext*, const v1::SubmitJobRequest&, v1::Job*)> submit;
  std::function<grpc::Status(grpc::ServerContext*, const v1::WatchJobRequest&,
                             grpc::ServerWriter<v1::JobEvent>*)>
      watch;
  std::optional<grpc::Status> refuse;  // every call
  int page_size = 2;
  std::optional<absl::Time> server_time;
  std::vector<v1::SubmitJobRequest> submitted;
  std::vector<v1::ExportCandidateRequest> exports;
  std::vector<v1::GetParetoFrontRequest> fronts;
  std::vector<std::string> deleted;

  grpc::Status SubmitJob(grpc::ServerContext* context, const v1::SubmitJobRequest* request,
                         v1::Job* job) override {
    if (refuse) return *refuse;
    submitted.push_back(*request);
    if (submit) return submit(context, *request, job);
    *job = jobs.front();
    if (request->validate_only()) job->clear_name();
    return grpc::Status::OK;
  }
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* job) override {
    if (refuse) return *refuse;
    for (const v1::Job& known : jobs) {
      if (known.name() != request->name()) continue;
      *job = known;
      return grpc::Status::OK;
    }
    return {grpc::StatusCode::NOT_FOUND, "no " + request->name()};
  }
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    if (refuse) return *refuse;
    std::vector<v1::Job> matching;
    for (const v1::Job& job : jobs)
      if (request->state() == v1::Job::STATE_UNSPECIFIED || job.state() == request->state())
        matching.push_back(job);
    Page(matching, request->page_token(), *response->mutable_jobs(), *response->mutable_next_page_token());
    return grpc::Status::OK;
  }
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::JobEvent>* writer) override {
    return watch ? watch(context, *request, writer) : grpc::Status::OK;
  }
  grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request, v1::Job* job) override {
    job->set_name(request->name());
    job->set_state(v1::Job::CANCELLED);
    return grpc::Status::OK;
  }
  grpc::Status PauseJob(grpc::ServerContext*, const v1::PauseJobRequest* request, v1::Job* job) override {
    job->set_name(request->name());
    job->set_state(v1::Job::RUNNING);
    job->set_pausing(true);
    return grpc::Status::OK;
  }
  grpc::Status ResumeJob(grpc::ServerContext*, const v1::ResumeJobRequest* request, v1::Job* job) override {
    job->set_name(request->name());
    job->set_state(v1::Job::PENDING);
    return grpc::Status::OK;
  }
  grpc::Status RetryJob(grpc::ServerContext*, const v1::RetryJobRequest* request, v1::Job* job) override {
    job->set_name(request->name());
    job->set_state(v1::Job::PENDING);
    return grpc::Status::OK;
  }
  grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest* request,
                         google::protobuf::Empty*) override {
    deleted.push_back(request->name());
    return grpc::Status::OK;
  }
  grpc::Status ListCandidates(grpc::ServerContext*, const v1::ListCandidatesRequest* request,
                              v1::ListCandidatesResponse* response) override {
    Page(candidates, request->page_token(), *response->mutable_candidates(),
         *response->mutable_next_page_token());
    return grpc::Status::OK;
  }
  grpc::Status GetParetoFront(grpc::ServerContext*, const v1::GetParetoFrontRequest* request,
                              v1::GetParetoFrontResponse* response) override {
    fronts.push_back(*request);
    for (const int index : {0, 3}) *response->add_candidates() = candidates[static_cast<size_t>(index)];
    // The second job's front lacks its dearer end.
    if (jobs.size() > 1 && request->parent() == jobs[1].name()) response->mutable_candidates()->RemoveLast();
    response->set_metric("bops");
    response->set_hypervolume(request->parent() == "jobs/abc" ? 0.6712 : 0.5);
    response->set_reference_cost(request->has_reference_cost() ? request->reference_cost() : 857200000);
    response->set_knee(candidates[0].name());
    if (request->has_within_points()) response->set_cheapest_within(candidates[3].name());
    return grpc::Status::OK;
  }
  grpc::Status ChooseCandidate(grpc::ServerContext*, const v1::ChooseCandidateRequest* request,
                               v1::ChooseCandidateResponse* response) override {
    response->set_metric("bops");
    response->set_unit("BOPs");
    response->set_target(200000000);
    if (request->target() == "nothing") {
      response->set_measured_min(214300000);
      response->set_measured_max(857200000);
    } else {
      *response->mutable_candidate() = candidates[3];
    }
    return grpc::Status::OK;
  }
  grpc::Status ExportCandidate(grpc::ServerContext*, const v1::ExportCandidateRequest* request,
                               grpc::ServerWriter<v1::ExportCandidateResponse>* writer) override {
    exports.push_back(*request);
    v1::ExportCandidateResponse response;
    v1::ExportMetadata& metadata = *response.mutable_metadata();
    metadata.set_candidate(request->name());
    metadata.set_size_bytes(static_cast<int64_t>(exported.size()));
    metadata.set_sha256(exported_sha256);
    writer->Write(response);
    for (const char byte : exported) {
      response.set_chunk(std::string(1, damage_export ? 'x' : byte));
      writer->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status ListFormats(grpc::ServerContext*, const v1::ListFormatsRequest*,
                           v1::ListFormatsResponse* response) override {
    v1::FormatInfo* format = response->add_formats();
    format->set_name("e5m2");
    format->set_bits(8);
    format->set_max_finite(57344);
    format->set_smallest_step(1.52587890625e-05);
    format->set_has_nan(true);
    format->set_has_infinity(true);
    format->set_description("OCP, with Inf and NaN");
    return grpc::Status::OK;
  }
  grpc::Status ListCosts(grpc::ServerContext*, const v1::ListCostsRequest*,
                         v1::ListCostsResponse* response) override {
    v1::CostMetric* metric = response->add_costs();
    metric->set_name("bops");
    metric->set_unit("BOPs");
    metric->set_basis("everything counts");
    return grpc::Status::OK;
  }
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    response->add_models()->set_name("resnet8");
    v1::DatasetInfo& fixed = *response->add_datasets();
    fixed.set_name("fashion_mnist");
    fixed.set_channels(1);
    fixed.set_height(28);
    fixed.set_width(28);
    fixed.set_classes(10);
    fixed.set_train_images(60000);
    fixed.set_test_images(10000);
    response->add_datasets()->set_name("image_folder");
    return grpc::Status::OK;
  }
  grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest*,
                             v1::ServerInfo* info) override {
    info->set_version("9.9.9");
    if (server_time) info->mutable_time()->set_seconds(absl::ToUnixSeconds(*server_time));
    return grpc::Status::OK;
  }

 private:
  template <typename Items, typename Out>
  void Page(const Items& items, const std::string& token, Out& out, std::string& next) {
    const size_t first = token.empty() ? 0 : std::stoul(token);
    const size_t end = std::min(items.size(), first + static_cast<size_t>(page_size));
    for (size_t i = first; i < end; ++i) *out.Add() = items[i];
    if (end < items.size()) next = std::to_string(end);
  }
};

// What one command came to.
struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};

class CommandTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(0); }

  void Start(int port) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void Stop() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  Environment MakeEnvironment() {
    Environment environment;
    environment.in = &in_;
    environment.out = &out_;
    environment.err = &err_;
    environment.live = live_;
    environment.out_is_terminal = out_is_terminal_;
    environment.columns = [] { return 100; };
    environment.variable = [this](const std::string& name) -> std::optional<std::string> {
      if (name == "PRECIS_SERVER") return "127.0.0.1:" + std::to_string(port_);
      return std::nullopt;
    };
    return environment;
  }

  Ran Precis(const std::vector<std::string>& arguments, const std::string& input = "") {
    in_.str(input);
    in_.clear();
    out_.str("");
    err_.str("");
    const int code = RunPrecis(arguments, MakeEnvironment());
    return {code, out_.str(), err_.str()};
  }

  FakeSearchService service_;
  int port_ = 0;
  bool live_ = false;
  bool out_is_terminal_ = false;
  std::unique_ptr<grpc::Server> server_;
  std::istringstream in_;
  std::ostringstream out_;
  std::ostringstream err_;
};

}  // namespace precis::client
