// The schema's migrations. A released migration is never edited: append another.
#include "server/store/sqlite_schema.h"

#include <iterator>

#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

// "Prec": tells our file from any other SQLite file.
constexpr int64_t kApplicationId = 0x50726563;

// A REAL that may be NaN allows NULL, which is how SQLite stores NaN. Every other column is NOT NULL.
// states: 0 pending, 1 running, 2 succeeded, 3 failed, 4 cancelled, 5 paused. origins: 0 sampled, 1
// reference, 2 final. kinds: 0 state, 1 progress, 2 candidate. Times are microseconds since the Unix epoch.
constexpr const char* kMigrations[] = {
    R"sql(
CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  request_id TEXT UNIQUE CHECK (request_id <> ''),
  spec BLOB NOT NULL,
  spec_digest TEXT NOT NULL,
  display_name TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  constrained INTEGER NOT NULL CHECK (constrained >= 0),
  target REAL NOT NULL,
  cheapest REAL NOT NULL,
  dearest REAL NOT NULL,
  total_steps INTEGER NOT NULL CHECK (total_steps >= 0),
  total_macs INTEGER NOT NULL CHECK (total_macs >= 0),
  parameters INTEGER NOT NULL CHECK (parameters >= 0),
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),
  error TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
  created_us INTEGER NOT NULL,
  started_us INTEGER NOT NULL,
  ended_us INTEGER NOT NULL,
  last_batch INTEGER NOT NULL CHECK (last_batch >= 0),
  worker_version TEXT NOT NULL,
  phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 5),
  step INTEGER NOT NULL,
  progress_steps INTEGER NOT NULL,
  fraction REAL,
  loss REAL,
  train_accuracy REAL,
  reward REAL,
  cost REAL,
  mean_entropy REAL,
  mean_max_probability REAL,
  rejected_steps INTEGER NOT NULL,
  images_per_second REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_time ON jobs (created_us, id);
CREATE INDEX jobs_by_state ON jobs (state, created_us, id);

CREATE TABLE job_costs (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  name TEXT NOT NULL,
  unit TEXT NOT NULL,
  basis TEXT NOT NULL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_layers (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  name TEXT NOT NULL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE results (
  job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  final_candidate INTEGER NOT NULL,
  float_search_accuracy REAL,
  float_search_loss REAL,
  float_search_images INTEGER NOT NULL,
  float_test_accuracy REAL,
  float_test_loss REAL,
  float_test_images INTEGER NOT NULL,
  rejected_steps INTEGER NOT NULL,
  mean_entropy REAL,
  mean_max_probability REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE candidates (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 1),
  assignment TEXT NOT NULL,
  origin INTEGER NOT NULL CHECK (origin BETWEEN 0 AND 2),
  label TEXT NOT NULL,
  step INTEGER NOT NULL CHECK (step >= 0),
  sampled_at INTEGER NOT NULL CHECK (sampled_at >= -1),
  search_accuracy REAL NOT NULL CHECK (search_accuracy BETWEEN 0 AND 1),
  search_loss REAL,
  search_images INTEGER NOT NULL CHECK (search_images >= 0),
  has_test INTEGER NOT NULL CHECK (has_test IN (0, 1)),
  test_accuracy REAL NOT NULL CHECK (test_accuracy BETWEEN 0 AND 1),
  test_loss REAL,
  test_images INTEGER NOT NULL CHECK (test_images >= 0),
  feasible INTEGER NOT NULL CHECK (feasible IN (0, 1)),
  activation_max_abs BLOB NOT NULL CHECK (length(activation_max_abs) % 8 = 0),
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX candidates_by_accuracy ON candidates (job_id, search_accuracy, number);

CREATE TABLE candidate_costs (
  job_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  position INTEGER NOT NULL CHECK (position >= 0),
  value REAL NOT NULL CHECK (value >= 0),
  PRIMARY KEY (job_id, number, position),
  FOREIGN KEY (job_id, number) REFERENCES candidates (job_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX candidate_costs_by_value ON candidate_costs (job_id, position, value, number);

CREATE TABLE events (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 1),
  time_us INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
  state INTEGER CHECK (state BETWEEN 0 AND 4),
  message TEXT,
  candidate_number INTEGER,
  phase INTEGER CHECK (phase BETWEEN 0 AND 5),
  step INTEGER,
  progress_steps INTEGER,
  fraction REAL,
  loss REAL,
  train_accuracy REAL,
  reward REAL,
  cost REAL,
  mean_entropy REAL,
  mean_max_probability REAL,
  rejected_steps INTEGER,
  images_per_second REAL,
  PRIMARY KEY (job_id, number),
  CHECK ((kind = 0) = (state IS NOT NULL) AND (kind = 0) = (message IS NOT NULL)),
  CHECK ((kind = 1) = (phase IS NOT NULL)),
  CHECK ((kind = 2) = (candidate_number IS NOT NULL))
) STRICT, WITHOUT ROWID;
)sql",
    // Ranges with two ends: activation_max_abs holds the upper ones from here on.
    R"sql(
ALTER TABLE candidates ADD COLUMN activation_low BLOB NOT NULL DEFAULT x'' CHECK (length(activation_low) % 8 = 0);
)sql",
    // What every cost can reach and may be at most (NULL: no limit). Of older jobs only those of the target
    // are known.
    R"sql(
ALTER TABLE job_costs ADD COLUMN cheapest REAL NOT NULL DEFAULT 0;
ALTER TABLE job_costs ADD COLUMN dearest REAL NOT NULL DEFAULT 0;
ALTER TABLE job_costs ADD COLUMN at_most REAL;
UPDATE job_costs SET (cheapest, dearest, at_most) =
    (SELECT cheapest, dearest, target FROM jobs WHERE jobs.id = job_costs.job_id)
  WHERE position = (SELECT constrained FROM jobs WHERE jobs.id = job_costs.job_id);
)sql",
    // Several targets a job, and how many images it took. Jobs from before have the one target.
    R"sql(
CREATE TABLE job_targets (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  target REAL NOT NULL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;
INSERT INTO job_targets (job_id, position, target) SELECT id, 0, target FROM jobs;
ALTER TABLE results ADD COLUMN images_trained INTEGER NOT NULL DEFAULT 0 CHECK (images_trained >= 0);
ALTER TABLE results ADD COLUMN images_evaluated INTEGER NOT NULL DEFAULT 0 CHECK (images_evaluated >= 0);
)sql",
    // How reading images went. Of events, only those of progress have a share.
    R"sql(
ALTER TABLE jobs ADD COLUMN loader_wait_share REAL DEFAULT 0;
ALTER TABLE events ADD COLUMN loader_wait_share REAL DEFAULT 0;
ALTER TABLE results ADD COLUMN loader_wait_share REAL DEFAULT 0;
ALTER TABLE results ADD COLUMN skipped_images INTEGER NOT NULL DEFAULT 0 CHECK (skipped_images >= 0);
)sql",
    // Jobs can be paused, and go on after their worker or the server was lost. A CHECK cannot be altered, so
    // the tables are made anew.
    R"sql(
