// The store contract on every implementation, and what is particular to the SQLite one: files, schema
// versions, and the lock.
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/store/sqlite_schema.h"
#include "server/store/sqlite_store.h"
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

INSTANTIATE_TEST_SUITE_P(
    Stores, StoreContract,
    testing::Values(StoreMaker{"sqlite", [] { return std::make_unique<TemporarySqliteStore>(); }},
                    StoreMaker{"memory", [] { return std::make_unique<MemoryStore>(); }}),
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
    std::unique_ptr<Store> store = OpenStore(dir.path());
    ASSERT_NE(store, nullptr);
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
