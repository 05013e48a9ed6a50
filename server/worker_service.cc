// Calls of workers.
#include "server/worker_service.h"

#include <string>

#include "server/convert.h"
#include "server/convert_status.h"

namespace precis::server {
namespace {

std::string Secret(const grpc::ServerContext& context) {
  auto found = context.client_metadata().find(kSecretMetadata);
  return found == context.client_metadata().end() ? ""
                                                  : std::string(found->second.data(), found->second.size());
}

absl::StatusOr<search::SearchResult> Outcome(const v1::FinishWorkRequest& request) {
  if (request.has_result()) return WorkerResultFromWire(request.result());
  const int code = request.failure().code();
  const bool known = code > 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
  return absl::Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      request.failure().message());
}

}  // namespace

grpc::Status WorkerServiceImpl::StartWork(grpc::ServerContext* context, const v1::StartWorkRequest* request,
                                          v1::StartWorkResponse* response) {
  absl::StatusOr<WorkOrder> order =
      manager_->StartWork(request->job(), Secret(*context), request->worker_version());
  if (!order.ok()) return ToGrpcStatus(order.status());
  if (!response->mutable_spec()->ParseFromString(order->spec)) {
    return ToGrpcStatus(absl::DataLossError("the stored spec of the job cannot be read"));
  }
  response->set_plan_fingerprint(order->fingerprint);
  response->set_weights_path(order->weights_path);
  response->set_checkpoint_folder(order->checkpoint_folder);
  if (!response->spec().model().path().empty()) response->set_model_path(order->model_path);
  response->set_last_batch(order->last_batch);
  response->set_candidates_reported(order->candidates_reported);
  response->set_fraction(order->fraction);
  response->set_checkpoint_interval_s(absl::ToDoubleSeconds(order->checkpoint_interval));
  if (data_roots_->restricted()) {
    v1::DataRoots& roots = *response->mutable_data_roots();
    for (const std::string& folder : data_roots_->folders()) roots.add_folders(folder);
  }
  return grpc::Status::OK;
}

grpc::Status WorkerServiceImpl::ReportBatch(grpc::ServerContext* context,
                                            const v1::ReportBatchRequest* request,
                                            v1::ReportBatchResponse* response) {
  absl::StatusOr<WorkerBatch> batch = BatchFromWire(*request);
  if (!batch.ok()) return ToGrpcStatus(batch.status());
  absl::StatusOr<WorkerDirective> directive = manager_->Report(request->job(), Secret(*context), *batch);
  if (!directive.ok()) return ToGrpcStatus(directive.status());
  response->set_directive(*directive == WorkerDirective::kCancel  ? v1::DIRECTIVE_CANCEL
                          : *directive == WorkerDirective::kPause ? v1::DIRECTIVE_PAUSE
                                                                  : v1::DIRECTIVE_CONTINUE);
  return grpc::Status::OK;
}

grpc::Status WorkerServiceImpl::FinishWork(grpc::ServerContext* context, const v1::FinishWorkRequest* request,
                                           v1::FinishWorkResponse* /*response*/) {
  if (request->outcome_case() == v1::FinishWorkRequest::OUTCOME_NOT_SET) {
    return ToGrpcStatus(absl::InvalidArgumentError("outcome: is missing"));
  }
  absl::StatusOr<search::SearchResult> outcome = Outcome(*request);
  if (request->has_result() && !outcome.ok()) return ToGrpcStatus(outcome.status());
  return ToGrpcStatus(
      manager_->Finish(request->job(), Secret(*context), outcome, request->result().worker_version()));
}

}  // namespace precis::server
