// The store's transactions. The rows are in sqlite_jobs.cc, sqlite_candidates.cc and sqlite_events.cc.
#include "server/store/sqlite_store.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/store/sqlite_rows.h"
#include "server/store/sqlite_schema.h"
#include "supernet/formats/check.h"

namespace precis::server {
namespace {

constexpr int kReaders = 4;

int64_t NowUs() { return absl::ToUnixMicros(absl::Now()); }

Event StateEvent(const JobRecord& job) {
  Event event;
  event.time_us = NowUs();
  event.kind = Event::Kind::kState;
  event.state = job.state;
  event.message = job.error.empty() ? job.notice : job.error;
  return event;
}

// The job that an earlier request with the same id made, or nothing.
absl::StatusOr<std::optional<JobRecord>> FindRequest(Connection& connection, const JobRecord& job) {
  if (job.request_id.empty()) return std::nullopt;
  std::string id;
  {
    Statement select = connection.Prepare("SELECT id FROM jobs WHERE request_id = ?");
    absl::StatusOr<bool> row = select.Bind(job.request_id).Step();
    if (!row.ok()) return row.status();
    if (!*row) return std::nullopt;
    id = select.Text();
  }
  absl::StatusOr<JobRecord> known = ReadJob(connection, id);
  if (!known.ok()) return known.status();
  if (known->spec_digest != job.spec_digest) {
    return absl::AlreadyExistsError(absl::StrCat("request_id \"", job.request_id,
                                                 "\" was used for another job, ", known->id,
                                                 ", with another spec. Choose a new request_id."));
  }
  return *std::move(known);
}

absl::Status AppendBatchRows(Connection& connection, JobRecord job, const WorkerBatch& batch) {
  job.last_batch = batch.number;
  job.candidates_reported += static_cast<int64_t>(batch.candidates.size());
  if (batch.progress) job.progress = *batch.progress;
  if (absl::Status status = UpdateJobRows(connection, job); !status.ok()) return status;
  Event event;
  event.time_us = NowUs();
  if (batch.progress) {
    event.kind = Event::Kind::kProgress;
    event.progress = *batch.progress;
    if (absl::Status status = AppendEventRow(connection, job.id, event); !status.ok()) return status;
  }
  event.kind = Event::Kind::kCandidate;
  for (const search::Candidate& candidate : batch.candidates) {
    if (absl::Status status = PutCandidateRows(connection, job.id, candidate); !status.ok()) return status;
    event.candidate_number = candidate.number;
    if (absl::Status status = AppendEventRow(connection, job.id, event); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& data_dir) {
  absl::StatusOr<DataDirLock> lock = DataDirLock::Acquire(data_dir);
  if (!lock.ok()) return lock.status();
  const std::string path = absl::StrCat(data_dir, "/precis.db");
  absl::StatusOr<std::unique_ptr<Connection>> writer = Connection::Open(path, Access::kWriter);
  if (!writer.ok()) return writer.status();
  if (absl::Status status = (*writer)->SetDurability(Durability::kPowerCut); !status.ok()) return status;
  if (absl::Status status = MigrateSchema(**writer, path); !status.ok()) return status;
  std::vector<std::unique_ptr<Connection>> readers;
  for (int i = 0; i < kReaders; ++i) {
    absl::StatusOr<std::unique_ptr<Connection>> reader = Connection::Open(path, Access::kReader);
    if (!reader.ok()) return reader.status();
    readers.push_back(*std::move(reader));
  }
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(*std::move(lock), *std::move(writer), std::move(readers)));
}

SqliteStore::SqliteStore(DataDirLock lock, std::unique_ptr<Connection> writer,
                         std::vector<std::unique_ptr<Connection>> readers)
    : lock_(std::move(lock)), writer_(std::move(writer)), idle_readers_(std::move(readers)) {}

absl::StatusOr<JobRecord> SqliteStore::InsertJob(const JobRecord& job) {
  PRECIS_CHECK(job.state == JobState::kPending && job.last_batch == 0 && !job.result);
  std::lock_guard lock(writer_mutex_);
  if (absl::Status status = writer_->SetDurability(Durability::kPowerCut); !status.ok()) return status;
  absl::StatusOr<Transaction> transaction = Transaction::Begin(*writer_, Transaction::Kind::kWrite);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<std::optional<JobRecord>> known = FindRequest(*writer_, job);
  if (!known.ok()) return known.status();
  if (known->has_value()) return **std::move(known);
  if (absl::StatusOr<JobRecord> taken = ReadJob(*writer_, job.id); taken.ok()) {
    return absl::AlreadyExistsError(absl::StrCat("there is a job ", job.id, " already"));
  }
  if (absl::Status status = InsertJobRows(*writer_, job); !status.ok()) return status;
  if (absl::Status status = AppendEventRow(*writer_, job.id, StateEvent(job)); !status.ok()) return status;
  if (absl::Status status = transaction->Commit(); !status.ok()) return status;
  return job;
}

absl::StatusOr<JobRecord> SqliteStore::MutateJob(const std::string& id, const Mutation& mutate) {
  std::lock_guard lock(writer_mutex_);
  if (absl::Status status = writer_->SetDurability(Durability::kPowerCut); !status.ok()) return status;
  absl::StatusOr<Transaction> transaction = Transaction::Begin(*writer_, Transaction::Kind::kWrite);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<JobRecord> before = ReadJob(*writer_, id);
  if (!before.ok()) return before.status();
  JobRecord job = *before;
  absl::StatusOr<Disposition> disposition = mutate(job);
  if (!disposition.ok()) return disposition.status();
  PRECIS_CHECK(job.id == before->id && job.request_id == before->request_id && job.spec == before->spec &&
               job.spec_digest == before->spec_digest && job.display_name == before->display_name &&
               job.plan.fingerprint == before->plan.fingerprint && job.created_us == before->created_us);
  if (*disposition == Disposition::kErase) {
    absl::Status status = writer_->Prepare("DELETE FROM jobs WHERE id = ?").Bind(id).Run();
    if (!status.ok()) return status;
  } else {
    if (absl::Status status = UpdateJobRows(*writer_, job); !status.ok()) return status;
    if (job.files != before->files) {
      if (absl::Status status = PutFileRows(*writer_, job); !status.ok()) return status;
    }
    if (job.state != before->state || job.notice != before->notice) {
      if (absl::Status status = AppendEventRow(*writer_, id, StateEvent(job)); !status.ok()) return status;
    }
  }
  if (absl::Status status = transaction->Commit(); !status.ok()) return status;
  return job;
}

absl::Status SqliteStore::AppendBatch(const std::string& job_id, const WorkerBatch& batch) {
  std::lock_guard lock(writer_mutex_);
  if (absl::Status status = writer_->SetDurability(Durability::kProcessCrash); !status.ok()) return status;
  absl::StatusOr<Transaction> transaction = Transaction::Begin(*writer_, Transaction::Kind::kWrite);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<JobRecord> job = ReadJob(*writer_, job_id);
  if (!job.ok()) return job.status();
  if (absl::Status status = CheckBatch(batch, job->plan); !status.ok()) return status;
  if (batch.number <= job->last_batch) return absl::OkStatus();
  if (job->state != JobState::kRunning) {
    return absl::FailedPreconditionError(absl::StrCat("job ", job_id, " is not running"));
  }
  if (batch.number != job->last_batch + 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("batch ", batch.number, " of job ", job_id, " came before batch ", job->last_batch + 1));
  }
  if (absl::Status status = AppendBatchRows(*writer_, *std::move(job), batch); !status.ok()) return status;
  return transaction->Commit();
}

template <typename Read>
auto SqliteStore::Snapshot(const Read& read) -> decltype(read(std::declval<Connection&>())) {
  std::unique_ptr<Connection> reader;
  {
    std::unique_lock lock(readers_mutex_);
    reader_returned_.wait(lock, [this] { return !idle_readers_.empty(); });
    reader = std::move(idle_readers_.back());
    idle_readers_.pop_back();
  }
  auto result = [&]() -> decltype(read(*reader)) {
    absl::StatusOr<Transaction> transaction = Transaction::Begin(*reader, Transaction::Kind::kRead);
    if (!transaction.ok()) return transaction.status();
    return read(*reader);
  }();
  std::lock_guard lock(readers_mutex_);
  idle_readers_.push_back(std::move(reader));
  reader_returned_.notify_one();
  return result;
}

absl::StatusOr<Page<JobRecord>> SqliteStore::QueryJobs(const JobQuery& query) {
  return Snapshot([&](Connection& reader) { return ReadJobs(reader, query); });
}

absl::StatusOr<Page<search::Candidate>> SqliteStore::QueryCandidates(const CandidateQuery& query) {
  return Snapshot([&](Connection& reader) { return ReadCandidates(reader, query); });
}

absl::StatusOr<Page<Event>> SqliteStore::QueryEvents(const EventQuery& query) {
  return Snapshot([&](Connection& reader) { return ReadEvents(reader, query); });
}

absl::Status SqliteStore::Write(Durability durability,
                                const std::function<absl::Status(Connection&)>& change) {
  std::lock_guard lock(writer_mutex_);
  if (absl::Status status = writer_->SetDurability(durability); !status.ok()) return status;
  absl::StatusOr<Transaction> transaction = Transaction::Begin(*writer_, Transaction::Kind::kWrite);
  if (!transaction.ok()) return transaction.status();
  if (absl::Status status = change(*writer_); !status.ok()) return status;
  return transaction->Commit();
}

absl::Status SqliteStore::InsertToken(const TokenRecord& token) {
  return Write(Durability::kPowerCut, [&](Connection& writer) { return InsertTokenRow(writer, token); });
}

absl::StatusOr<TokenRecord> SqliteStore::RevokeToken(const std::string& name, int64_t time_us) {
  absl::StatusOr<TokenRecord> token;
  absl::Status status = Write(Durability::kPowerCut, [&](Connection& writer) {
    token = RevokeTokenRow(writer, name, time_us);
    return token.status();
  });
  if (!status.ok()) return status;
  return token;
}

absl::Status SqliteStore::TouchToken(const std::string& name, int64_t time_us) {
  return Write(Durability::kProcessCrash,
               [&](Connection& writer) { return TouchTokenRow(writer, name, time_us); });
}

absl::StatusOr<std::vector<TokenRecord>> SqliteStore::ListTokens() {
  return Snapshot([&](Connection& reader) { return ReadTokens(reader); });
}

absl::Status SqliteStore::AppendAudit(const std::vector<AuditRecord>& records, int64_t keep) {
  PRECIS_CHECK(keep > 0);
  return Write(Durability::kProcessCrash, [&](Connection& writer) {
    for (const AuditRecord& record : records) {
      if (absl::Status status = AppendAuditRow(writer, record); !status.ok()) return status;
    }
    if (absl::Status status = TrimAuditRows(writer, false, keep); !status.ok()) return status;
    return TrimAuditRows(writer, true, keep);
  });
}

absl::StatusOr<std::vector<AuditRecord>> SqliteStore::ListAudit(int64_t limit) {
  PRECIS_CHECK(limit > 0);
  return Snapshot([&](Connection& reader) { return ReadAudit(reader, limit); });
}

}  // namespace precis::server