CREATE TABLE jobs_6 (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  request_id TEXT UNIQUE CHECK (request_id <> ''),
  spec BLOB NOT NULL,
  spec_digest TEXT NOT NULL,
  display_name TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  constrained INTEGER NOT NULL CHECK (constrained >= 0),
  target REAL NOT NULL,
  cheapest REAL NOT NULL,
  dearest REAL NOT NULL,
  total_steps INTEGER NOT NULL CHECK (total_steps >= 0),
  total_macs INTEGER NOT NULL CHECK (total_macs >= 0),
  parameters INTEGER NOT NULL CHECK (parameters >= 0),
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),
  error TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
  created_us INTEGER NOT NULL,
  started_us INTEGER NOT NULL,
  ended_us INTEGER NOT NULL,
  last_batch INTEGER NOT NULL CHECK (last_batch >= 0),
  worker_version TEXT NOT NULL,
  phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 5),
  step INTEGER NOT NULL,
  progress_steps INTEGER NOT NULL,
  fraction REAL,
  loss REAL,
  train_accuracy REAL,
  reward REAL,
  cost REAL,
  mean_entropy REAL,
  mean_max_probability REAL,
  rejected_steps INTEGER NOT NULL,
  images_per_second REAL,
  loader_wait_share REAL DEFAULT 0,
  pause_requested INTEGER NOT NULL DEFAULT 0 CHECK (pause_requested IN (0, 1)),
  notice TEXT NOT NULL DEFAULT '',
  restarts INTEGER NOT NULL DEFAULT 0 CHECK (restarts >= 0),
  candidates_reported INTEGER NOT NULL DEFAULT 0 CHECK (candidates_reported >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO jobs_6 (id, request_id, spec, spec_digest, display_name, fingerprint, constrained, target, cheapest,
  dearest, total_steps, total_macs, parameters, state, error, cancel_requested, created_us,
  started_us, ended_us, last_batch, worker_version, phase, step, progress_steps, fraction, loss,
  train_accuracy, reward, cost, mean_entropy, mean_max_probability, rejected_steps, images_per_second,
  loader_wait_share)
  SELECT id, request_id, spec, spec_digest, display_name, fingerprint, constrained, target, cheapest,
  dearest, total_steps, total_macs, parameters, state, error, cancel_requested, created_us,
  started_us, ended_us, last_batch, worker_version, phase, step, progress_steps, fraction, loss,
  train_accuracy, reward, cost, mean_entropy, mean_max_probability, rejected_steps, images_per_second,
  loader_wait_share FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_6 RENAME TO jobs;
CREATE INDEX jobs_by_time ON jobs (created_us, id);
CREATE INDEX jobs_by_state ON jobs (state, created_us, id);

CREATE TABLE events_6 (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 1),
  time_us INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
  state INTEGER CHECK (state BETWEEN 0 AND 5),
  message TEXT,
  candidate_number INTEGER,
  phase INTEGER CHECK (phase BETWEEN 0 AND 5),
  step INTEGER,
  progress_steps INTEGER,
  fraction REAL,
  loss REAL,
  train_accuracy REAL,
  reward REAL,
  cost REAL,
  mean_entropy REAL,
  mean_max_probability REAL,
  rejected_steps INTEGER,
  images_per_second REAL,
  loader_wait_share REAL DEFAULT 0,
  PRIMARY KEY (job_id, number),
  CHECK ((kind = 0) = (state IS NOT NULL) AND (kind = 0) = (message IS NOT NULL)),
  CHECK ((kind = 1) = (phase IS NOT NULL)),
  CHECK ((kind = 2) = (candidate_number IS NOT NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO events_6 (job_id, number, time_us, kind, state, message, candidate_number, phase, step, progress_steps,
  fraction, loss, train_accuracy, reward, cost, mean_entropy, mean_max_probability, rejected_steps,
  images_per_second, loader_wait_share)
  SELECT job_id, number, time_us, kind, state, message, candidate_number, phase, step, progress_steps,
  fraction, loss, train_accuracy, reward, cost, mean_entropy, mean_max_probability, rejected_steps,
  images_per_second, loader_wait_share FROM events;
DROP TABLE events;
ALTER TABLE events_6 RENAME TO events;
)sql",
    // Who may call, and what was called. roles: 0 read, 1 submit, 2 admin. A time of 0 is never.
    R"sql(
CREATE TABLE tokens (
  name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 2),
  created_us INTEGER NOT NULL,
  last_used_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL,
  revoked_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  number INTEGER NOT NULL PRIMARY KEY,
  time_us INTEGER NOT NULL,
  principal TEXT NOT NULL,
  method TEXT NOT NULL,
  resource TEXT NOT NULL,
  peer TEXT NOT NULL,
  code INTEGER NOT NULL,
  refused INTEGER NOT NULL CHECK (refused IN (0, 1))
) STRICT;
CREATE INDEX audit_by_kind ON audit (refused, number);
)sql",
    // What a job's files were when they were recorded.
    R"sql(
