// The one place that says no.
#include "server/gate.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/access.h"
#include "server/convert.h"
#include "server/convert_status.h"

namespace precis::server {
namespace {

constexpr size_t kMostMethodBytes = 200;  // a client may send any path

absl::Status LackOfRole(const Principal& principal, Access access, absl::string_view method) {
  if (access == Access::kDenied || access == Access::kWorker) {
    return absl::PermissionDeniedError(
        absl::StrCat("no token opens ", Shorten(method, kMostMethodBytes), " on this server."));
  }
  return absl::PermissionDeniedError(
      absl::StrCat("this call needs a token of role ", RoleName(LeastRole(access)), "; token ",
                   principal.name, " has role ", RoleName(principal.role),
                   ". Ask whoever runs the server: precis admin token create NAME --role ",
                   RoleName(LeastRole(access)), "."));
}

}  // namespace

absl::string_view MetadataValue(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                                const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? absl::string_view()
                                 : absl::string_view(found->second.data(), found->second.size());
}

std::string CertificateName(const grpc::AuthContext& context) {
  const std::vector<grpc::string_ref> names = context.FindPropertyValues("x509_common_name");
  return names.empty() ? "" : absl::StrCat("CN=", Shorten({names[0].data(), names[0].size()}, 100));
}

grpc::Status Gate::Process(const InputMetadata& metadata, grpc::AuthContext* context,
                           OutputMetadata* /*consumed*/, OutputMetadata* /*response*/) {
  const absl::string_view method = MetadataValue(metadata, ":path");
  const Access access = AccessOf(method);
  if (access == Access::kOpen) return grpc::Status::OK;

  const int64_t now_us = absl::ToUnixMicros(absl::Now());
  std::string name = kAnonymous;
  absl::Status status;
  if (access == Access::kWorker) {
    if (!MetadataValue(metadata, kSecretMetadata).empty()) return grpc::Status::OK;
    status = absl::UnauthenticatedError("the call brings no worker's secret.");
  } else {
    const absl::StatusOr<Principal> principal =
        book_->Authenticate(MetadataValue(metadata, "authorization"), now_us, &name);
    if (principal.ok() && Allows(principal->role, access)) return grpc::Status::OK;
    status = principal.ok() ? LackOfRole(*principal, access, method) : principal.status();
  }
  audit_->Refused({.time_us = now_us,
                   .principal = name,
                   .method = Shorten(method, kMostMethodBytes),
                   .peer = context == nullptr ? "" : CertificateName(*context),
                   .code = static_cast<int>(status.code())});
  return ToGrpcStatus(status);
}

std::shared_ptr<grpc::ServerCredentials> LocalCredentials() {
  return grpc::experimental::LocalServerCredentials(LOCAL_TCP);
}

}  // namespace precis::server
