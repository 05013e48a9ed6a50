// One snapshot, and queries whose rows are faults.
#include "server/store/store_upkeep.h"

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_rows.h"
#include "server/store/sqlite_schema.h"

namespace precis::server {
namespace {

constexpr size_t kMostFaults = 100;

// Each row is a fault in words. States: 0 PENDING, 2 SUCCEEDED, 3 FAILED, 4 CANCELLED; events: 0 a state, 2 a
// candidate.
constexpr const char* kFaultQueries[] = {
    "SELECT 'SQLite: ' || integrity_check FROM pragma_integrity_check(100) WHERE integrity_check <> 'ok'",
    "SELECT 'a row of ' || \"table\" || ' belongs to no row of ' || parent FROM pragma_foreign_key_check "
    "LIMIT 100",
    "SELECT 'job ' || job_id || ' has ' || count(*) || ' events, numbered from ' || min(number) || ' to ' || "
    "max(number) FROM events GROUP BY job_id HAVING min(number) <> 1 OR max(number) <> count(*)",
    "SELECT 'job ' || id || ' does not begin with the event that it is PENDING' FROM jobs WHERE NOT EXISTS "
    "(SELECT 1 FROM events WHERE job_id = id AND number = 1 AND kind = 0 AND events.state = 0)",
    "SELECT 'job ' || id || ' is in another state than its last event says' FROM jobs WHERE state IS NOT "
    "(SELECT e.state FROM events e WHERE job_id = id AND kind = 0 ORDER BY number DESC LIMIT 1)",
    "SELECT 'event ' || e.number || ' of job ' || e.job_id || ' tells of candidate ' || e.candidate_number "
    "|| "
    "', which is not there' FROM events e LEFT JOIN candidates c ON c.job_id = e.job_id AND c.number = "
    "e.candidate_number WHERE e.kind = 2 AND c.number IS NULL",
    "SELECT 'candidate ' || c.number || ' of job ' || c.job_id || ' has no event' FROM candidates c WHERE "
    "NOT "
    "EXISTS (SELECT 1 FROM events e WHERE e.job_id = c.job_id AND e.kind = 2 AND e.candidate_number = "
    "c.number)",
    "SELECT 'job ' || id || ' has candidates, but no batch' FROM jobs WHERE last_batch = 0 AND EXISTS "
    "(SELECT 1 "
    "FROM candidates WHERE job_id = id)",
    // 0: of a job from before they were counted.
    "SELECT 'job ' || id || ' counts ' || candidates_reported || ' reports of candidates and has other "
    "events' "
    "FROM jobs WHERE candidates_reported <> 0 AND candidates_reported > (SELECT count(*) FROM events WHERE "
    "job_id = id AND kind = 2)",
    "SELECT 'job ' || id || CASE state WHEN 2 THEN ' has SUCCEEDED without a result' ELSE ' has a result "
    "without "
    "having SUCCEEDED' END FROM jobs LEFT JOIN results ON job_id = id WHERE (state = 2) <> (job_id IS NOT "
    "NULL)",
    "SELECT 'the final candidate ' || r.final_candidate || ' of job ' || r.job_id || ' is not there' FROM "
    "results "
    "r LEFT JOIN candidates c ON c.job_id = r.job_id AND c.number = r.final_candidate WHERE c.number IS NULL",
    "SELECT 'job ' || id || ' has ended at no time, or goes on with an end' FROM jobs WHERE (state IN (2, 3, "
    "4)) "
    "<> (ended_us <> 0)",
};

// Collects up to the most.
class Faults {
 public:
  explicit Faults(std::vector<std::string>* faults) : faults_(faults) {}
  void Add(std::string fault) {
    if (faults_->size() < kMostFaults) faults_->push_back(std::move(fault));
  }

