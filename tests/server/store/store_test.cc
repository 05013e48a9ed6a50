// The store contract on every implementation, and what is particular to the SQLite one: files, schema
// versions, and the lock.
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "server/store/measured_store.h"
#include "server/store/sqlite_schema.h"
#include "server/store/sqlite_store.h"
#include "server/store/store_check.h"
#include "tests/contract/credential_store_contract.h"
#include "tests/contract/store_contract.h"
#include "tests/fakes/memory_credential_store.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

using testing::HasSubstr;

std::unique_ptr<Store> OpenStore(const std::string& dir) {
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(dir);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

// A store that takes its folder with it.
class TemporarySqliteStore final : public Store {
 public:
  TemporarySqliteStore() : store_(OpenStore(dir_.path())) {}
  absl::StatusOr<JobRecord> InsertJob(const JobRecord& job) override { return store_->InsertJob(job); }
  absl::StatusOr<JobRecord> MutateJob(const std::string& id, const Mutation& mutate) override {
    return store_->MutateJob(id, mutate);
  }
  absl::Status AppendBatch(const std::string& id, const WorkerBatch& batch) override {
    return store_->AppendBatch(id, batch);
  }
  absl::StatusOr<Page<JobRecord>> QueryJobs(const JobQuery& query) override {
    return store_->QueryJobs(query);
  }
  absl::StatusOr<Page<search::Candidate>> QueryCandidates(const CandidateQuery& query) override {
    return store_->QueryCandidates(query);
  }
  absl::StatusOr<Page<Event>> QueryEvents(const EventQuery& query) override {
    return store_->QueryEvents(query);
  }

 private:
  TempDir dir_;
  std::unique_ptr<Store> store_;
};

// Writes down what it is told.
class RecordingObserver final : public StoreObserver {
 public:
  void Called(const char* operation, absl::StatusCode code, absl::Duration took) override {
    EXPECT_GE(took, absl::ZeroDuration());
    lines.push_back(absl::StrCat(operation, " ", absl::StatusCodeToString(code)));
  }
  void JobAdded(const JobRecord& job) override { lines.push_back("added " + job.id); }
  void JobChanged(JobState before, const JobRecord& job) override {
    lines.push_back(absl::StrCat("changed ", job.id, " ", before, " ", job.state));
  }
  void JobErased(JobState before, const std::string& id) override {
    lines.push_back(absl::StrCat("erased ", id, " ", before));
  }
  void Progressed(const std::string& id, const search::Progress& progress) override {
    lines.push_back(absl::StrCat("progressed ", id, " ", progress.step));
  }
  std::vector<std::string> lines;
};

// Thread-safe, as the contract's threads need it.
class BlindObserver final : public StoreObserver {
 public:
  void Called(const char*, absl::StatusCode, absl::Duration) override {}
  void JobAdded(const JobRecord&) override {}
  void JobChanged(JobState, const JobRecord&) override {}
  void JobErased(JobState, const std::string&) override {}
  void Progressed(const std::string&, const search::Progress&) override {}
};

std::unique_ptr<Store> WatchedMemoryStore() {
  static BlindObserver observer;
  return std::make_unique<MeasuredStore>(std::make_unique<MemoryStore>(), &observer);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         testing::Values(StoreMaker{"sqlite",
                                                    [] { return std::make_unique<TemporarySqliteStore>(); }},
                                         StoreMaker{"memory", [] { return std::make_unique<MemoryStore>(); }},
                                         StoreMaker{"measured", WatchedMemoryStore}),
                         [](const auto& info) { return info.param.name; });

// A SQLite store, as the second of its interfaces, that takes its folder with it.
std::shared_ptr<CredentialStore> TemporaryCredentialStore() {
  struct Home {
    TempDir dir;
    std::unique_ptr<SqliteStore> store;
  };
  auto home = std::make_shared<Home>();
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(home->dir.path());
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return nullptr;
  home->store = *std::move(store);
  return {home, home->store.get()};
}

INSTANTIATE_TEST_SUITE_P(
    Stores, CredentialStoreContract,
    testing::Values(CredentialStoreMaker{"sqlite", TemporaryCredentialStore},
                    CredentialStoreMaker{"memory", [] { return std::make_shared<MemoryCredentialStore>(); }}),
    [](const auto& info) { return info.param.name; });

absl::StatusOr<Disposition> StartRunning(JobRecord& job) {
  job.state = JobState::kRunning;
  return Disposition::kKeep;
}

void RunSql(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  char* message = nullptr;
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
  sqlite3_close(database);
}

TEST(MeasuredStore, TellsWhatHappenedOnceItHas) {
  RecordingObserver seen;
  MeasuredStore store(std::make_unique<MemoryStore>(), &seen);
  JobRecord job = SampleJob("a");
  job.request_id = "r";
  ASSERT_TRUE(store.InsertJob(job).ok());
  job.id = "b";
  ASSERT_TRUE(store.InsertJob(job).ok());  // the first one again
  ASSERT_TRUE(store.MutateJob("a", StartRunning).ok());
  ASSERT_TRUE(store.MutateJob("a", StartRunning).ok());  // no change
  ASSERT_TRUE(store.AppendBatch("a", {.number = 1, .progress = SampleProgress(7)}).ok());
  ASSERT_FALSE(store.AppendBatch("a", {.number = 3, .progress = SampleProgress(8)}).ok());
  ASSERT_FALSE(store.MutateJob("c", StartRunning).ok());
  ASSERT_TRUE(store.MutateJob("a", [](JobRecord&) { return Disposition::kErase; }).ok());
  EXPECT_THAT(seen.lines, testing::ElementsAre("insert_job OK", "added a", "insert_job OK", "mutate_job OK",
                                               "changed a 0 1", "mutate_job OK", "append_batch OK",
                                               "progressed a 7", "append_batch FAILED_PRECONDITION",
                                               "mutate_job NOT_FOUND", "mutate_job OK", "erased a 1"));
}

TEST(ExamineStore, LooksWithoutTouching) {
  TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(ExamineStore(dir.path()).status()));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  {
    std::unique_ptr<Store> store = OpenStore(dir.path());
    ASSERT_TRUE(store->InsertJob(SampleJob("a")).ok());
    absl::StatusOr<StoreCondition> in_use = ExamineStore(dir.path());
    ASSERT_TRUE(in_use.ok()) << in_use.status();
    EXPECT_TRUE(in_use->is_store);
    EXPECT_EQ(in_use->schema_version, SchemaVersion());
    EXPECT_GT(in_use->wal_bytes, 0);
    EXPECT_THAT(in_use->faults, testing::IsEmpty());
  }
  std::set<std::string> before;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) before.insert(entry.path());
  absl::StatusOr<StoreCondition> closed = ExamineStore(dir.path());
  ASSERT_TRUE(closed.ok()) << closed.status();
  EXPECT_EQ(closed->wal_bytes, 0);
  EXPECT_GT(closed->bytes, 0);
  std::set<std::string> after;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) after.insert(entry.path());
  EXPECT_EQ(before, after);
}

