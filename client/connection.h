// The way to a Precis server: one channel, calls with deadlines, errors that say what to do.
//
// Threading: thread-safe after construction. Calls block up to the deadline. Nothing throws.
#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/access.h"
#include "precis/v1/admin_service.grpc.pb.h"
#include "precis/v1/search_service.grpc.pb.h"

namespace precis::client {

inline constexpr char kDefaultServer[] = "127.0.0.1:7070";

class Connection {
 public:
  using Stub = v1::SearchService::Stub;
  using AdminStub = v1::AdminService::Stub;

  // `address` is host:port. Nothing is sent before the first call.
  Connection(std::string address, std::chrono::milliseconds timeout, Access access = {});

  const std::string& address() const { return address_; }
  Stub& stub() { return *stub_; }
  // For services other than ours.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  std::chrono::milliseconds timeout() const { return timeout_; }

  // A unary call with the deadline. The error has the server's code; see FromGrpc.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return CallOn(*stub_, method, request, timeout_);
  }
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (AdminStub::*method)(grpc::ClientContext*, const Request&,
                                                                  Response*),
                                const Request& request) {
    return CallOn(*admin_stub_, method, request, timeout_);
  }
  // Waits for `patience`, if that is longer than the deadline of others.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (AdminStub::*method)(grpc::ClientContext*, const Request&,
                                                                  Response*),
                                const Request& request, std::chrono::milliseconds patience) {
    return CallOn(*admin_stub_, method, request, std::max(timeout_, patience));
  }

  // Gives a call the token. For calls that are not made by Call.
  void Prepare(grpc::ClientContext& context) const;

  // Same code, a message that names the address and the remedy where the server cannot be reached, the
  // violations of an INVALID_ARGUMENT attached, and marked as the server's answer (IsRpcError).
  // `context` is the call's, nullptr where there is none.
  absl::Status FromGrpc(const grpc::Status& status, const grpc::ClientContext* context) const;

 private:
  template <typename AnyStub, typename Request, typename Response>
  absl::StatusOr<Response> CallOn(AnyStub& stub,
                                  grpc::Status (AnyStub::*method)(grpc::ClientContext*, const Request&,
                                                                  Response*),
                                  const Request& request, std::chrono::milliseconds timeout) {
    grpc::ClientContext context;
    Prepare(context);
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status, &context);
    return response;
  }

  const std::string address_;
  const std::chrono::milliseconds timeout_;
  const Access access_;
  const std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
  std::unique_ptr<AdminStub> admin_stub_;
};

// Whether the error came from a call, not from this side; decides the exit code.
bool IsRpcError(const absl::Status& status);

// The faults that an INVALID_ARGUMENT carries; none for other errors.
std::vector<v1::FieldViolation> ViolationsOf(const absl::Status& status);

// The same error with another sentence.
absl::Status WithMessage(const absl::Status& status, absl::string_view message);

}  // namespace precis::client
