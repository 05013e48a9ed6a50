// Calls of those who run the server.
#include "server/admin_service.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/convert_status.h"

namespace precis::server {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kDefaultRecords = 100;
constexpr int kMostRecords = 10000;

void SetTime(int64_t us, google::protobuf::Timestamp* (v1::Token::*field)(), v1::Token& token) {
  if (us != 0) *(token.*field)() = TimeUtil::MicrosecondsToTimestamp(us);
}

v1::Token TokenToWire(const TokenRecord& record) {
  v1::Token token;
  token.set_name(absl::StrCat("tokens/", record.name));
  token.set_role(static_cast<v1::Role>(static_cast<int>(record.role) + 1));
  SetTime(record.created_us, &v1::Token::mutable_create_time, token);
  SetTime(record.last_used_us, &v1::Token::mutable_last_use_time, token);
  SetTime(record.expires_us, &v1::Token::mutable_expire_time, token);
  SetTime(record.revoked_us, &v1::Token::mutable_revoke_time, token);
  return token;
}

std::string CodeName(int code) {
  return code == 0 ? "OK" : absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

// Microseconds, 0 for a time that is not set. Of a time that is no time: a fault.
int64_t ExpiryOf(const v1::CreateTokenRequest& request, int64_t now_us, std::vector<std::string>& faults) {
  if (!request.has_expire_time()) return 0;
  const google::protobuf::Timestamp& time = request.expire_time();
  if (time.seconds() < TimeUtil::kTimestampMinSeconds || time.seconds() > TimeUtil::kTimestampMaxSeconds ||
      time.nanos() < 0 || time.nanos() > 999999999) {
    faults.emplace_back("expire_time: is not a time of the years 1 to 9999.");
    return 0;
  }
  const int64_t expires_us = TimeUtil::TimestampToMicroseconds(time);
  if (expires_us <= now_us) {
    faults.push_back(
        absl::StrCat("expire_time: ", TimeUtil::ToString(time), " is over. Give a time to come, or none."));
  }
  return expires_us;
}

}  // namespace

grpc::Status AdminServiceImpl::CreateToken(grpc::ServerContext* /*context*/,
                                           const v1::CreateTokenRequest* request,
                                           v1::CreateTokenResponse* response) {
  // Else whoever reaches the server now could keep a key for the day when it asks for one.
  if (!tokens_count_) {
    return ToGrpcStatus(absl::FailedPreconditionError(
        "this server lets everyone in who reaches it, so it makes no tokens. Start it with --auth token: it "
        "then writes a first one, of role admin, to DATA_DIR/admin.token."));
  }
  const int64_t now_us = absl::ToUnixMicros(absl::Now());
  std::vector<std::string> faults;
  if (absl::Status status = CheckTokenName(request->token_id()); !status.ok()) {
    faults.push_back(absl::StrCat("token_id: ", std::string(status.message())));
  }
  if (request->role() < v1::ROLE_READ || request->role() > v1::ROLE_ADMIN) {
    faults.push_back(
        absl::StrCat("role: ", request->role(), " is no role: give ROLE_READ, ROLE_SUBMIT or ROLE_ADMIN."));
  }
  const int64_t expires_us = ExpiryOf(*request, now_us, faults);
  if (!faults.empty()) return ToGrpcStatus(absl::InvalidArgumentError(absl::StrJoin(faults, " ")));
  absl::StatusOr<NewToken> made =
      book_->Create(request->token_id(), static_cast<Role>(request->role() - 1), expires_us, now_us);
  if (!made.ok()) return ToGrpcStatus(made.status());
  *response->mutable_token() = TokenToWire(made->record);
  response->set_secret(made->secret);
  return grpc::Status::OK;
}

grpc::Status AdminServiceImpl::ListTokens(grpc::ServerContext* /*context*/,
                                          const v1::ListTokensRequest* /*request*/,
                                          v1::ListTokensResponse* response) {
  for (const TokenRecord& token : book_->List()) *response->add_tokens() = TokenToWire(token);
  return grpc::Status::OK;
}

grpc::Status AdminServiceImpl::RevokeToken(grpc::ServerContext* /*context*/,
                                           const v1::RevokeTokenRequest* request, v1::Token* response) {
  absl::string_view name = request->name();
  if (!absl::ConsumePrefix(&name, "tokens/") || name.empty()) {
    return ToGrpcStatus(absl::InvalidArgumentError(
        absl::StrCat("name: \"", request->name(), "\" is not of the form tokens/NAME.")));
  }
  absl::StatusOr<TokenRecord> token = book_->Revoke(std::string(name), absl::ToUnixMicros(absl::Now()));
  if (!token.ok()) return ToGrpcStatus(token.status());
  *response = TokenToWire(*token);
  return grpc::Status::OK;
}

grpc::Status AdminServiceImpl::ListAuditRecords(grpc::ServerContext* /*context*/,
                                                const v1::ListAuditRecordsRequest* request,
                                                v1::ListAuditRecordsResponse* response) {
  if (request->limit() < 0) {
    return ToGrpcStatus(
        absl::InvalidArgumentError(absl::StrCat("limit: ", request->limit(), " is negative: give 1 to ",
                                                kMostRecords, ", or 0 for ", kDefaultRecords, ".")));
  }
  const int limit = request->limit() == 0 ? kDefaultRecords : std::min(request->limit(), kMostRecords);
  absl::StatusOr<std::vector<AuditRecord>> records = audit_->List(limit);
  if (!records.ok()) return ToGrpcStatus(records.status());
  for (const AuditRecord& record : *records) {
    v1::AuditRecord& wire = *response->add_records();
    wire.set_number(record.number);
    *wire.mutable_time() = TimeUtil::MicrosecondsToTimestamp(record.time_us);
    wire.set_principal(record.principal);
    wire.set_method(record.method);
    wire.set_resource(record.resource);
    wire.set_peer(record.peer);
    wire.set_code(CodeName(record.code));
    wire.set_refused(record.refused);
  }
  return grpc::Status::OK;
}

}  // namespace precis::server