CREATE TABLE job_files (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (name <> ''),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;
)sql",
};

absl::StatusOr<int64_t> ReadNumber(Connection& connection, const std::string& sql) {
  Statement query = connection.Prepare(sql);
  absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  return *row ? query.Int() : 0;
}

}  // namespace

int64_t StoreApplicationId() { return kApplicationId; }

int SchemaVersion() { return static_cast<int>(std::size(kMigrations)); }

namespace {

absl::Status Migrate(Connection& writer, const std::string& path) {
  absl::StatusOr<Transaction> transaction = Transaction::Begin(writer, Transaction::Kind::kWrite);
  if (!transaction.ok()) return transaction.status();
  absl::StatusOr<int64_t> version = ReadNumber(writer, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  absl::StatusOr<int64_t> application = ReadNumber(writer, "PRAGMA application_id");
  if (!application.ok()) return application.status();
  absl::StatusOr<int64_t> tables = ReadNumber(writer, "SELECT count(*) FROM sqlite_schema");
  if (!tables.ok()) return tables.status();

  if (*application != kApplicationId && (*tables > 0 || *version != 0 || *application != 0)) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is a SQLite file, but not a store of Precis. Choose another folder with --data-dir."));
  }
  if (*version > SchemaVersion()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has schema version ", *version, ", written by a newer Precis; this one (",
                     PRECIS_VERSION, ") knows versions up to ", SchemaVersion(),
                     ". Start the newer precisd, or choose another folder with --data-dir."));
  }
  if (*version == SchemaVersion()) return transaction->Commit();
  for (int64_t step = *version; step < SchemaVersion(); ++step) {
    if (absl::Status status = writer.Execute(kMigrations[step]); !status.ok()) return status;
  }
  const std::string mark =
      absl::StrCat("PRAGMA application_id=", kApplicationId, "; PRAGMA user_version=", SchemaVersion(), ";");
  if (absl::Status status = writer.Execute(mark); !status.ok()) return status;
  absl::StatusOr<int64_t> orphans = ReadNumber(writer, "SELECT count(*) FROM pragma_foreign_key_check");
  if (!orphans.ok()) return orphans.status();
  if (*orphans > 0) {
    return absl::DataLossError(
        absl::StrCat(path, " has ", *orphans, " rows that belong to no other. It is as it was."));
  }
  return transaction->Commit();
}

}  // namespace

// Foreign keys are off meanwhile, since a table that is made anew is dropped first; they cannot be turned off
// within a transaction.
absl::Status MigrateSchema(Connection& writer, const std::string& path) {
  if (absl::Status status = writer.Execute("PRAGMA foreign_keys=OFF"); !status.ok()) return status;
  absl::Status migrated = Migrate(writer, path);
  if (absl::Status status = writer.Execute("PRAGMA foreign_keys=ON"); !status.ok()) return status;
  return migrated;
}

}  // namespace precis::server
