// Unary calls of clients and the watch. Fronts and choices are in candidate_choice.cc, the export in
// candidate_export.cc.
#include "server/search_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/candidate_listing.h"
#include "server/catalogue.h"
#include "server/convert.h"
#include "server/convert_status.h"
#include "server/job_check.h"
#include "server/page_token.h"
#include "server/resource_name.h"
#include "server/watch_stream.h"

namespace precis::server {
namespace {

// Together with the status message below gRPC's 8 KiB of metadata.
constexpr size_t kMostDetailBytes = 4000;
constexpr size_t kMostViolationBytes = 500;

grpc::Status InvalidJob(grpc::ServerContext* context, search::Violations violations) {
  std::string message =
      absl::StrCat("the job has ", violations.size(), violations.size() == 1 ? " fault" : " faults");
  search::Violations sent;
  size_t bytes = 0;
  for (search::Violation& violation : violations) {
    violation.field = Shorten(violation.field, 100);
    violation.message = Shorten(violation.message, kMostViolationBytes);
    bytes += violation.field.size() + violation.message.size() + 10;
    if (bytes > kMostDetailBytes) break;
    absl::StrAppend(&message, sent.empty() ? ": " : "; ", violation.field, ": ", violation.message);
    sent.push_back(std::move(violation));
  }
  if (sent.size() < violations.size()) {
    sent.push_back({"", absl::StrCat("and ", violations.size() - sent.size(), " more.")});
  }
  context->AddTrailingMetadata(kInvalidArgumentMetadata, ViolationsToWire(sent).SerializeAsString());
  return ToGrpcStatus(absl::InvalidArgumentError(message));
}

}  // namespace

SearchServiceImpl::SearchServiceImpl(FrontStore* store, JobManager* manager, EventHub* hub,
                                     WatchSlots* watch_slots, const std::string& data_dir,
                                     const DataRoots* data_roots)
    : store_(store),
      fronts_(store),
      manager_(manager),
      hub_(hub),
      watch_slots_(watch_slots),
      files_(data_dir),
      data_roots_(data_roots) {}

absl::StatusOr<JobRecord> SearchServiceImpl::FindJob(const std::string& name, const char* field) {
  absl::StatusOr<std::string> job_id = ParseJobName(name, field);
  if (!job_id.ok()) return job_id.status();
  JobQuery query;
  query.id = *job_id;
  absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs(query);
  if (!page.ok()) return page.status();
  if (page->items.empty()) return absl::NotFoundError(absl::StrCat("there is no job ", *job_id));
  return std::move(page->items[0]);
}

grpc::Status SearchServiceImpl::SubmitJob(grpc::ServerContext* context, const v1::SubmitJobRequest* request,
                                          v1::Job* response) {
  CheckedJob checked = CheckJob(*request, *data_roots_);
  if (!checked.violations.empty()) return InvalidJob(context, std::move(checked.violations));
  if (request->validate_only()) {
    *response = JobToWire(checked.record);
    response->clear_state();
    SpaceToWire(*checked.plan, *response->mutable_plan());
    WorkToWire(*checked.plan, *response->mutable_plan()->mutable_work());
    return grpc::Status::OK;
  }
  absl::StatusOr<JobRecord> job = manager_->Submit(std::move(checked.record), checked.model_bytes);
  if (!job.ok()) return ToGrpcStatus(job.status());
  *response = JobToWire(*job);
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::GetJob(grpc::ServerContext* /*context*/, const v1::GetJobRequest* request,
                                       v1::Job* response) {
  absl::StatusOr<JobRecord> job = FindJob(request->name(), "name");
  if (!job.ok()) return ToGrpcStatus(job.status());
  *response = JobToWire(*job);
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::ListJobs(grpc::ServerContext* /*context*/, const v1::ListJobsRequest* request,
                                         v1::ListJobsResponse* response) {
  JobQuery query;
  absl::StatusOr<int> size = PageSize(request->page_size(), 50, 500);
  if (!size.ok()) return ToGrpcStatus(size.status());
  query.limit = *size;
  if (request->state() != v1::Job::STATE_UNSPECIFIED) {
    absl::StatusOr<JobState> state = JobStateFromWire(request->state(), "state");
    if (!state.ok()) return ToGrpcStatus(state.status());
    query.state = *state;
  }
  const std::string& order = request->order_by();
  if (!order.empty() && order != "create_time" && order != "create_time desc") {
    return ToGrpcStatus(absl::InvalidArgumentError(absl::StrCat(
        "order_by: \"", order, "\" is not an order: use \"create_time\" or \"create_time desc\".")));
  }
  query.newest_first = order != "create_time";
  const std::string listing = absl::StrCat("jobs ", request->state(), " ", query.newest_first);
  absl::StatusOr<std::string> after = ReadPageToken(listing, request->page_token());
  if (!after.ok()) return ToGrpcStatus(after.status());
  query.after_key = *after;
  absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs(query);
  if (!page.ok()) return ToGrpcStatus(page.status());
  for (const JobRecord& job : page->items) {
    v1::Job& wire = *response->add_jobs();
    wire = JobToWire(job);
    // Up to 1 MiB each: too much for a page. GetJob has it.
    wire.mutable_spec()->mutable_cost()->clear_table();
  }
  if (page->more) response->set_next_page_token(WritePageToken(listing, page->last_key));
  return grpc::Status::OK;
}

grpc::ServerWriteReactor<v1::JobEvent>* SearchServiceImpl::WatchJob(grpc::CallbackServerContext* /*context*/,
                                                                    const v1::WatchJobRequest* request) {
  absl::StatusOr<std::string> job_id = ParseJobName(request->name(), "name");
  if (!job_id.ok()) return WatchStream::Refuse(ToGrpcStatus(job_id.status()));
  WatchSlot slot = watch_slots_->Take();
  if (slot == nullptr) {
    return WatchStream::Refuse(ToGrpcStatus(absl::ResourceExhaustedError(absl::StrCat(
        watch_slots_->limit(),
        " jobs are being watched already, as many as this server allows. Ask GetJob now ",
        "and then instead, try again later, or have the server started with a larger --max-watchers."))));
  }
  return WatchStream::Start(store_, hub_, std::move(slot), *job_id, request->after_event());
}

grpc::Status SearchServiceImpl::Ask(const std::string& name, Request request, v1::Job* response) {
  absl::StatusOr<std::string> job_id = ParseJobName(name, "name");
  if (!job_id.ok()) return ToGrpcStatus(job_id.status());
  absl::StatusOr<JobRecord> job = (manager_->*request)(*job_id);
  if (!job.ok()) return ToGrpcStatus(job.status());
  *response = JobToWire(*job);
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::CancelJob(grpc::ServerContext* /*context*/,
                                          const v1::CancelJobRequest* request, v1::Job* response) {
  return Ask(request->name(), &JobManager::Cancel, response);
}

grpc::Status SearchServiceImpl::PauseJob(grpc::ServerContext* /*context*/, const v1::PauseJobRequest* request,
                                         v1::Job* response) {
  return Ask(request->name(), &JobManager::Pause, response);
}

grpc::Status SearchServiceImpl::ResumeJob(grpc::ServerContext* /*context*/,
                                          const v1::ResumeJobRequest* request, v1::Job* response) {
  return Ask(request->name(), &JobManager::Resume, response);
}

grpc::Status SearchServiceImpl::RetryJob(grpc::ServerContext* /*context*/, const v1::RetryJobRequest* request,
                                         v1::Job* response) {
  return Ask(request->name(), &JobManager::Retry, response);
}

grpc::Status SearchServiceImpl::DeleteJob(grpc::ServerContext* /*context*/,
                                          const v1::DeleteJobRequest* request,
                                          google::protobuf::Empty* /*response*/) {
  absl::StatusOr<std::string> job_id = ParseJobName(request->name(), "name");
  if (!job_id.ok()) return ToGrpcStatus(job_id.status());
  return ToGrpcStatus(manager_->Delete(*job_id));
}

grpc::Status SearchServiceImpl::ListCandidates(grpc::ServerContext* /*context*/,
                                               const v1::ListCandidatesRequest* request,
                                               v1::ListCandidatesResponse* response) {
  absl::StatusOr<int> size = PageSize(request->page_size(), 100, 1000);
  if (!size.ok()) return ToGrpcStatus(size.status());
  absl::StatusOr<JobRecord> job = FindJob(request->parent(), "parent");
  if (!job.ok()) return ToGrpcStatus(job.status());
  absl::StatusOr<CandidateOrdering> ordering = ParseOrdering(request->order_by(), job->plan);
  if (!ordering.ok()) return ToGrpcStatus(ordering.status());
  const std::string listing =
      absl::StrCat("candidates ", job->id, " ", static_cast<int>(ordering->order), " ", ordering->descending,
                   " ", ordering->cost_index, " ", request->feasible_only());
  absl::StatusOr<std::string> after = ReadPageToken(listing, request->page_token());
  if (!after.ok()) return ToGrpcStatus(after.status());
  absl::StatusOr<Page<search::Candidate>> page =
      store_->QueryCandidates({.job_id = job->id,
                               .feasible_only = request->feasible_only(),
                               .order = ordering->order,
                               .descending = ordering->descending,
                               .cost_index = ordering->cost_index,
                               .after_key = *after,
                               .limit = CandidatesPerPage(*size, job->plan.layer_names.size())});
  if (!page.ok()) return ToGrpcStatus(page.status());
  const std::shared_ptr<const ElasticNetwork> network = NetworkOf(*job);
  for (const search::Candidate& candidate : page->items) {
    *response->add_candidates() = CandidateToWire(job->id, job->plan, candidate, network.get());
  }
  if (page->more) response->set_next_page_token(WritePageToken(listing, page->last_key));
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::ListFormats(grpc::ServerContext* /*context*/,
                                            const v1::ListFormatsRequest* /*request*/,
                                            v1::ListFormatsResponse* response) {
  *response = FormatCatalogue();
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::ListCosts(grpc::ServerContext* /*context*/,
                                          const v1::ListCostsRequest* /*request*/,
                                          v1::ListCostsResponse* response) {
  *response = CostCatalogue();
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::ListModels(grpc::ServerContext* /*context*/,
                                           const v1::ListModelsRequest* /*request*/,
                                           v1::ListModelsResponse* response) {
  *response = ModelCatalogue();
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::GetServerInfo(grpc::ServerContext* /*context*/,
                                              const v1::GetServerInfoRequest* /*request*/,
                                              v1::ServerInfo* response) {
  const JobCounts counts = manager_->Counts();
  response->set_version(PRECIS_VERSION);
  response->set_running_jobs(counts.running);
  response->set_pending_jobs(counts.pending);
  const int64_t now_us = absl::ToUnixMicros(absl::Now());
  response->mutable_time()->set_seconds(now_us / 1000000);
  response->mutable_time()->set_nanos(static_cast<int>(now_us % 1000000 * 1000));
  return grpc::Status::OK;
}

}  // namespace precis::server