 private:
  std::vector<std::string>* const faults_;
};

absl::StatusOr<int64_t> ReadNumber(Connection& connection, const std::string& sql) {
  Statement query = connection.Prepare(sql);
  absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  return *row ? query.Int() : 0;
}

absl::Status CheckKind(Connection& connection, const std::string& path) {
  absl::StatusOr<int64_t> application = ReadNumber(connection, "PRAGMA application_id");
  if (!application.ok()) return application.status();
  if (*application != StoreApplicationId()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a store of Precis"));
  }
  absl::StatusOr<int64_t> version = ReadNumber(connection, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version == SchemaVersion()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(path, " has schema version ", *version, ", this Precis (",
                                                    PRECIS_VERSION, ") reads ", SchemaVersion(),
                                                    ": use the one that wrote it"));
}

absl::Status FindMoves(Connection& connection, LegalMove may_move, Faults& faults) {
  Statement moves = connection.Prepare(
      "SELECT job_id, number, before, state FROM (SELECT job_id, number, state, lag(state) OVER (PARTITION "
      "BY "
      "job_id ORDER BY number) AS before FROM events WHERE kind = 0) WHERE before <> state");
  absl::StatusOr<bool> row = moves.Step();
  for (; row.ok() && *row; row = moves.Step()) {
    const std::string job_id = moves.Text();
    const int64_t number = moves.Int();
    const auto from = moves.Value(JobState::kPaused);
    const auto to = moves.Value(JobState::kPaused);
    if (moves.status().ok() && may_move(from, to)) continue;
    faults.Add(absl::StrCat("event ", number, " of job ", job_id, " moves it as no job moves"));
  }
  return row.status();
}

// Reads every candidate as the server does.
absl::Status ReadAll(Connection& connection, const std::string& job_id, StoreCensus& census, Faults& faults) {
  CandidateQuery query{.job_id = job_id};
  for (bool more = true; more;) {
    absl::StatusOr<Page<search::Candidate>> page = ReadCandidates(connection, query);
    if (absl::IsDataLoss(page.status())) {
      faults.Add(absl::StrCat("job ", job_id, ": ", page.status().message()));
      return absl::OkStatus();
    }
    if (!page.ok()) return page.status();
    census.candidates += static_cast<int64_t>(page->items.size());
    query.after_key = page->last_key;
    more = page->more;
  }
  return absl::OkStatus();
}

absl::Status ReadJobsOf(Connection& connection, StoreCensus& census, Faults& faults) {
  std::vector<std::string> ids;
  Statement select = connection.Prepare("SELECT id FROM jobs ORDER BY id");
  absl::StatusOr<bool> row = select.Step();
  for (; row.ok() && *row; row = select.Step()) ids.push_back(select.Text());
  if (!row.ok()) return row.status();
  for (const std::string& id : ids) {
    absl::StatusOr<JobRecord> job = ReadJob(connection, id);
    if (absl::IsDataLoss(job.status())) {
      faults.Add(absl::StrCat("job ", id, ": ", job.status().message()));
      continue;
    }
    if (!job.ok()) return job.status();
    census.jobs.push_back({.id = id, .state = job->state, .files = job->files});
    if (absl::Status status = ReadAll(connection, id, census, faults); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Connection>> OpenThere(const std::string& path, Access access) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::NotFoundError(absl::StrCat("there is no ", path));
  return Connection::Open(path, access);
}

}  // namespace

absl::StatusOr<StoreCensus> TakeCensus(const std::string& path, StoreUse use, LegalMove may_move) {
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      OpenThere(path, use == StoreUse::kInUse ? Access::kReader : Access::kArchive);
  if (!connection.ok()) return connection.status();
  absl::StatusOr<Transaction> snapshot = Transaction::Begin(**connection, Transaction::Kind::kRead);
  if (!snapshot.ok()) return snapshot.status();
  if (absl::Status status = CheckKind(**connection, path); !status.ok()) return status;
  StoreCensus census;
  Faults faults(&census.faults);
  for (const char* sql : kFaultQueries) {
    Statement query = (*connection)->Prepare(sql);
    absl::StatusOr<bool> row = query.Step();
    for (; row.ok() && *row; row = query.Step()) faults.Add(query.Text());
    if (!row.ok()) return row.status();
  }
  if (absl::Status status = FindMoves(**connection, may_move, faults); !status.ok()) return status;
  absl::StatusOr<int64_t> events = ReadNumber(**connection, "SELECT count(*) FROM events");
  if (!events.ok()) return events.status();
  census.events = *events;
  if (absl::Status status = ReadJobsOf(**connection, census, faults); !status.ok()) return status;
  return census;
}

absl::Status CopyStore(const std::string& data_dir, const std::string& path) {
  absl::StatusOr<std::unique_ptr<Connection>> store = OpenThere(data_dir + "/precis.db", Access::kReader);
  return store.ok() ? (*store)->CopyTo(path) : store.status();
}

absl::StatusOr<bool> StoreHasJob(const std::string& data_dir, const std::string& job_id) {
  absl::StatusOr<std::unique_ptr<Connection>> store = OpenThere(data_dir + "/precis.db", Access::kReader);
  if (!store.ok()) return store.status();
  return (*store)->Prepare("SELECT 1 FROM jobs WHERE id = ?").Bind(job_id).Step();
}

absl::Status EraseFromCopy(const std::string& path, const std::string& job_id) {
  absl::StatusOr<std::unique_ptr<Connection>> copy = OpenThere(path, Access::kWriter);
  if (!copy.ok()) return copy.status();
  absl::Status status = (*copy)->Prepare("DELETE FROM jobs WHERE id = ?").Bind(job_id).Run();
  if (status.ok()) status = (*copy)->Execute("PRAGMA journal_mode=DELETE");
  return status;
}

}  // namespace precis::server
