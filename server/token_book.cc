// Tokens in memory over those in the store.
#include "server/token_book.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/digest.h"

namespace precis::server {
namespace {

constexpr int kTokenBytes = 32;
constexpr size_t kMostNameBytes = 60;
constexpr char kPrefix[] = "precis_";

bool IsAlive(const TokenRecord& token, int64_t now_us) {
  return token.revoked_us == 0 && (token.expires_us == 0 || now_us < token.expires_us);
}

absl::Status Unwritable(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat("the first admin token cannot be written to ", path, ": ",
                                                    std::strerror(errno),
                                                    ". Mend the folder's permissions."));
}

// A new file in place of an old one, never with anybody else's permissions.
absl::Status WritePrivateFile(const std::string& path, const std::string& text) {
  const std::string temporary = absl::StrCat(path, ".new");
  (void)unlink(temporary.c_str());
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return Unwritable(path);
  const bool written =
      write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(file) == 0;
  const bool closed = close(file) == 0;
  if (!written || !closed || std::rename(temporary.c_str(), path.c_str()) != 0) return Unwritable(path);
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTokenName(absl::string_view name) {
  const bool good =
      !name.empty() && name.size() <= kMostNameBytes && absl::ascii_isalnum(name[0]) &&
      std::ranges::all_of(name, [](unsigned char c) { return absl::ascii_isalnum(c) || strchr("._-", c); });
  if (good && name != kAnonymous) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", name, "\" cannot be the name of a token: give 1 to ", kMostNameBytes,
      " letters, digits, \".\", \"_\" and \"-\", a letter or digit first; \"", kAnonymous, "\" is taken."));
}

absl::Status TokenBook::Load() {
  absl::StatusOr<std::vector<TokenRecord>> tokens = store_->ListTokens();
  if (!tokens.ok()) return tokens.status();
  const std::lock_guard lock(mutex_);
  for (TokenRecord& token : *tokens) by_hash_[token.hash] = std::move(token);
  return absl::OkStatus();
}

absl::StatusOr<NewToken> TokenBook::Create(const std::string& name, Role role, int64_t expires_us,
                                           int64_t now_us) {
  if (absl::Status status = CheckTokenName(name); !status.ok()) return status;
  NewToken made;
  made.secret = absl::StrCat(kPrefix, RandomHex(kTokenBytes));
  made.record = {.name = name,
                 .hash = Sha256Hex(made.secret),
                 .role = role,
                 .created_us = now_us,
                 .expires_us = expires_us};
  const std::lock_guard change(change_mutex_);
  if (absl::Status status = store_->InsertToken(made.record); !status.ok()) return status;
  const std::lock_guard lock(mutex_);
  by_hash_[made.record.hash] = made.record;
  return made;
}

absl::StatusOr<TokenRecord> TokenBook::Revoke(const std::string& name, int64_t now_us) {
  const std::lock_guard change(change_mutex_);
  absl::StatusOr<TokenRecord> token = store_->RevokeToken(name, now_us);
  if (!token.ok()) return token;
  const std::lock_guard lock(mutex_);
  TokenRecord& kept = by_hash_[token->hash];
  token->last_used_us = std::max(token->last_used_us, kept.last_used_us);
  kept = *token;
  return token;
}

std::vector<TokenRecord> TokenBook::List() {
  std::vector<TokenRecord> tokens;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [hash, token] : by_hash_) tokens.push_back(token);
  }
  std::ranges::sort(tokens, {}, &TokenRecord::name);
  return tokens;
}

absl::StatusOr<Principal> TokenBook::Authenticate(absl::string_view authorization, int64_t now_us,
                                                  std::string* name) {
  if (name != nullptr) *name = kAnonymous;
  if (authorization.empty()) {
    return absl::UnauthenticatedError(
        "this server asks for a token, and the call brought none. Send one with --token-file, "
        "PRECIS_TOKEN_FILE or "
        "PRECIS_TOKEN (other programs: metadata \"authorization: Bearer TOKEN\").");
  }
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) {
    return absl::UnauthenticatedError("the call's authorization is not of the form \"Bearer TOKEN\".");
  }
  const absl::string_view secret = absl::StripAsciiWhitespace(authorization.substr(kScheme.size()));
  const std::string hash = Sha256Hex(secret);
  const std::lock_guard lock(mutex_);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) {
    return absl::UnauthenticatedError(
        "this server does not know the token of this call. Ask whoever runs it for one: precis admin token "
        "create "
        "NAME --role read.");
  }
  TokenRecord& token = found->second;
  if (!IsAlive(token, now_us)) {
    if (name != nullptr) *name = token.name;
    const std::string since =
        token.revoked_us != 0
            ? absl::StrCat("was revoked at ", absl::FormatTime(absl::FromUnixMicros(token.revoked_us)))
            : absl::StrCat("expired at ", absl::FormatTime(absl::FromUnixMicros(token.expires_us)));
    return absl::UnauthenticatedError(
        absl::StrCat("token ", token.name, " ", since, ". Ask whoever runs the server for another."));
  }
  if (now_us > token.last_used_us) {
    token.last_used_us = now_us;
    used_[token.name] = now_us;
  }
  if (name != nullptr) *name = token.name;
  return Principal{token.name, token.role};
}

absl::Status TokenBook::WriteLastUses() {
  std::map<std::string, int64_t> used;
  {
    const std::lock_guard lock(mutex_);
    used.swap(used_);
  }
  absl::Status all;
  for (const auto& [name, time_us] : used) all.Update(store_->TouchToken(name, time_us));
  return all;
}

bool HasAdmin(const std::vector<TokenRecord>& tokens, int64_t now_us) {
  return std::ranges::any_of(
      tokens, [&](const TokenRecord& token) { return token.role == Role::kAdmin && IsAlive(token, now_us); });
}

absl::StatusOr<std::string> EnsureAdmin(TokenBook& book, const std::string& data_dir, int64_t now_us) {
  const std::vector<TokenRecord> tokens = book.List();
  if (HasAdmin(tokens, now_us)) return "";
  // An earlier one, revoked or expired, keeps its name.
  std::string name = "admin";
  for (int i = 2; std::ranges::count(tokens, name, &TokenRecord::name) > 0; ++i)
    name = absl::StrCat("admin-", i);
  const std::string path = absl::StrCat(data_dir, "/admin.token");
  // Before there is a token that nobody could read; an old file's token is dead.
  if (absl::Status status = WritePrivateFile(path, ""); !status.ok()) return status;
  absl::StatusOr<NewToken> made = book.Create(name, Role::kAdmin, 0, now_us);
  if (!made.ok()) return made.status();
  absl::Status written = WritePrivateFile(path, absl::StrCat(made->secret, "\n"));
  if (!written.ok()) {
    (void)book.Revoke(name, now_us);
    return written;
  }
  return path;
}

}  // namespace precis::server
