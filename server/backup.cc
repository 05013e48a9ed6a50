// Copying in and out.
#include "server/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/backup_manifest.h"
#include "server/digest.h"
#include "server/job_files.h"
#include "server/job_state.h"
#include "server/store/data_dir.h"
#include "supernet/graph/whole_file.h"

namespace precis::server {
namespace {

namespace fs = std::filesystem;

constexpr char kStoreFile[] = "precis.db";
constexpr char kCheckpoint[] = "checkpoint";

absl::Status ErrorAt(const std::string& path, const std::error_code& error) {
  const std::string message = absl::StrCat(path, ": ", error.message());
  if (error == std::errc::file_exists) return absl::AlreadyExistsError(message);
  if (error == std::errc::no_such_file_or_directory) return absl::NotFoundError(message);
  if (error == std::errc::no_space_on_device || error.value() == EDQUOT ||
      error == std::errc::file_too_large) {
    return absl::ResourceExhaustedError(message);
  }
  if (error == std::errc::permission_denied || error == std::errc::read_only_file_system) {
    return absl::FailedPreconditionError(message);
  }
  return absl::UnavailableError(message);
}

absl::Status SyncFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  const std::error_code error(errno, std::generic_category());
  if (descriptor >= 0) close(descriptor);
  return synced ? absl::OkStatus() : ErrorAt(path, error);
}

// What was written, read back. NOT_FOUND if there is nothing at `from`.
absl::StatusOr<FileRecord> CopyFile(const std::string& from, const std::string& to, const std::string& name) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  if (error) return ErrorAt(to, error);
  fs::copy_file(from, to, error);
  if (error) return ErrorAt(error == std::errc::no_such_file_or_directory ? from : to, error);
  if (absl::Status status = SyncFile(to); !status.ok()) return status;
  absl::StatusOr<std::string> digest = Sha256HexOfFile(to);
  if (!digest.ok()) return digest.status();
  const auto bytes = fs::file_size(to, error);
  if (error) return ErrorAt(to, error);
  return FileRecord{.name = name, .bytes = static_cast<int64_t>(bytes), .sha256 = *std::move(digest)};
}

// Names, relative to the job's folder, of what a backup takes; those that are being written are not among
// them.
std::vector<std::string> FilesToTake(const std::string& folder, bool with_checkpoint) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name == JobFiles::kModelFile || absl::EndsWith(name, ".safetensors")) names.push_back(name);
  }
  if (with_checkpoint) {
    for (const auto& entry : fs::directory_iterator(absl::StrCat(folder, "/", kCheckpoint), error)) {
      const std::string name = entry.path().filename().string();
      if (name == kCheckpoint || absl::EndsWith(name, ".safetensors")) {
        names.push_back(absl::StrCat(kCheckpoint, "/", name));
      }
    }
  }
  std::ranges::sort(names);
  return names;
}

// Takes away what was made, unless it is to stay.
class Made {
 public:
  explicit Made(std::vector<std::string> paths) : paths_(std::move(paths)) {}
  Made(const Made&) = delete;
  ~Made() {
    std::error_code ignored;
    for (const std::string& path : paths_) fs::remove_all(path, ignored);
  }
  void Keep() { paths_.clear(); }

 private:
  std::vector<std::string> paths_;
};

class Taker {
 public:
  Taker(std::string data_dir, std::string path, StopAsked stop)
      : data_dir_(std::move(data_dir)), path_(std::move(path)), stop_(std::move(stop)) {}

  absl::StatusOr<DataCondition> Take() {
    const std::string store = absl::StrCat(path_, "/", kStoreFile);
    if (absl::Status status = CopyStore(data_dir_, store); !status.ok()) return status;
    absl::StatusOr<StoreCensus> census = TakeCensus(store, StoreUse::kArchive, CanMove);
    if (!census.ok()) return census.status();
    condition_ = ConditionOf(*census);
    for (const StoreCensus::Job& job : census->jobs) {
      if (absl::Status status = TakeJob(job, store); !status.ok()) return status;
    }
    absl::StatusOr<std::string> digest = Sha256HexOfFile(store);
    if (!digest.ok()) return digest.status();
    std::error_code error;
    const auto bytes = static_cast<int64_t>(fs::file_size(store, error));
    if (error) return ErrorAt(store, error);
    manifest_.files.push_back({.name = kStoreFile, .bytes = bytes, .sha256 = *std::move(digest)});
    for (const FileRecord& file : manifest_.files) condition_.bytes += file.bytes;
    condition_.files = static_cast<int64_t>(manifest_.files.size());
    if (absl::Status status = WriteManifest(manifest_, path_); !status.ok()) return status;
    SyncFolders();
    return condition_;
  }