TEST(ExamineStore, FindsDamageAndStrangers) {
  TempDir dir;
  const std::string path = dir.path() + "/precis.db";
  { OpenStore(dir.path()); }
  const auto size = std::filesystem::file_size(path);
  {
    // The page of some table's index is overwritten; the header stays.
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size) - 4096);
    file << std::string(4096, 'x');
  }
  absl::StatusOr<StoreCondition> damaged = ExamineStore(dir.path());
  EXPECT_TRUE(absl::IsDataLoss(damaged.status()) || (damaged.ok() && !damaged->faults.empty()))
      << damaged.status();
  std::ofstream(path) << "these are not the bytes of a database, however many there may be of them";
  EXPECT_TRUE(absl::IsDataLoss(ExamineStore(dir.path()).status()));
  std::filesystem::remove(path);
  RunSql(path, "CREATE TABLE t (a); PRAGMA user_version = 77;");
  absl::StatusOr<StoreCondition> stranger = ExamineStore(dir.path());
  ASSERT_TRUE(stranger.ok()) << stranger.status();
  EXPECT_FALSE(stranger->is_store);
  EXPECT_EQ(stranger->schema_version, 77);
}

TEST(SqliteStore, KeepsEverythingAcrossAReopen) {
  TempDir dir;
  JobRecord job = SampleJob("a");
  job.request_id = "r";
  std::string before;
  {
    std::unique_ptr<Store> store = OpenStore(dir.path());
    ASSERT_TRUE(store->InsertJob(job).ok());
    ASSERT_TRUE(store->MutateJob("a", StartRunning).ok());
    ASSERT_TRUE(store
                    ->AppendBatch(
                        "a", {.number = 1, .progress = SampleProgress(4), .candidates = {SampleCandidate(1)}})
                    .ok());
    before = JobText(store->QueryJobs({})->items[0]);
  }
  std::unique_ptr<Store> store = OpenStore(dir.path());
  EXPECT_EQ(JobText(store->QueryJobs({})->items[0]), before);
  EXPECT_EQ(store->QueryEvents({.job_id = "a"})->items.size(), 4u);
  EXPECT_EQ(CandidateText(store->QueryCandidates({.job_id = "a"})->items[0]),
            CandidateText(SampleCandidate(1)));
  EXPECT_EQ(store->InsertJob(job)->state, JobState::kRunning);
}

