// The SearchService: what clients call. Parses requests, reads the store, and leaves changes to JobManager.
// Errors are those promised in proto/precis/v1/search_service.proto.
//
// Threading: unary calls and the export run on gRPC's synchronous threads, any number at once; WatchJob,
// which may last for hours, is a callback stream and holds no thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "precis/v1/search_service.grpc.pb.h"
#include "server/data_roots.h"
#include "server/event_hub.h"
#include "server/front_store.h"
#include "server/job_files.h"
#include "server/job_manager.h"
#include "server/watch_slots.h"

namespace precis::server {

class SearchServiceImpl final
    : public v1::SearchService::WithCallbackMethod_WatchJob<v1::SearchService::Service> {
 public:
  // All must outlive the service.
  SearchServiceImpl(FrontStore* store, JobManager* manager, EventHub* hub, WatchSlots* watch_slots,
                    const std::string& data_dir, const DataRoots* data_roots);

  grpc::Status SubmitJob(grpc::ServerContext* context, const v1::SubmitJobRequest* request,
                         v1::Job* response) override;
  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                      v1::Job* response) override;
  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::JobEvent>* WatchJob(grpc::CallbackServerContext* context,
                                                   const v1::WatchJobRequest* request) override;
  grpc::Status CancelJob(grpc::ServerContext* context, const v1::CancelJobRequest* request,
                         v1::Job* response) override;
  grpc::Status PauseJob(grpc::ServerContext* context, const v1::PauseJobRequest* request,
                        v1::Job* response) override;
  grpc::Status ResumeJob(grpc::ServerContext* context, const v1::ResumeJobRequest* request,
                         v1::Job* response) override;
  grpc::Status RetryJob(grpc::ServerContext* context, const v1::RetryJobRequest* request,
                        v1::Job* response) override;
  grpc::Status DeleteJob(grpc::ServerContext* context, const v1::DeleteJobRequest* request,
                         google::protobuf::Empty* response) override;
  grpc::Status ListCandidates(grpc::ServerContext* context, const v1::ListCandidatesRequest* request,
                              v1::ListCandidatesResponse* response) override;
  grpc::Status GetParetoFront(grpc::ServerContext* context, const v1::GetParetoFrontRequest* request,
                              v1::GetParetoFrontResponse* response) override;
  grpc::Status ChooseCandidate(grpc::ServerContext* context, const v1::ChooseCandidateRequest* request,
                               v1::ChooseCandidateResponse* response) override;
  grpc::Status ExportCandidate(grpc::ServerContext* context, const v1::ExportCandidateRequest* request,
                               grpc::ServerWriter<v1::ExportCandidateResponse>* writer) override;
  grpc::Status ListFormats(grpc::ServerContext* context, const v1::ListFormatsRequest* request,
                           v1::ListFormatsResponse* response) override;
  grpc::Status ListCosts(grpc::ServerContext* context, const v1::ListCostsRequest* request,
                         v1::ListCostsResponse* response) override;
  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest* request,
                          v1::ListModelsResponse* response) override;
  grpc::Status InspectModel(grpc::ServerContext* context, const v1::InspectModelRequest* request,
                            v1::InspectModelResponse* response) override;
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
                             v1::ServerInfo* response) override;

 private:
  using Request = absl::StatusOr<JobRecord> (JobManager::*)(const std::string& job_id);

  absl::StatusOr<JobRecord> FindJob(const std::string& name, const char* field);
  // What a client asks of a job.
  grpc::Status Ask(const std::string& name, Request request, v1::Job* response);

  Store* const store_;
  FrontStore* const fronts_;  // the same
  JobManager* const manager_;
  EventHub* const hub_;
  WatchSlots* const watch_slots_;
  const JobFiles files_;
  const DataRoots* const data_roots_;
};

}  // namespace precis::server
