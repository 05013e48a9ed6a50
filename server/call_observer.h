// Looks at every call from outside: gives it a request id, times it, and logs it.
//
// The id is the client's, from the request metadata key "precis-request-id" (1 to 64 characters out of
// letters, digits, "-", "_", "."; anything else is ignored), or else made here. It goes back to the client in
// the initial metadata under the same key, and stands in the log: a line when the call is over, at level
// warning if it failed by a fault of the server (INTERNAL, UNKNOWN, DATA_LOSS), else info for calls that
// change something, debug for the others; and in every line that a unary call causes while it is answered.
//
// Threading: as gRPC's interceptors; one object a call.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <string>

#include "server/server_metrics.h"

namespace precis::server {

inline constexpr char kRequestIdMetadata[] = "precis-request-id";

// For ServerBuilder::experimental().SetInterceptorCreators. `metrics` must outlive the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallObserver(
    ServerMetrics* metrics);

// Whether the client's id can be taken over.
bool IsRequestId(const std::string& text);

}  // namespace precis::server
