// A queue and the thread that empties it.
#include "server/audit_log.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

constexpr size_t kMostWaiting = 1000;
constexpr std::chrono::minutes kLastUsesEvery{1};

}  // namespace

AuditLog::AuditLog(CredentialStore* store, TokenBook* book, int64_t keep)
    : store_(store), book_(book), keep_(keep), thread_([this] { Loop(); }) {}

AuditLog::~AuditLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void AuditLog::Done(AuditRecord record) {
  std::vector<AuditRecord> done;
  done.push_back(std::move(record));
  Write(std::move(done));
}

void AuditLog::Refused(AuditRecord record) {
  record.refused = true;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaiting) {
      ++left_out_;
      return;
    }
    waiting_.push_back(std::move(record));
  }
  wake_.notify_one();
}

absl::StatusOr<std::vector<AuditRecord>> AuditLog::List(int64_t limit) {
  Write({});
  return store_->ListAudit(limit);
}

void AuditLog::Write(std::vector<AuditRecord> done) {
  const std::lock_guard one_at_a_time(write_mutex_);
  std::vector<AuditRecord> records;
  {
    const std::lock_guard lock(mutex_);
    records.swap(waiting_);
    if (left_out_ > 0) {
      AuditRecord stand_in = records.back();
      stand_in.principal = kAnonymous;
      stand_in.resource = stand_in.peer = "";
      stand_in.method = absl::StrCat(std::exchange(left_out_, 0), " more refused calls");
      records.push_back(std::move(stand_in));
    }
  }
  records.insert(records.end(), std::make_move_iterator(done.begin()), std::make_move_iterator(done.end()));
  if (records.empty()) return;
  absl::Status status = store_->AppendAudit(records, keep_);
  if (!status.ok()) {
    spdlog::error("{} audit records are lost: {}", records.size(), status.ToString());
  }
}

void AuditLog::Loop() {
  auto next = std::chrono::steady_clock::now() + kLastUsesEvery;
  for (bool stop = false; !stop;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_until(lock, next, [this] { return stopping_ || !waiting_.empty(); });
      stop = stopping_;
    }
    Write({});
    if (!stop && std::chrono::steady_clock::now() < next) continue;
    next = std::chrono::steady_clock::now() + kLastUsesEvery;
    if (absl::Status status = book_->WriteLastUses(); !status.ok()) {
      spdlog::error("when tokens were last used cannot be written: {}", status.ToString());
    }
  }
}

}  // namespace precis::server
