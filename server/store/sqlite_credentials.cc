// Rows of tokens and of the audit.
#include "absl/strings/str_cat.h"
#include "server/store/sqlite_rows.h"

namespace precis::server {
namespace {

constexpr char kTokenColumns[] = "name, hash, role, created_us, last_used_us, expires_us, revoked_us";
constexpr char kAuditColumns[] = "time_us, principal, method, resource, peer, code, refused";

TokenRecord ReadToken(Statement& select) {
  TokenRecord token;
  token.name = select.Text();
  token.hash = select.Text();
  token.role = select.Value(Role::kAdmin);
  token.created_us = select.Int();
  token.last_used_us = select.Int();
  token.expires_us = select.Int();
  token.revoked_us = select.Int();
  return token;
}

}  // namespace

absl::Status InsertTokenRow(Connection& connection, const TokenRecord& token) {
  absl::Status status =
      connection
          .Prepare(absl::StrCat("INSERT INTO tokens (", kTokenColumns, ") VALUES (?, ?, ?, ?, ?, ?, ?)"))
          .Bind(token.name, token.hash, static_cast<int64_t>(token.role), token.created_us,
                token.last_used_us, token.expires_us, token.revoked_us)
          .Run();
  if (!absl::IsAlreadyExists(status)) return status;
  return absl::AlreadyExistsError(absl::StrCat("there is, or was, a token ", token.name));
}

absl::StatusOr<TokenRecord> RevokeTokenRow(Connection& connection, const std::string& name, int64_t time_us) {
  absl::Status status =
      connection.Prepare("UPDATE tokens SET revoked_us = ?2 WHERE name = ?1 AND revoked_us = 0")
          .Bind(name, time_us)
          .Run();
  if (!status.ok()) return status;
  Statement select =
      connection.Prepare(absl::StrCat("SELECT ", kTokenColumns, " FROM tokens WHERE name = ?"));
  absl::StatusOr<bool> row = select.Bind(name).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(absl::StrCat("there is no token ", name));
  TokenRecord token = ReadToken(select);
  if (!select.status().ok()) return select.status();
  return token;
}

absl::Status TouchTokenRow(Connection& connection, const std::string& name, int64_t time_us) {
  return connection.Prepare("UPDATE tokens SET last_used_us = ?2 WHERE name = ?1 AND last_used_us < ?2")
      .Bind(name, time_us)
      .Run();
}

absl::StatusOr<std::vector<TokenRecord>> ReadTokens(Connection& connection) {
  Statement select = connection.Prepare(absl::StrCat("SELECT ", kTokenColumns, " FROM tokens ORDER BY name"));
  std::vector<TokenRecord> tokens;
  absl::StatusOr<bool> row = select.Step();
  for (; row.ok() && *row; row = select.Step()) tokens.push_back(ReadToken(select));
  if (!row.ok()) return row.status();
  if (!select.status().ok()) return select.status();
  return tokens;
}

absl::Status AppendAuditRow(Connection& connection, const AuditRecord& record) {
  return connection
      .Prepare(absl::StrCat("INSERT INTO audit (", kAuditColumns, ") VALUES (?, ?, ?, ?, ?, ?, ?)"))
      .Bind(record.time_us, record.principal, record.method, record.resource, record.peer, record.code,
            record.refused)
      .Run();
}

absl::Status TrimAuditRows(Connection& connection, bool refused, int64_t keep) {
  return connection
      .Prepare(
          "DELETE FROM audit WHERE refused = ?1 AND number <= "
          "(SELECT number FROM audit WHERE refused = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)")
      .Bind(refused, keep)
      .Run();
}

absl::StatusOr<std::vector<AuditRecord>> ReadAudit(Connection& connection, int64_t limit) {
  Statement select = connection.Prepare(
      absl::StrCat("SELECT number, ", kAuditColumns, " FROM audit ORDER BY number DESC LIMIT ?"));
  select.Bind(limit);
  std::vector<AuditRecord> records;
  absl::StatusOr<bool> row = select.Step();
  for (; row.ok() && *row; row = select.Step()) {
    AuditRecord record;
    record.number = select.Int();
    record.time_us = select.Int();
    record.principal = select.Text();
    record.method = select.Text();
    record.resource = select.Text();
    record.peer = select.Text();
    record.code = static_cast<int>(select.Int());
    record.refused = select.Bool();
    records.push_back(std::move(record));
  }
  if (!row.ok()) return row.status();
  if (!select.status().ok()) return select.status();
  return records;
}

}  // namespace precis::server
