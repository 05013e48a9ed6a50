// admin token create, list, revoke; admin audit.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

using google::protobuf::util::TimeUtil;

// When a token expires: a while from now, or a time.
absl::StatusOr<absl::Time> ParseExpiry(const std::string& text) {
  absl::Duration while_;
  const std::string hours =
      absl::EndsWith(text, "d") ? absl::StrCat(text.substr(0, text.size() - 1), "h") : text;
  if (absl::ParseDuration(hours, &while_) && while_ > absl::ZeroDuration()) {
    return absl::Now() + (absl::EndsWith(text, "d") ? 24 * while_ : while_);
  }
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error) ||
      absl::ParseTime("%Y-%m-%d", text, &time, &error)) {
    return time;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--expires \"", text, "\" is no time: give 90d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z."));
}

std::string TimeText(bool set, const google::protobuf::Timestamp& time) {
  return set ? absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                                absl::UTCTimeZone())
             : "";
}

std::string RoleText(v1::Role role) {
  std::string name = v1::Role_Name(role);
  absl::string_view rest = name;
  absl::ConsumePrefix(&rest, "ROLE_");
  return absl::AsciiStrToLower(rest);
}

}  // namespace

absl::StatusOr<int> CreateToken(Session session, const CreateTokenOptions& options) {
  v1::CreateTokenRequest request;
  request.set_token_id(options.name);
  request.set_role(options.role == "read"     ? v1::ROLE_READ
                   : options.role == "submit" ? v1::ROLE_SUBMIT
                                              : v1::ROLE_ADMIN);
  if (!options.expires.empty()) {
    const absl::StatusOr<absl::Time> expiry = ParseExpiry(options.expires);
    if (!expiry.ok()) return expiry.status();
    *request.mutable_expire_time() = TimeUtil::SecondsToTimestamp(absl::ToUnixSeconds(*expiry));
  }
  const auto response = session.connection.Call(&Connection::AdminStub::CreateToken, request);
  if (!response.ok()) return response.status();
  if (options.output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response));
  } else {
    *session.environment.out << response->secret() << "\n";
    *session.environment.err << "Keep this token of role " << options.role
                             << ": the server has only its hash and cannot show it again.\n";
  }
  return kExitOk;
}

absl::StatusOr<int> ListTokens(Session session, OutputFormat output) {
  const auto response = session.connection.Call(&Connection::AdminStub::ListTokens, v1::ListTokensRequest());
  if (!response.ok()) return response.status();
  if (output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response)["tokens"]);
    return kExitOk;
  }
  Table table({{"NAME"}, {"ROLE"}, {"CREATED"}, {"LAST USED"}, {"EXPIRES"}, {"REVOKED"}});
  for (const v1::Token& token : response->tokens()) {
    absl::string_view name = token.name();
    absl::ConsumePrefix(&name, "tokens/");
    table.AddRow({std::string(name), RoleText(token.role()), TimeText(true, token.create_time()),
                  TimeText(token.has_last_use_time(), token.last_use_time()),
                  TimeText(token.has_expire_time(), token.expire_time()),
                  TimeText(token.has_revoke_time(), token.revoke_time())});
  }
  *session.environment.out << (output == OutputFormat::kCsv ? table.Csv() : table.Text());
  return kExitOk;
}

absl::StatusOr<int> RevokeToken(Session session, const std::string& name) {
  v1::RevokeTokenRequest request;
  request.set_name(absl::StartsWith(name, "tokens/") ? name : absl::StrCat("tokens/", name));
  const auto response = session.connection.Call(&Connection::AdminStub::RevokeToken, request);
  if (!response.ok()) return response.status();
  *session.environment.err << "Revoked: no call with the token is let in any more.\n";
  return kExitOk;
}

absl::StatusOr<int> Audit(Session session, int64_t limit, OutputFormat output) {
  v1::ListAuditRecordsRequest request;
  request.set_limit(static_cast<int32_t>(std::min<int64_t>(limit, 10000)));
  const auto response = session.connection.Call(&Connection::AdminStub::ListAuditRecords, request);
  if (!response.ok()) return response.status();
  if (output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response)["records"]);
    return kExitOk;
  }
  Table table({{"TIME"}, {"PRINCIPAL"}, {"METHOD"}, {"RESOURCE"}, {"PEER"}, {"OUTCOME"}});
  for (const v1::AuditRecord& record : response->records()) {
    table.AddRow({TimeText(true, record.time()), record.principal(), record.method(), record.resource(),
                  record.peer(), absl::StrCat(record.code(), record.refused() ? " (refused)" : "")});
  }
  *session.environment.out << (output == OutputFormat::kCsv ? table.Csv() : table.Text());
  return kExitOk;
}

}  // namespace precis::client
