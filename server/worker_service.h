// The WorkerService: what workers call. A thin layer over JobManager.
//
// Threading: as gRPC's synchronous services: any number of calls at once.
#pragma once

#include <grpcpp/grpcpp.h>

#include "precis/v1/worker_service.grpc.pb.h"
#include "server/data_roots.h"
#include "server/job_manager.h"

namespace precis::server {

class WorkerServiceImpl final : public v1::WorkerService::Service {
 public:
  // Both must outlive the service.
  WorkerServiceImpl(JobManager* manager, const DataRoots* data_roots)
      : manager_(manager), data_roots_(data_roots) {}

  grpc::Status StartWork(grpc::ServerContext* context, const v1::StartWorkRequest* request,
                         v1::StartWorkResponse* response) override;
  grpc::Status ReportBatch(grpc::ServerContext* context, const v1::ReportBatchRequest* request,
                           v1::ReportBatchResponse* response) override;
  grpc::Status FinishWork(grpc::ServerContext* context, const v1::FinishWorkRequest* request,
                          v1::FinishWorkResponse* response) override;

 private:
  JobManager* const manager_;
  const DataRoots* const data_roots_;
};

}  // namespace precis::server
