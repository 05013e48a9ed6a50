// Calls with deadlines, and their repetition.
#include "server/worker/server_link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "server/convert.h"
#include "server/convert_status.h"

namespace precis::server {
namespace {

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

grpc::ChannelArguments ChannelOptions() {
  grpc::ChannelArguments arguments;
  // Else a server that comes back is noticed only after up to two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  return arguments;
}

}  // namespace

ServerLink::ServerLink(ServerLinkOptions options)
    : options_(std::move(options)),
      stub_(v1::WorkerService::NewStub(grpc::CreateCustomChannel(
          options_.server_address, grpc::InsecureChannelCredentials(), ChannelOptions()))) {}

template <typename Call>
absl::Status ServerLink::Repeat(const std::atomic<bool>& abandoned, const Call& call) {
  const auto give_up = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(options_.patience);
  absl::Duration pause = options_.first_pause;
  while (true) {
    grpc::ClientContext context;
    context.AddMetadata(kSecretMetadata, options_.secret);
    context.set_deadline(std::chrono::system_clock::now() +
                         absl::ToChronoMilliseconds(options_.call_deadline));
    absl::Status status = FromGrpcStatus(call(context));
    if (!MayPass(status) || abandoned || impatient_ || std::chrono::steady_clock::now() >= give_up)
      return status;
    absl::SleepFor(pause);
    pause = std::min(2 * pause, options_.longest_pause);
  }
}

absl::StatusOr<v1::StartWorkResponse> ServerLink::StartWork(const std::string& worker_version) {
  v1::StartWorkRequest request;
  request.set_job(options_.job_id);
  request.set_worker_version(worker_version);
  v1::StartWorkResponse response;
  absl::Status status = Repeat(impatient_, [&](grpc::ClientContext& context) {
    return stub_->StartWork(&context, request, &response);
  });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::Directive> ServerLink::ReportBatch(const v1::ReportBatchRequest& request,
                                                      const std::atomic<bool>& abandoned) {
  v1::ReportBatchResponse response;
  absl::Status status = Repeat(abandoned, [&](grpc::ClientContext& context) {
    return stub_->ReportBatch(&context, request, &response);
  });
  if (!status.ok()) return status;
  return response.directive();
}

absl::Status ServerLink::FinishWork(v1::FinishWorkRequest request) {
  request.set_job(options_.job_id);
  v1::FinishWorkResponse response;
  return Repeat(impatient_, [&](grpc::ClientContext& context) {
    return stub_->FinishWork(&context, request, &response);
  });
}

}  // namespace precis::server
