// Which calls change something, and what each is about.
#include "server/audit_interceptor.h"

#include <map>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "precis/v1/admin_service.pb.h"
#include "precis/v1/search_service.pb.h"
#include "server/convert_status.h"
#include "server/gate.h"

namespace precis::server {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// What a call is about, as far as its request (before it is answered) or its response can tell.
struct Change {
  std::string (*from_request)(const void* request);
  std::string (*from_response)(const void* response);
};

template <typename Message>
std::string Name(const void* message) {
  return static_cast<const Message*>(message)->name();
}
std::string Nothing(const void* /*message*/) { return ""; }

const std::map<std::string, Change, std::less<>>& Changes() {
  static const auto* const changes = new std::map<std::string, Change, std::less<>>{
      {"/precis.v1.SearchService/SubmitJob", {Nothing, Name<v1::Job>}},
      {"/precis.v1.SearchService/CancelJob", {Name<v1::CancelJobRequest>, Nothing}},
      {"/precis.v1.SearchService/PauseJob", {Name<v1::PauseJobRequest>, Nothing}},
      {"/precis.v1.SearchService/ResumeJob", {Name<v1::ResumeJobRequest>, Nothing}},
      {"/precis.v1.SearchService/RetryJob", {Name<v1::RetryJobRequest>, Nothing}},
      {"/precis.v1.SearchService/DeleteJob", {Name<v1::DeleteJobRequest>, Nothing}},
      {"/precis.v1.AdminService/CreateToken",
       {[](const void* request) {
          return absl::StrCat("tokens/", static_cast<const v1::CreateTokenRequest*>(request)->token_id());
        },
        Nothing}},
      {"/precis.v1.AdminService/RevokeToken", {Name<v1::RevokeTokenRequest>, Nothing}},
      {"/precis.v1.AdminService/CreateBackup",
       {[](const void* request) { return static_cast<const v1::CreateBackupRequest*>(request)->path(); },
        Nothing}},
  };
  return *changes;
}

class AuditInterceptor final : public grpc::experimental::Interceptor {
 public:
  AuditInterceptor(TokenBook* book, AuditLog* audit, const Change& change, ServerRpcInfo* info)
      : book_(book), audit_(audit), change_(change), info_(info) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE) &&
        methods->GetRecvMessage() != nullptr) {
      resource_ = change_.from_request(methods->GetRecvMessage());
      dry_run_ = absl::string_view(info_->method()) == "/precis.v1.SearchService/SubmitJob" &&
                 static_cast<const v1::SubmitJobRequest*>(methods->GetRecvMessage())->validate_only();
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE) &&
        methods->GetSendMessage() != nullptr && resource_.empty()) {
      resource_ = change_.from_response(methods->GetSendMessage());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS) && !dry_run_) {
      Record(methods->GetSendStatus());
    }
    methods->Proceed();
  }

 private:
  void Record(const grpc::Status& status) {
    const grpc::ServerContextBase& context = *info_->server_context();
    const int64_t now_us = absl::ToUnixMicros(absl::Now());
    std::string name;
    (void)book_->Authenticate(MetadataValue(context.client_metadata(), "authorization"), now_us, &name);
    const std::string certificate = CertificateName(*context.auth_context());
    audit_->Done({.time_us = now_us,
                  .principal = name,
                  .method = info_->method(),
                  .resource = Shorten(resource_, 100),
                  .peer = absl::StrCat(context.peer(), certificate.empty() ? "" : " ", certificate),
                  .code = static_cast<int>(status.error_code())});
  }

  TokenBook* const book_;
  AuditLog* const audit_;
  const Change& change_;
  ServerRpcInfo* const info_;
  std::string resource_;
  bool dry_run_ = false;
};

}  // namespace

bool IsAudited(absl::string_view method) {
  return Changes().count(std::string_view(method.data(), method.size())) > 0;
}

grpc::experimental::Interceptor* AuditInterceptorFactory::CreateServerInterceptor(ServerRpcInfo* info) {
  const auto found = Changes().find(std::string_view(info->method()));
  return found == Changes().end() ? nullptr : new AuditInterceptor(book_, audit_, found->second, info);
}

}  // namespace precis::server
