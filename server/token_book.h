// TokenBook: makes, revokes and recognises tokens. The store has the truth; a copy here makes recognising one
// a matter of a hash and a look-up, so that it may run on gRPC's own threads.
//
// A token is "precis_" and 64 hexadecimal digits of 256 random bits; only its hash is kept
// (credential_store.h says why a plain one is enough). It is found by that hash, so how long a look-up takes
// tells nothing about it.
//
// Threading: thread-safe. Authenticate never waits for the store; the others do.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/credential_store.h"

namespace precis::server {

inline constexpr char kAnonymous[] = "anonymous";

// Who calls.
struct Principal {
  std::string name;
  Role role = Role::kRead;
};

struct NewToken {
  TokenRecord record;
  std::string secret;  // the token itself: for its owner, never for a log
};

class TokenBook {
 public:
  // The store must outlive the book.
  explicit TokenBook(CredentialStore* store) : store_(store) {}
  // Call first, once.
  absl::Status Load();

  // Times are microseconds since the Unix epoch; expires_us 0: never. INVALID_ARGUMENT for a name that is not
  // allowed (CheckTokenName); ALREADY_EXISTS.
  absl::StatusOr<NewToken> Create(const std::string& name, Role role, int64_t expires_us, int64_t now_us);
  // NOT_FOUND. Authenticate refuses the token from then on.
  absl::StatusOr<TokenRecord> Revoke(const std::string& name, int64_t now_us);
  std::vector<TokenRecord> List();

  // Whose token a call brings, from the value of its "authorization" metadata ("" if it has none).
  // UNAUTHENTICATED, saying what is wrong but never repeating the token; *name, if not null, is then the
  // owner of a token that is revoked or has expired, else kAnonymous.
  absl::StatusOr<Principal> Authenticate(absl::string_view authorization, int64_t now_us,
                                         std::string* name = nullptr);

  // Writes when tokens were last used to the store.
  absl::Status WriteLastUses();

 private:
  CredentialStore* const store_;
  std::mutex change_mutex_;  // one change at a time, in the store and then here

  // Guarded by mutex_.
  std::mutex mutex_;
  std::map<std::string, TokenRecord> by_hash_;
  std::map<std::string, int64_t> used_;  // by name, since the last WriteLastUses
};

// INVALID_ARGUMENT, saying what is allowed.
absl::Status CheckTokenName(absl::string_view name);

// Whether some token of role admin is alive. Without one nobody could make another.
bool HasAdmin(const std::vector<TokenRecord>& tokens, int64_t now_us);

// The first token of a server that asks for tokens: unless there is an admin, makes one and writes it to
// DATA_DIR/admin.token, which only the server's user can read. Returns the file's path, "" if there was one
// already. FAILED_PRECONDITION, naming the file, if it cannot be written; there is then no new token.
absl::StatusOr<std::string> EnsureAdmin(TokenBook& book, const std::string& data_dir, int64_t now_us);

}  // namespace precis::server
