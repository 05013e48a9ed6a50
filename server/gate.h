// Gate: lets calls in, or not. Every call of every service on a port passes it before anything else of ours
// runs, gRPC's own services (health, reflection) and methods that do not exist included.
//
// It is what gRPC runs on a call's metadata, not a server interceptor: those can look on, but cannot keep a
// handler from running. gRPC has it on secured ports alone, hence LocalCredentials for loopback ones.
//
// Threading: thread-safe; never blocks.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "server/audit_log.h"
#include "server/token_book.h"

namespace precis::server {

class Gate final : public grpc::AuthMetadataProcessor {
 public:
  // Both must outlive the server whose gate this is.
  Gate(TokenBook* book, AuditLog* audit) : book_(book), audit_(audit) {}

  bool IsBlocking() const override { return false; }
  // By the table in access.h: UNAUTHENTICATED for a call without a token, or a worker's without its secret,
  // that needs one; PERMISSION_DENIED, naming the role needed, for a role too low and for a method that is
  // not in the table. What is refused is recorded.
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata* consumed,
                       OutputMetadata* response) override;

 private:
  TokenBook* const book_;
  AuditLog* const audit_;
};

// Of a port without encryption: takes connections that come from loopback addresses alone, and can have a
// gate.
std::shared_ptr<grpc::ServerCredentials> LocalCredentials();

// The value of a metadata key, "" if there is none.
absl::string_view MetadataValue(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata,
                                const char* key);

// The name in the certificate that a client has shown, "CN=…"; "" without one.
std::string CertificateName(const grpc::AuthContext& context);

}  // namespace precis::server