TEST(SqliteStore, KeepsTokensAndAuditAcrossAReopen) {
  TempDir dir;
  {
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(dir.path());
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->InsertToken({.name = "ci", .hash = std::string(64, 'a')}).ok());
    ASSERT_TRUE((*store)->RevokeToken("ci", 5).ok());
    ASSERT_TRUE((*store)->AppendAudit({{.principal = "ci"}}, 10).ok());
  }
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(dir.path());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->ListTokens()->at(0).revoked_us, 5);
  EXPECT_EQ((*store)->ListAudit(10)->at(0).principal, "ci");
}

TEST(SqliteStore, ASecondServerOnTheFolderIsRefused) {
  TempDir dir;
  std::unique_ptr<Store> store = OpenStore(dir.path());
  absl::Status refused = SqliteStore::Open(dir.path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              testing::AllOf(HasSubstr(dir.path()), HasSubstr(absl::StrCat("process id ", getpid())),
                             HasSubstr("--data-dir")));
  store.reset();
  EXPECT_NE(OpenStore(dir.path()), nullptr);
}

TEST(SqliteStore, ANewerSchemaIsRefusedAndLeftAlone) {
  TempDir dir;
  OpenStore(dir.path()).reset();
  const std::string file = dir.path() + "/precis.db";
  RunSql(file, "PRAGMA user_version=9999");
  absl::Status refused = SqliteStore::Open(dir.path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              testing::AllOf(HasSubstr(file), HasSubstr("9999"),
                             HasSubstr(absl::StrCat("up to ", SchemaVersion())), HasSubstr("--data-dir")));
  RunSql(file, absl::StrCat("PRAGMA user_version=", SchemaVersion()));
  EXPECT_NE(OpenStore(dir.path()), nullptr);
}

TEST(SqliteStore, AForeignSqliteFileIsRefused) {
  TempDir dir;
  RunSql(dir.path() + "/precis.db", "CREATE TABLE music (title TEXT)");
  absl::Status refused = SqliteStore::Open(dir.path()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("not a store of Precis"));
}

TEST(SqliteStore, AFileThatIsNoDatabaseIsDataLoss) {
  TempDir dir;
  std::ofstream(dir.path() + "/precis.db") << std::string(5000, 'x');
  EXPECT_EQ(SqliteStore::Open(dir.path()).status().code(), absl::StatusCode::kDataLoss);
}

// Rows that nobody of ours wrote, as after a flipped bit: said, never a crash.
TEST(SqliteStore, DamagedRowsAreDataLoss) {
  const char* const damages[] = {
      "UPDATE jobs SET state = 77",      "UPDATE jobs SET phase = -1",
      "UPDATE jobs SET constrained = 9", "UPDATE candidates SET origin = 5",
      "UPDATE events SET kind = 9",      "UPDATE candidates SET assignment = 'int8'",
      "DELETE FROM candidate_costs",     "UPDATE candidates SET assignment = 'florp'",
      "DELETE FROM job_costs",           "DELETE FROM job_layers",
  };
  for (const char* damage : damages) {
    SCOPED_TRACE(damage);
    TempDir dir;
    {
      std::unique_ptr<Store> store = OpenStore(dir.path());
      ASSERT_TRUE(store->InsertJob(SampleJob("a")).ok());
      ASSERT_TRUE(store->MutateJob("a", StartRunning).ok());
      ASSERT_TRUE(store->AppendBatch("a", {.number = 1, .candidates = {SampleCandidate(1)}}).ok());
    }
    RunSql(dir.path() + "/precis.db", absl::StrCat("PRAGMA ignore_check_constraints = ON; ", damage));
    std::unique_ptr<Store> store = OpenStore(dir.path());
    JobQuery one;
    one.id = "a";
    const absl::StatusCode codes[] = {store->QueryJobs(one).status().code(),
                                      store->QueryCandidates({.job_id = "a"}).status().code(),
                                      store->QueryEvents({.job_id = "a"}).status().code(),
                                      store->MutateJob("a", StartRunning).status().code()};
    EXPECT_THAT(codes, testing::Contains(absl::StatusCode::kDataLoss));
    EXPECT_THAT(codes, testing::Each(testing::AnyOf(absl::StatusCode::kOk, absl::StatusCode::kDataLoss)));
  }
}

