// MemoryCredentialStore: a CredentialStore that forgets, the judge of the real one. For tests only.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "server/store/credential_store.h"

namespace precis::server {

class MemoryCredentialStore final : public CredentialStore {
 public:
  absl::Status InsertToken(const TokenRecord& token) override {
    std::lock_guard lock(mutex_);
    for (const auto& [name, known] : tokens_) {
      if (name == token.name || known.hash == token.hash) return absl::AlreadyExistsError("taken");
    }
    tokens_[token.name] = token;
    return absl::OkStatus();
  }

  absl::StatusOr<TokenRecord> RevokeToken(const std::string& name, int64_t time_us) override {
    std::lock_guard lock(mutex_);
    auto found = tokens_.find(name);
    if (found == tokens_.end()) return absl::NotFoundError("no such token");
    if (found->second.revoked_us == 0) found->second.revoked_us = time_us;
    return found->second;
  }

  absl::Status TouchToken(const std::string& name, int64_t time_us) override {
    std::lock_guard lock(mutex_);
    auto found = tokens_.find(name);
    if (found != tokens_.end()) found->second.last_used_us = std::max(found->second.last_used_us, time_us);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<TokenRecord>> ListTokens() override {
    std::lock_guard lock(mutex_);
    std::vector<TokenRecord> all;
    for (const auto& [name, token] : tokens_) all.push_back(token);
    return all;
  }

  absl::Status AppendAudit(const std::vector<AuditRecord>& records, int64_t keep) override {
    std::lock_guard lock(mutex_);
    for (const AuditRecord& record : records) {
      audit_.push_back(record);
      audit_.back().number = ++last_number_;
    }
    for (const bool refused : {false, true}) {
      int64_t surplus = std::ranges::count(audit_, refused, &AuditRecord::refused) - keep;
      std::erase_if(audit_, [&](const AuditRecord& r) { return r.refused == refused && surplus-- > 0; });
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<AuditRecord>> ListAudit(int64_t limit) override {
    std::lock_guard lock(mutex_);
    std::vector<AuditRecord> newest(audit_.rbegin(), audit_.rend());
    if (newest.size() > static_cast<size_t>(limit)) newest.resize(static_cast<size_t>(limit));
    return newest;
  }

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, TokenRecord> tokens_;
  std::vector<AuditRecord> audit_;
  int64_t last_number_ = 0;
};

}  // namespace precis::server
