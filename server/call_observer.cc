// The interceptor.
#include "server/call_observer.h"

#include <google/protobuf/message.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/digest.h"
#include "server/json_log.h"
#include "server/resource_name.h"

namespace precis::server {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::ServerRpcInfo;

constexpr size_t kLongestRequestId = 64;
constexpr int kRequestIdBytes = 8;

// The job that a request of ours speaks of: jobs/{job}… in `name` or `parent`, or {job} in `job`.
std::string JobOf(const google::protobuf::Message& request) {
  for (const char* name : {"name", "parent", "job"}) {
    const google::protobuf::FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || field->is_repeated() ||
        field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
      continue;
    }
    std::string text = request.GetReflection()->GetString(request, field);
    if (IsJobId(text)) return text;
    if (absl::StatusOr<std::string> job = ParseJobName(text, name); job.ok()) return *job;
    if (absl::StatusOr<CandidateName> candidate = ParseCandidateName(text, name); candidate.ok()) {
      return candidate->job_id;
    }
  }
  return "";
}

// What only reads, or comes every second.
bool IsQuiet(absl::string_view method) {
  const absl::string_view call = method.substr(method.find('/') + 1);
  for (const char* prefix : {"Get", "List", "Watch", "Choose", "Export", "Report"}) {
    if (absl::StartsWith(call, prefix)) return true;
  }
  return !absl::StartsWith(method, "precis.v1.");
}

bool IsOurFault(grpc::StatusCode code) {
  return code == grpc::INTERNAL || code == grpc::UNKNOWN || code == grpc::DATA_LOSS;
}

class CallObserver final : public grpc::experimental::Interceptor {
 public:
  CallObserver(ServerMetrics* metrics, const ServerRpcInfo& info)
      : metrics_(metrics), unary_(info.type() == ServerRpcInfo::Type::UNARY) {
    context_.method = std::string(absl::StripPrefix(info.method(), "/"));
    ours_ = absl::StartsWith(context_.method, "precis.v1.");
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      TakeRequestId(methods->GetRecvInitialMetadata());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      TakeRequest(methods->GetRecvMessage());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->emplace(kRequestIdMetadata, context_.request_id);
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      End(methods->GetSendStatus());
    }
    methods->Proceed();
  }

 private:
  void TakeRequestId(const std::multimap<grpc::string_ref, grpc::string_ref>* metadata) {
    if (metadata != nullptr) {
      if (auto found = metadata->find(kRequestIdMetadata); found != metadata->end()) {
        context_.request_id.assign(found->second.data(), found->second.size());
      }
    }
    if (!IsRequestId(context_.request_id)) context_.request_id = RandomHex(kRequestIdBytes);
  }

  void TakeRequest(const void* message) {
    // The health and reflection services have messages of other kinds.
    if (!ours_ || message == nullptr) return;
    context_.job_id = JobOf(*static_cast<const google::protobuf::Message*>(message));
    // A unary call is answered on this thread; a stream goes from thread to thread.
    if (unary_) ThreadLogContext() = context_;
  }

  void End(const grpc::Status& status) {
    const absl::Duration took = absl::FromChrono(std::chrono::steady_clock::now() - start_);
    const auto code = static_cast<absl::StatusCode>(status.error_code());
    metrics_->RpcDone(context_.method, code, took);
    const spdlog::level::level_enum level = ours_ && IsOurFault(status.error_code()) ? spdlog::level::warn
                                            : IsQuiet(context_.method)               ? spdlog::level::debug
                                                                                     : spdlog::level::info;
    if (spdlog::should_log(level)) {
      ThreadLogContext() = context_;
      spdlog::log(level, "call {}: {} in {:.1f} ms, request {}{}{}", context_.method,
                  absl::StatusCodeToString(code), absl::ToDoubleMilliseconds(took), context_.request_id,
                  status.ok() ? "" : ": ", status.error_message());
    }
    ThreadLogContext() = {};
  }

  ServerMetrics* const metrics_;
  const bool unary_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool ours_ = false;
  LogContext context_;
};

class CallObserverFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallObserverFactory(ServerMetrics* metrics) : metrics_(metrics) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new CallObserver(metrics_, *info);
  }

 private:
  ServerMetrics* const metrics_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallObserver(
    ServerMetrics* metrics) {
  return std::make_unique<CallObserverFactory>(metrics);
}

bool IsRequestId(const std::string& text) {
  return !text.empty() && text.size() <= kLongestRequestId &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
         });
}

}  // namespace precis::server
