// The worker's side of the WorkerService: one job's calls, each repeated while the server is away.
//
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "precis/v1/worker_service.grpc.pb.h"

namespace precis::server {

struct ServerLinkOptions {
  std::string server_address;
  std::string job_id;
  std::string secret;
  // How long a call is repeated, with growing pauses, while the server is UNAVAILABLE or silent.
  absl::Duration patience = absl::Minutes(10);
  absl::Duration call_deadline = absl::Seconds(20);
  absl::Duration first_pause = absl::Milliseconds(100);
  absl::Duration longest_pause = absl::Seconds(3);
};

class ServerLink {
 public:
  explicit ServerLink(ServerLinkOptions options);

  const std::string& job_id() const { return options_.job_id; }

  absl::StatusOr<v1::StartWorkResponse> StartWork(const std::string& worker_version);
  // Not repeated any more once `abandoned` is set.
  absl::StatusOr<v1::Directive> ReportBatch(const v1::ReportBatchRequest& request,
                                            const std::atomic<bool>& abandoned);
  absl::Status FinishWork(v1::FinishWorkRequest request);

  // No call is repeated any more: for a worker that was told to stop.
  void GiveUp() { impatient_ = true; }

 private:
  template <typename Call>
  absl::Status Repeat(const std::atomic<bool>& abandoned, const Call& call);

  const ServerLinkOptions options_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  std::atomic<bool> impatient_ = false;
};

}  // namespace precis::server
