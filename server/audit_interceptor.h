// Records the calls that change something: who, what, from where, and how it went. It only looks on; what is
// refused at the door never comes here (gate.h records that).
//
// Threading: one interceptor a call; the factory is thread-safe.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "absl/strings/string_view.h"
#include "server/audit_log.h"
#include "server/token_book.h"

namespace precis::server {

// Whether calls of this method, "/precis.v1.SearchService/SubmitJob", are recorded.
bool IsAudited(absl::string_view method);

class AuditInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // Both must outlive the server. The record is written before the caller has its answer.
  AuditInterceptorFactory(TokenBook* book, AuditLog* audit) : book_(book), audit_(audit) {}
  // Null for calls that change nothing.
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  TokenBook* const book_;
  AuditLog* const audit_;
};

}  // namespace precis::server
