// AuditLog: writes down what was changed, before the answer is sent, and what was refused, a little later, so
// that refusing costs next to nothing however often it happens.
//
// Threading: thread-safe. Refused never blocks; Done takes a store transaction.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/credential_store.h"
#include "server/token_book.h"

namespace precis::server {

class AuditLog {
 public:
  // `keep`: so many records are kept of changes, and so many of refused calls. About once a minute, and at
  // the end, the book's last uses are written too. Both must outlive the log.
  AuditLog(CredentialStore* store, TokenBook* book, int64_t keep);
  // Writes what is waiting.
  ~AuditLog();

  // A fault of the store is logged: the change has been made and is not taken back.
  void Done(AuditRecord record);
  // Under a flood that the store cannot keep up with records are left out; how many is said by one that
  // stands for them.
  void Refused(AuditRecord record);
  // The newest `limit` (> 0) of all recorded so far, newest first.
  absl::StatusOr<std::vector<AuditRecord>> List(int64_t limit);

 private:
  void Loop();
  // Writes the waiting records, together with `done`.
  void Write(std::vector<AuditRecord> done);

  CredentialStore* const store_;
  TokenBook* const book_;
  const int64_t keep_;

  std::mutex write_mutex_;  // keeps records in the order of their times

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<AuditRecord> waiting_;
  int64_t left_out_ = 0;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace precis::server
