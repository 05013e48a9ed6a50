// Store and CredentialStore in one SQLite file, DATA_DIR/precis.db, in WAL mode. Needs a local disk.
//
// One writing connection behind a mutex and a few reading ones: within the process nobody ever sees
// "database is locked". While it is open no other server can open the same data folder.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/credential_store.h"
#include "server/store/data_dir.h"
#include "server/store/sqlite_connection.h"
#include "server/store/store.h"

namespace precis::server {

class SqliteStore final : public Store, public CredentialStore {
 public:
  // Creates the folder and the file if missing and brings the schema up to date. FAILED_PRECONDITION, with
  // the remedy, if the folder cannot be created or written, is in use by another server, or holds a newer
  // schema (see data_dir.h, sqlite_schema.h); DATA_LOSS if the file is damaged.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& data_dir);

  absl::StatusOr<JobRecord> InsertJob(const JobRecord& job) override;
  absl::StatusOr<JobRecord> MutateJob(const std::string& id, const Mutation& mutate) override;
  absl::Status AppendBatch(const std::string& job_id, const WorkerBatch& batch) override;
  absl::StatusOr<Page<JobRecord>> QueryJobs(const JobQuery& query) override;
  absl::StatusOr<Page<search::Candidate>> QueryCandidates(const CandidateQuery& query) override;
  absl::StatusOr<Page<Event>> QueryEvents(const EventQuery& query) override;

  absl::Status InsertToken(const TokenRecord& token) override;
  absl::StatusOr<TokenRecord> RevokeToken(const std::string& name, int64_t time_us) override;
  absl::Status TouchToken(const std::string& name, int64_t time_us) override;
  absl::StatusOr<std::vector<TokenRecord>> ListTokens() override;
  absl::Status AppendAudit(const std::vector<AuditRecord>& records, int64_t keep) override;
  absl::StatusOr<std::vector<AuditRecord>> ListAudit(int64_t limit) override;

 private:
  SqliteStore(DataDirLock lock, std::unique_ptr<Connection> writer,
              std::vector<std::unique_ptr<Connection>> readers);

  // Runs `change` on the writing connection, in one transaction that is committed if it returns OK.
  absl::Status Write(Durability durability, const std::function<absl::Status(Connection&)>& change);

  // Runs `read` on a reading connection, in one snapshot.
  template <typename Read>
  auto Snapshot(const Read& read) -> decltype(read(std::declval<Connection&>()));

  const DataDirLock lock_;

  std::mutex writer_mutex_;
  const std::unique_ptr<Connection> writer_;  // used under writer_mutex_

  // Guarded by readers_mutex_.
  std::mutex readers_mutex_;
  std::condition_variable reader_returned_;
  std::vector<std::unique_ptr<Connection>> idle_readers_;
};

}  // namespace precis::server