 private:
  absl::Status TakeJob(const StoreCensus::Job& job, const std::string& store) {
    const std::string folder = absl::StrCat("jobs/", job.id);
    std::map<std::string, FileRecord> taken;
    bool torn = false;
    for (const std::string& name :
         FilesToTake(absl::StrCat(data_dir_, "/", folder), job.state != JobState::kRunning)) {
      if (stop_ && stop_()) return absl::CancelledError("the backup was stopped");
      const std::string relative = absl::StrCat(folder, "/", name);
      absl::StatusOr<FileRecord> file =
          CopyFile(absl::StrCat(data_dir_, "/", relative), absl::StrCat(path_, "/", relative), relative);
      if (file.ok()) {
        taken[name] = *std::move(file);
      } else if (absl::IsNotFound(file.status())) {
        torn = true;  // deleted, or a checkpoint that another one followed
      } else {
        return file.status();
      }
    }
    std::vector<std::string> faults;
    for (const FileRecord& known : job.files) {
      const auto found = taken.find(known.name);
      if (found == taken.end() || found->second.sha256 != known.sha256) {
        faults.push_back(
            absl::StrCat(folder, "/", known.name,
                         found == taken.end() ? " is not there" : " has changed since it was recorded"));
      }
    }
    if (torn || !faults.empty()) {
      absl::StatusOr<bool> there = StoreHasJob(data_dir_, job.id);
      if (!there.ok()) return there.status();
      if (!*there) {
        --condition_.jobs;
        std::error_code ignored;
        fs::remove_all(absl::StrCat(path_, "/", folder), ignored);
        return EraseFromCopy(store, job.id);
      }
    }
    condition_.faults.insert(condition_.faults.end(), faults.begin(), faults.end());
    for (auto& [name, file] : taken) manifest_.files.push_back(std::move(file));
    return absl::OkStatus();
  }

  void SyncFolders() const {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(path_, error)) {
      if (entry.is_directory(error)) SyncFolder(entry.path().string());
    }
    SyncFolder(path_);
    SyncFolder(fs::path(path_).parent_path().string());
  }

  const std::string data_dir_;
  const std::string path_;
  const StopAsked stop_;
  BackupManifest manifest_;
  DataCondition condition_;
};

absl::Status Spoilt(const std::string& what, const std::vector<std::string>& faults) {
  return absl::DataLossError(absl::StrCat(what, " has faults:\n  ", absl::StrJoin(faults, "\n  ")));
}

}  // namespace

absl::StatusOr<DataCondition> TakeBackup(const std::string& data_dir, const std::string& path,
                                         const StopAsked& stop) {
  if (mkdir(path.c_str(), 0700) != 0) return ErrorAt(path, {errno, std::generic_category()});
  Made made({path});
  absl::StatusOr<DataCondition> taken = Taker(data_dir, path, stop).Take();
  if (taken.ok()) made.Keep();
  return taken;
}

absl::StatusOr<DataCondition> VerifyBackup(const std::string& path) {
  absl::StatusOr<BackupManifest> manifest = ReadManifest(path);
  if (!manifest.ok()) return manifest.status();
  std::vector<std::string> faults;
  std::map<std::string, std::string> digests;
  int64_t bytes = 0;
  for (const FileRecord& file : manifest->files) {
    std::string fault = FaultOfFile(absl::StrCat(path, "/", file.name), file);
    if (!fault.empty()) faults.push_back(std::move(fault));
    digests[file.name] = file.sha256;
    bytes += file.bytes;
  }
  absl::StatusOr<StoreCensus> census =
      TakeCensus(absl::StrCat(path, "/", kStoreFile), StoreUse::kArchive, CanMove);
  if (!census.ok()) return census.status();
  DataCondition condition = ConditionOf(*census);
  condition.files = static_cast<int64_t>(manifest->files.size());
  condition.bytes = bytes;
  for (const StoreCensus::Job& job : census->jobs) {
    for (const FileRecord& known : job.files) {
      const std::string name = absl::StrCat("jobs/", job.id, "/", known.name);
      const auto found = digests.find(name);
      if (found == digests.end() || found->second != known.sha256) {
        faults.push_back(absl::StrCat(name, " was not whole when the backup was made"));
      }
    }
  }
  condition.faults.insert(condition.faults.end(), faults.begin(), faults.end());
  return condition;
}

absl::StatusOr<DataCondition> RestoreBackup(const std::string& path, const std::string& data_dir) {
  absl::StatusOr<DataCondition> condition = VerifyBackup(path);
  if (!condition.ok()) return condition.status();
  if (!condition->faults.empty()) return Spoilt(path, condition->faults);
  absl::StatusOr<BackupManifest> manifest = ReadManifest(path);
  if (!manifest.ok()) return manifest.status();
  absl::StatusOr<DataDirLock> lock = DataDirLock::Acquire(data_dir);
  if (!lock.ok()) return lock.status();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data_dir, error)) {
    if (entry.path().filename() == "precisd.lock") continue;
    return absl::FailedPreconditionError(absl::StrCat("data folder ", data_dir, " is not empty: it holds ",
                                                      entry.path().filename().string(),
                                                      ". Name another one."));
  }
  const std::string store = absl::StrCat(data_dir, "/", kStoreFile);
  const std::string unfinished = store + ".restoring";
  Made made({absl::StrCat(data_dir, "/jobs"), unfinished, store});
  std::vector<std::string> faults;
  for (const FileRecord& file : manifest->files) {
    const std::string to = file.name == kStoreFile ? unfinished : absl::StrCat(data_dir, "/", file.name);
    absl::StatusOr<FileRecord> copied = CopyFile(absl::StrCat(path, "/", file.name), to, file.name);
    if (!copied.ok()) return copied.status();
    if (*copied != file) faults.push_back(absl::StrCat(to, " is not what was copied"));
    SyncFolder(fs::path(to).parent_path().string());
  }
  if (!faults.empty()) return Spoilt(data_dir, faults);
  // The store last, so that a server never finds half of a backup.
  fs::rename(unfinished, store, error);
  if (error) return ErrorAt(store, error);
  SyncFolder(data_dir);
  made.Keep();
  return condition;
}

}  // namespace precis::server