TEST(SqliteStore, AFolderThatCannotBeMadeIsNamedWithTheReason) {
  TempDir dir;
  std::ofstream(dir.path() + "/file") << "in the way";
  absl::Status refused = SqliteStore::Open(dir.path() + "/file/data").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              testing::AllOf(HasSubstr(dir.path() + "/file/data"), HasSubstr("--data-dir")));
  EXPECT_EQ(SqliteStore::Open("/proc/precis").status().code(), absl::StatusCode::kFailedPrecondition);
}

// Every schema that was ever released, as text in tests/golden/store, opens and keeps its rows.
TEST(SqliteStore, MigratesEveryReleasedSchema) {
  for (int version = 1; version <= SchemaVersion(); ++version) {
    SCOPED_TRACE(version);
    std::ifstream file(absl::StrCat(PRECIS_GOLDEN_DIR, "/store/v", version, ".sql"));
    ASSERT_TRUE(file) << "every schema version needs its file";
    std::stringstream sql;
    sql << file.rdbuf();
    TempDir dir;
    RunSql(dir.path() + "/precis.db", sql.str());
    absl::StatusOr<std::unique_ptr<SqliteStore>> opened = SqliteStore::Open(dir.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    const std::unique_ptr<SqliteStore> store = *std::move(opened);
    JobQuery query;
    query.id = "golden";
    const auto jobs = store->QueryJobs(query);
    ASSERT_TRUE(jobs.ok()) << jobs.status();
    ASSERT_EQ(jobs->items.size(), 1u);
    JobRecord expected = SampleJob("golden");
    expected.state = JobState::kSucceeded;
    expected.started_us = expected.created_us + 1;
    expected.ended_us = expected.created_us + 2;
    expected.last_batch = 1;
    expected.progress = SampleProgress(4);
    expected.result = SampleResult();
    if (version >= 6) expected.candidates_reported = 2;
    if (version >= 8) expected.files = {SampleFile("weights.safetensors")};
    if (version < 5) {
      expected.progress.loader_wait_share = expected.result->loader_wait_share = 0;
      expected.result->skipped_images = 0;
    }
    if (version < 3) expected.plan.cost_ranges[0] = {};  // only the target's was kept
    EXPECT_EQ(JobText(jobs->items[0]), JobText(expected));
    const auto candidates = store->QueryCandidates({.job_id = "golden"});
    ASSERT_EQ(candidates->items.size(), 2u);
    EXPECT_EQ(CandidateText(candidates->items[0]), CandidateText(SampleCandidate(1)));
    EXPECT_EQ(CandidateText(candidates->items[1]), CandidateText(SampleCandidate(2)));
    EXPECT_EQ(store->QueryEvents({.job_id = "golden"})->items.size(), 6u);
    EXPECT_EQ(store->ListTokens()->size(), version < 7 ? 0u : 1u);
    EXPECT_EQ(store->ListAudit(10)->size(), version < 7 ? 0u : 1u);
  }
}

TEST(SqliteStatus, MapsCodesOnce) {
  EXPECT_TRUE(SqliteStatus(SQLITE_OK, "").ok());
  EXPECT_EQ(SqliteStatus(SQLITE_BUSY, "").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SqliteStatus(SQLITE_BUSY_SNAPSHOT, "").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SqliteStatus(SQLITE_IOERR_FSYNC, "").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SqliteStatus(SQLITE_CANTOPEN_ISDIR, "").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SqliteStatus(SQLITE_READONLY_DBMOVED, "").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SqliteStatus(SQLITE_FULL, "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(SqliteStatus(SQLITE_NOMEM, "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(SqliteStatus(SQLITE_CORRUPT_INDEX, "").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SqliteStatus(SQLITE_NOTADB, "").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SqliteStatus(SQLITE_CONSTRAINT_UNIQUE, "").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(SqliteStatus(SQLITE_CONSTRAINT_PRIMARYKEY, "").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(SqliteStatus(SQLITE_CONSTRAINT_CHECK, "").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SqliteStatus(SQLITE_MISUSE, "").code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace precis::server
