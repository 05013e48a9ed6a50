// CredentialStore: who may call the server, and what was called.
//
// Of a token only its SHA-256 is kept. Tokens are 256 random bits, so nobody can find one by trying, and a
// plain hash keeps it as safe as a slow, salted one would, which exists for what people make up.
//
// Durability: InsertToken and RevokeToken survive a power cut, the others a crash of the process.
// Threading: thread-safe, as Store.
// Errors: as said below, else Store's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis::server {

enum class Role { kRead, kSubmit, kAdmin };  // each may all that those before it may

struct TokenRecord {
  std::string name = {};
  std::string hash = {};  // of the token's characters: 64 lower-case digits
  Role role = Role::kRead;
  // Microseconds since the Unix epoch; 0: never.
  int64_t created_us = 0;
  int64_t last_used_us = 0;
  int64_t expires_us = 0;
  int64_t revoked_us = 0;
};

// One call that changed something, or was refused.
struct AuditRecord {
  int64_t number = 0;  // rises; given by the store
  int64_t time_us = 0;
  std::string principal = {};  // a token's name, or "anonymous"
  std::string method = {};     // "/precis.v1.SearchService/SubmitJob"
  std::string resource = {};   // "jobs/0p9…", "tokens/ci", "/srv/backup"; "": none, or not known
  std::string peer = {};       // "ipv4:192.0.2.7:4711"; "": not known
  int code = 0;                // canonical code of the outcome
  bool refused = false;        // at the door, by the access rules
};

class CredentialStore {
 public:
  virtual ~CredentialStore() = default;

  // ALREADY_EXISTS if the name or the hash is taken; names stay taken once revoked, so that the audit's are
  // those of one token each.
  virtual absl::Status InsertToken(const TokenRecord& token) = 0;
  // The token as it is then. One that is revoked already stays as it was. NOT_FOUND.
  virtual absl::StatusOr<TokenRecord> RevokeToken(const std::string& name, int64_t time_us) = 0;
  // Raises last_used_us, which never falls. OK for a name that is unknown.
  virtual absl::Status TouchToken(const std::string& name, int64_t time_us) = 0;
  // All, by name.
  virtual absl::StatusOr<std::vector<TokenRecord>> ListTokens() = 0;

  // Appends them in order, one transaction, then drops the oldest: of refused calls and of others `keep` (>
  // 0) each are left, so that a flood of refused calls cannot wash away what was done.
  virtual absl::Status AppendAudit(const std::vector<AuditRecord>& records, int64_t keep) = 0;
  // The newest `limit` (> 0), newest first.
  virtual absl::StatusOr<std::vector<AuditRecord>> ListAudit(int64_t limit) = 0;
};

}  // namespace precis::server
