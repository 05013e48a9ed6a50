// Backups, restoring and the check of data, on a data folder that a store has open.
#include "server/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "server/backup_manifest.h"
#include "server/backup_place.h"
#include "server/digest.h"
#include "server/job_state.h"
#include "server/store/sqlite_store.h"
#include "tests/fakes/sample_records.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kDone[] = "00000000aaaa";
constexpr char kRunning[] = "00000000bbbb";
constexpr char kPaused[] = "00000000cccc";

void WriteFile(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void RunSql(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

FileRecord RecordOf(const std::string& name, const std::string& bytes) {
  return {.name = name, .bytes = static_cast<int64_t>(bytes.size()), .sha256 = Sha256Hex(bytes)};
}

// A store with a job that has succeeded, one that runs and one that is paused, and their files.
class BackupTest : public testing::Test {
 protected:
  BackupTest() {
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(data_dir_);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    for (const char* id : {kDone, kRunning, kPaused}) {
      JobRecord job = SampleJob(id);
      if (id == kDone) job.files = {RecordOf("model.onnx", "model")};
      EXPECT_TRUE(store_->InsertJob(job).ok());
      Move(id, JobState::kRunning);
      EXPECT_TRUE(store_
                      ->AppendBatch(id, {.number = 1,
                                         .progress = SampleProgress(3),
                                         .candidates = {SampleCandidate(1), SampleCandidate(2)}})
                      .ok());
      WriteFile(File(id, "worker.log"), "said\n");
    }
    WriteFile(File(kDone, "model.onnx"), "model");
    WriteFile(File(kDone, "weights.safetensors"), "weights");
    EXPECT_TRUE(
        store_
            ->MutateJob(
                kDone,
                [](JobRecord& job) {
                  job.result = SampleResult();
                  job.files = {RecordOf("model.onnx", "model"), RecordOf("weights.safetensors", "weights")};
                  EXPECT_TRUE(MoveJob(job, JobState::kSucceeded, 5).ok());
                  return Disposition::kKeep;
                })
            .ok());
    Move(kPaused, JobState::kPaused);
    for (const char* id : {kRunning, kPaused}) {
      WriteFile(File(id, "checkpoint/checkpoint"), "answers");
      WriteFile(File(id, "checkpoint/state-7.safetensors"), "state");
      WriteFile(File(id, "checkpoint/state-9.safetensors.x1Y2z3"), "half written");
    }
  }

  void Move(const char* id, JobState to) {
    EXPECT_TRUE(store_
                    ->MutateJob(id,
                                [to](JobRecord& job) {
                                  EXPECT_TRUE(MoveJob(job, to, 5).ok());
                                  return Disposition::kKeep;
                                })
                    .ok());
  }

  std::string File(const char* id, const std::string& name) const {
    return absl::StrCat(data_dir_, "/jobs/", id, "/", name);
  }
  std::vector<FileRecord> Manifest() const {
    absl::StatusOr<BackupManifest> manifest = ReadManifest(backup_);
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    return manifest.ok() ? manifest->files : std::vector<FileRecord>{};
  }
  std::vector<std::string> FaultsNow() const {
    absl::StatusOr<DataCondition> condition = CheckData(data_dir_);
    EXPECT_TRUE(condition.ok()) << condition.status();
    return condition.ok() ? condition->faults : std::vector<std::string>{};
  }

  TempDir dir_;
  const std::string data_dir_ = dir_.path() + "/data";
  const std::string backup_ = dir_.path() + "/backup";
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(BackupTest, TakesWhatAServerNeedsWhileOneRuns) {
  const absl::StatusOr<DataCondition> taken = TakeBackup(data_dir_, backup_);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(taken->faults, IsEmpty());
  EXPECT_EQ(taken->jobs, 3);
  EXPECT_EQ(taken->candidates, 6);
  std::vector<std::string> names;
  for (const FileRecord& file : Manifest()) names.push_back(file.name);
  EXPECT_THAT(names,
              ElementsAre(absl::StrCat("jobs/", kDone, "/model.onnx"),
                          absl::StrCat("jobs/", kDone, "/weights.safetensors"),
                          absl::StrCat("jobs/", kPaused, "/checkpoint/checkpoint"),
                          absl::StrCat("jobs/", kPaused, "/checkpoint/state-7.safetensors"), "precis.db"));
  EXPECT_EQ(fs::status(backup_).permissions(), fs::perms::owner_all);
  EXPECT_EQ(TakeBackup(data_dir_, backup_).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(VerifyBackup(backup_).ok());

  const std::string restored = dir_.path() + "/restored";
  const absl::StatusOr<DataCondition> condition = RestoreBackup(backup_, restored);
  ASSERT_TRUE(condition.ok()) << condition.status();
  EXPECT_EQ(ReadFile(absl::StrCat(restored, "/jobs/", kDone, "/weights.safetensors")), "weights");
  absl::StatusOr<std::unique_ptr<SqliteStore>> again = SqliteStore::Open(restored);
  ASSERT_TRUE(again.ok()) << again.status();
  const auto before = store_->QueryJobs({});
  const auto after = (*again)->QueryJobs({});
  ASSERT_EQ(after->items.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(JobText(after->items[i]), JobText(before->items[i]));
  EXPECT_THAT(CheckData(restored)->faults, IsEmpty());

  EXPECT_EQ(RestoreBackup(backup_, restored).status().code(), absl::StatusCode::kFailedPrecondition);
  again->reset();
  EXPECT_THAT(std::string(RestoreBackup(backup_, restored).status().message()), HasSubstr("is not empty"));
}

TEST_F(BackupTest, SaysWhatWasDamagedAlreadyAndRestoresNothingOfIt) {
  WriteFile(File(kDone, "weights.safetensors"), "weighty");
  const absl::StatusOr<DataCondition> taken = TakeBackup(data_dir_, backup_);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(taken->faults, ElementsAre(HasSubstr("weights.safetensors has changed")));
  const std::string restored = dir_.path() + "/restored";
  EXPECT_EQ(RestoreBackup(backup_, restored).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(fs::exists(restored));
}

TEST_F(BackupTest, EveryChangedByteOfABackupIsFound) {
  ASSERT_TRUE(TakeBackup(data_dir_, backup_).ok());
  for (const FileRecord& file : Manifest()) {
    const std::string path = absl::StrCat(backup_, "/", file.name);
    const std::string bytes = ReadFile(path);
    std::string changed = bytes;
    changed[changed.size() / 2] ^= 1;
    for (const std::string& other : {changed, bytes.substr(0, bytes.size() - 1), bytes + "x"}) {
      WriteFile(path, other);
      const absl::StatusOr<DataCondition> found = VerifyBackup(backup_);
      EXPECT_TRUE(!found.ok() || !found->faults.empty()) << file.name;
      EXPECT_EQ(RestoreBackup(backup_, dir_.path() + "/restored").status().code(),
                absl::StatusCode::kDataLoss);
    }
    fs::remove(path);
    EXPECT_FALSE(RestoreBackup(backup_, dir_.path() + "/restored").ok());
    WriteFile(path, bytes);
  }
  const std::string manifest = ReadFile(backup_ + "/backup.json");
  WriteFile(backup_ + "/backup.json", manifest.substr(0, manifest.size() / 2));
  EXPECT_EQ(VerifyBackup(backup_).status().code(), absl::StatusCode::kDataLoss);
  // No name leads anywhere but into the backup.
  for (const char* name :
       {"../precis.db", "jobs/../../etc/passwd", "jobs/00000000aaaa/.hidden", "precis.db-wal"}) {
    ASSERT_TRUE(WriteManifest({.files = {RecordOf("precis.db", ""), RecordOf(name, "")}}, backup_).ok());
    EXPECT_EQ(ReadManifest(backup_).status().code(), absl::StatusCode::kDataLoss) << name;
  }
  fs::remove(backup_ + "/backup.json");
  EXPECT_EQ(VerifyBackup(backup_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BackupTest, AJobThatIsDeletedMeanwhileIsLeftOut) {
  int asked = 0;
  const auto delete_at_first_file = [&] {
    if (asked++ == 0) {
      EXPECT_TRUE(store_->MutateJob(kDone, [](JobRecord&) { return Disposition::kErase; }).ok());
      fs::remove_all(File(kDone, ""));
    }
    return false;
  };
  const absl::StatusOr<DataCondition> taken = TakeBackup(data_dir_, backup_, delete_at_first_file);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->jobs, 2);
  EXPECT_THAT(taken->faults, IsEmpty());
  const absl::StatusOr<DataCondition> found = VerifyBackup(backup_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->faults, IsEmpty());
  EXPECT_EQ(found->jobs, 2);
}

TEST_F(BackupTest, LeavesNothingWhenItIsStoppedOrCannotWrite) {
  EXPECT_EQ(TakeBackup(data_dir_, backup_, [] { return true; }).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE(fs::exists(backup_));
  EXPECT_FALSE(TakeBackup(data_dir_, dir_.path() + "/nowhere/backup").ok());
  EXPECT_FALSE(TakeBackup(dir_.path() + "/no data", backup_).ok());
  EXPECT_FALSE(fs::exists(backup_));
}

TEST_F(BackupTest, TheCheckFindsEveryKindOfFault) {
  EXPECT_THAT(FaultsNow(), IsEmpty());
  const std::pair<const char*, const char*> faults[] = {
      {"UPDATE events SET number = 9 WHERE job_id = '00000000bbbb' AND number = 4", "numbered from 1 to 9"},
      {"DELETE FROM events WHERE job_id = '00000000bbbb' AND number = 3", "numbered"},
      {"UPDATE jobs SET state = 4, ended_us = 5 WHERE id = '00000000bbbb'",
       "another state than its last event"},
      {"UPDATE events SET state = 5 WHERE job_id = '00000000aaaa' AND number = 2",
       "moves it as no job moves"},
      {"UPDATE events SET state = 1 WHERE job_id = '00000000aaaa' AND number = 1", "does not begin"},
      {"DELETE FROM candidates WHERE job_id = '00000000bbbb' AND number = 2", "tells of candidate 2"},
      {"DELETE FROM candidates WHERE job_id = '00000000aaaa' AND number = 2", "final candidate 2"},
      {"UPDATE jobs SET last_batch = 0 WHERE id = '00000000bbbb'", "no batch"},
      {"UPDATE jobs SET candidates_reported = 77 WHERE id = '00000000bbbb'", "counts 77"},
      {"DELETE FROM results", "without a result"},
      {"UPDATE jobs SET ended_us = 0 WHERE id = '00000000aaaa'", "ended at no time"},
      {"DELETE FROM candidate_costs", "is incomplete"},
      {"DELETE FROM job_layers", "is incomplete"},
      {"UPDATE candidates SET assignment = 'florp'", "florp"},
      {"PRAGMA foreign_keys = OFF; DELETE FROM jobs WHERE id = '00000000bbbb'", "belongs to no row of jobs"},
      {"UPDATE job_files SET bytes = 3 WHERE name = 'model.onnx'", "has 5 bytes in place of 3"},
  };
  for (const auto& [damage, said] : faults) {
    SCOPED_TRACE(damage);
    const std::string copy = dir_.path() + "/copy";
    fs::create_directories(copy);
    ASSERT_TRUE(CopyStore(data_dir_, copy + "/precis.db").ok());
    fs::copy(data_dir_ + "/jobs", copy + "/jobs", fs::copy_options::recursive);
    RunSql(copy + "/precis.db", damage);
    const absl::StatusOr<DataCondition> condition = CheckData(copy);
    ASSERT_TRUE(condition.ok()) << condition.status();
    EXPECT_THAT(condition->faults, testing::Contains(HasSubstr(said)));
    fs::remove_all(copy);
  }
  WriteFile(File(kDone, "weights.safetensors"), "weighty");
  EXPECT_THAT(FaultsNow(), ElementsAre(HasSubstr("another content")));
  fs::remove(File(kDone, "weights.safetensors"));
  EXPECT_THAT(FaultsNow(), ElementsAre(HasSubstr("weights.safetensors")));
}

TEST(BackupPlace, IsAbsoluteUnderARootAndNotInTheData) {
  TempDir dir;
  const std::string data_dir = dir.path() + "/data";
  const std::string root = dir.path() + "/backups";
  for (const std::string& folder : {data_dir, root}) fs::create_directories(folder);
  fs::create_symlink(dir.path(), root + "/out");
  const BackupPlaces anywhere{.data_dir = data_dir};
  EXPECT_TRUE(CheckBackupPath(dir.path() + "/b", anywhere).ok());
  const std::pair<std::string, absl::StatusCode> refused[] = {
      {"b", absl::StatusCode::kInvalidArgument},
      {"", absl::StatusCode::kInvalidArgument},
      {root + "/", absl::StatusCode::kInvalidArgument},
      {root + "/../b", absl::StatusCode::kInvalidArgument},
      {dir.path() + "/nowhere/b", absl::StatusCode::kInvalidArgument},
      {data_dir + "/b", absl::StatusCode::kPermissionDenied},
  };
  for (const auto& [path, code] : refused) EXPECT_EQ(CheckBackupPath(path, anywhere).code(), code) << path;
  const BackupPlaces one{.anywhere = false, .folders = {fs::canonical(root)}, .data_dir = data_dir};
  EXPECT_TRUE(CheckBackupPath(root + "/b", one).ok());
  for (const std::string& path : {dir.path() + "/b", dir.path() + "/nowhere/b", root + "/out/b"}) {
    EXPECT_EQ(CheckBackupPath(path, one).code(), absl::StatusCode::kPermissionDenied) << path;
  }
  EXPECT_EQ(CheckBackupPath(root + "/b", {.anywhere = false, .data_dir = data_dir}).code(),
            absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace precis::server
