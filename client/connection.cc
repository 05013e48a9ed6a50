// Channel options, and gRPC's errors in our words.
#include "client/connection.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace precis::client {
namespace {

constexpr char kRpcMark[] = "precis.client/rpc";
constexpr char kViolations[] = "precis.client/invalid-argument";
constexpr char kViolationsKey[] = "precis-invalid-argument-bin";
constexpr int kMaxMessageBytes = 64 << 20;

std::shared_ptr<grpc::Channel> Connect(const std::string& address, const Access& access) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  if (IsLoopback(address)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address,
                                   access.encrypted()
                                       ? grpc::SslCredentials({access.ca, access.key, access.certificate})
                                       : grpc::InsecureChannelCredentials(),
                                   arguments);
}

// What may be wrong where a server is there but the two do not come together.
std::string DoorHint(const std::string& said, bool encrypted) {
  if (encrypted && absl::StrContains(said, "certificate verify failed"))
    return "\nThe server's certificate is not of the authority in --tls-ca (PRECIS_TLS_CA).";
  if (encrypted && absl::StrContains(said, "wrong version number"))
    return "\nThe server does not speak TLS: leave out --tls-ca (PRECIS_TLS_CA).";
  if (encrypted && absl::StrContains(said, "Socket closed"))
    return "\nIf the server asks for certificates: give yours with --tls-cert and --tls-key.";
  if (!encrypted && absl::StrContains(said, "Socket closed"))
    return "\nIf the server speaks TLS: give its authority with --tls-ca (PRECIS_TLS_CA).";
  return "";
}

std::string MessageFor(const grpc::Status& status, const std::string& address, bool encrypted) {
  const std::string& said = status.error_message();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
    return absl::StrCat("no Precis server answers at ", address, " (", said,
                        ").\nStart one with: precisd --data-dir DIR --listen ", address,
                        "\nor name another with --server HOST:PORT or PRECIS_SERVER.",
                        DoorHint(said, encrypted));
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    return absl::StrCat("the server at ", address,
                        " did not answer in time; --timeout SECONDS waits longer.");
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED)
    return absl::StrCat("the server at ", address,
                        " does not know this call: it is older than this program, ",
                        "or not a Precis server.");
  if (said.empty()) return absl::StrCat("the server at ", address, " gave no reason.");
  return said;
}

}  // namespace

Connection::Connection(std::string address, std::chrono::milliseconds timeout, Access access)
    : address_(std::move(address)),
      timeout_(timeout),
      access_(std::move(access)),
      channel_(Connect(address_, access_)),
      stub_(v1::SearchService::NewStub(channel_)),
      admin_stub_(v1::AdminService::NewStub(channel_)) {}

void Connection::Prepare(grpc::ClientContext& context) const {
  if (!access_.token.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", access_.token));
}

absl::Status Connection::FromGrpc(const grpc::Status& status, const grpc::ClientContext* context) const {
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()),
                      MessageFor(status, address_, access_.encrypted()));
  result.SetPayload(kRpcMark, absl::Cord(address_));
  if (context == nullptr) return result;
  const auto& trailing = context->GetServerTrailingMetadata();
  if (const auto entry = trailing.find(kViolationsKey); entry != trailing.end())
    result.SetPayload(kViolations, absl::Cord(absl::string_view(entry->second.data(), entry->second.size())));
  return result;
}

bool IsRpcError(const absl::Status& status) { return status.GetPayload(kRpcMark).has_value(); }

std::vector<v1::FieldViolation> ViolationsOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kViolations);
  v1::InvalidArgument details;
  if (!payload.has_value() || !details.ParseFromString(static_cast<std::string>(*payload))) return {};
  return {details.violations().begin(), details.violations().end()};
}

absl::Status WithMessage(const absl::Status& status, absl::string_view message) {
  absl::Status result(status.code(), message);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { result.SetPayload(url, payload); });
  return result;
}

}  // namespace precis::client
