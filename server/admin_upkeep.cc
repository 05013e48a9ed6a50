// Calls about the data as a whole.
#include <spdlog/spdlog.h>

#include <string>

#include "server/admin_service.h"
#include "server/backup.h"
#include "server/convert_status.h"
#include "server/data_check.h"

namespace precis::server {
namespace {

void AddFaults(const DataCondition& condition, google::protobuf::RepeatedPtrField<std::string>& faults) {
  faults.Assign(condition.faults.begin(), condition.faults.end());
}

}  // namespace

grpc::Status AdminServiceImpl::CreateBackup(grpc::ServerContext* context,
                                            const v1::CreateBackupRequest* request,
                                            v1::CreateBackupResponse* response) {
  if (absl::Status status = CheckBackupPath(request->path(), places_); !status.ok())
    return ToGrpcStatus(status);
  const absl::StatusOr<DataCondition> taken =
      TakeBackup(places_.data_dir, request->path(), [context] { return context->IsCancelled(); });
  if (!taken.ok()) {
    spdlog::error("no backup at {}: {}", request->path(), taken.status().ToString());
    return ToGrpcStatus(taken.status());
  }
  spdlog::info("backup at {}: {} files, {} bytes", request->path(), taken->files, taken->bytes);
  response->set_path(request->path());
  response->set_jobs(taken->jobs);
  response->set_files(taken->files);
  response->set_size_bytes(taken->bytes);
  AddFaults(*taken, *response->mutable_faults());
  return grpc::Status::OK;
}

grpc::Status AdminServiceImpl::CheckData(grpc::ServerContext* context,
                                         const v1::CheckDataRequest* /*request*/,
                                         v1::CheckDataResponse* response) {
  const absl::StatusOr<DataCondition> condition =
      server::CheckData(places_.data_dir, [context] { return context->IsCancelled(); });
  if (!condition.ok()) return ToGrpcStatus(condition.status());
  response->set_jobs(condition->jobs);
  response->set_candidates(condition->candidates);
  response->set_events(condition->events);
  response->set_files(condition->files);
  response->set_size_bytes(condition->bytes);
  response->set_jobs_without_hashes(condition->jobs_without_hashes);
  AddFaults(*condition, *response->mutable_faults());
  return grpc::Status::OK;
}

}  // namespace precis::server
