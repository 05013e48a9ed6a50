// What `precisd doctor` looks at.
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/doctor.h"
#include "server/launcher/local_launcher.h"
#include "server/store/store_check.h"
#include "supernet/data/dataset.h"

namespace precis::server {
namespace {

using Level = Finding::Level;

constexpr double kTightBytes = 5e9;
constexpr double kTooFewBytes = 5e8;
constexpr int64_t kTightFiles = 4096;
constexpr int64_t kTooFewFiles = 256;

std::string Bytes(double bytes) {
  const char* unit = "B";
  for (const char* larger : {"kB", "MB", "GB", "TB"}) {
    if (bytes < 1000) break;
    bytes /= 1000;
    unit = larger;
  }
  return absl::StrFormat("%.3g %s", bytes, unit);
}

// The nearest folder that is there: of a data folder not yet made, the one it will be made in.
std::string NearestFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(folder, error) && folder.has_parent_path() &&
         folder != folder.parent_path()) {
    folder = folder.parent_path();
  }
  return folder.string();
}

Finding CheckDataDir(const std::string& data_dir) {
  std::error_code error;
  const std::string folder = NearestFolder(data_dir);
  if (std::filesystem::exists(data_dir, error) && !std::filesystem::is_directory(data_dir, error)) {
    return {"data_dir", Level::kFail, absl::StrCat(data_dir, " is no folder"),
            "choose another with --data-dir"};
  }
  if (access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return {"data_dir", Level::kFail,
            absl::StrCat(folder, " cannot be written by user ", geteuid(), ": ", std::strerror(errno)),
            "run this as the user that precisd runs as, or give that user the folder with chown"};
  }
  if (!std::filesystem::exists(data_dir, error)) {
    return {"data_dir", Level::kWarn, absl::StrCat(data_dir, " is not there yet"),
            "if the path is right, nothing: precisd makes it when it starts"};
  }
  return {"data_dir", Level::kOk, absl::StrCat(data_dir, " can be written"), ""};
}

Finding CheckDisk(const std::string& data_dir) {
  struct statvfs disk = {};
  if (statvfs(NearestFolder(data_dir).c_str(), &disk) != 0) {
    return {"disk", Level::kFail, absl::StrCat("cannot be looked at: ", std::strerror(errno)),
            "mend the file system of the data folder"};
  }
  const double bytes = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  const bool no_files = disk.f_files > 0 && disk.f_favail < 100;
  const std::string message =
      absl::StrCat(Bytes(bytes), " free", no_files ? ", but no room for new files" : "");
  const char* next =
      "free some, or move the data folder to a larger disk; weights of deleted jobs go with "
      "precis delete";
  if (bytes < kTooFewBytes || no_files) return {"disk", Level::kFail, message, next};
  if (bytes < kTightBytes) return {"disk", Level::kWarn, message, next};
  return {"disk", Level::kOk, message, ""};
}

// The server that holds the folder, by its lock file; 0: none.
int ServerOf(const std::string& data_dir) {
  std::ifstream lock(absl::StrCat(data_dir, "/precisd.lock"));
  int pid = 0;
  if (!(lock >> pid)) return 0;
  std::ifstream name(absl::StrCat("/proc/", pid, "/comm"));
  std::string program;
  return std::getline(name, program) && program == "precisd" ? pid : 0;
}

Finding CheckServer(int pid) {
  return {"server", Level::kOk,
          pid > 0 ? absl::StrCat("precisd runs on this folder, process ", pid) : "none runs on this folder",
          ""};
}

Finding CheckSqlite() {
  const std::string message = absl::StrCat("SQLite ", SqliteVersion());
  if (SqliteIsNewEnough()) return {"sqlite", Level::kOk, message, ""};
  return {"sqlite", Level::kFail, absl::StrCat(message, " lacks strict tables"),
          "install SQLite 3.37 or later, as Debian 12 has it"};
}

Finding CheckStore(const std::string& data_dir) {
  absl::StatusOr<StoreCondition> store = ExamineStore(data_dir);
  if (absl::IsNotFound(store.status())) {
    return {"store", Level::kOk, "none yet; precisd makes it when it starts", ""};
  }
  if (!store.ok()) {
    const bool damaged = absl::IsDataLoss(store.status());
    return {"store", Level::kFail, std::string(store.status().message()),
            damaged ? "stop precisd, keep a copy of the data folder, and restore precis.db from a backup"
                    : "run this as the user that precisd runs as"};
  }
  const std::string message =
      absl::StrCat(Bytes(static_cast<double>(store->bytes)), ", log ",
                   Bytes(static_cast<double>(store->wal_bytes)), ", schema ", store->schema_version);
  if (!store->is_store) {
    return {"store", Level::kFail, "precis.db is a SQLite file, but not a store of Precis",
            "choose another folder with --data-dir"};
  }
  if (!store->faults.empty()) {
    return {"store", Level::kFail, absl::StrCat(message, ", damaged: ", absl::StrJoin(store->faults, "; ")),
            "stop precisd, keep a copy of the data folder, and restore precis.db from a backup"};
  }
  if (store->schema_version > store->known_version) {
    return {"store", Level::kFail,
            absl::StrCat(message, ", written by a newer Precis; this one knows up to ", store->known_version),
            "run the newer precisd on this folder"};
  }
  if (store->schema_version < store->known_version) {
    return {"store", Level::kWarn,
            absl::StrCat(message, ", will be brought to ", store->known_version, " at the next start"),
            "copy the data folder first if you may want to go back to the older Precis"};
  }
  return {"store", Level::kOk, absl::StrCat(message, ", no faults found"), ""};
}

Finding CheckWorker(const std::string& worker) {
  if (access(worker.c_str(), X_OK) == 0)
    return {"worker", Level::kOk, absl::StrCat(worker, " can be run"), ""};
  return {"worker", Level::kFail, absl::StrCat(worker, " cannot be run: ", std::strerror(errno)),
          "install precis-worker beside precisd, or say where it is with --worker"};
}

Finding CheckThreads() {
  const unsigned threads = std::thread::hardware_concurrency();
  if (threads != 1) return {"threads", Level::kOk, absl::StrCat(threads, " processors may be used"), ""};
  return {"threads", Level::kWarn, "one processor may be used: searches will be slow",
          "allow more, with AllowedCPUs= or CPUQuota= of the unit or the container's limits"};
}

Finding CheckData() {
  std::vector<std::string> found;
  std::vector<std::string> faults;
  for (const DatasetInfo& info : Datasets()) {
    if (info.default_path.empty()) continue;  // where its users say
    absl::StatusOr<DatasetInfo> inspected = InspectDataset(info, "");
    if (inspected.ok()) {
      found.push_back(info.name);
    } else {
      faults.emplace_back(inspected.status().message());
    }
  }
  if (faults.empty()) return {"data", Level::kOk, absl::StrCat(absl::StrJoin(found, ", "), " found"), ""};
  return {"data", Level::kWarn, absl::StrJoin(faults, " "),
          "apt-get install dataset-fashion-mnist, unless all jobs bring their own data.path"};
}

// The soft limit on open files of a process; of this one if it cannot be read.
int64_t OpenFileLimit(int pid) {
  std::ifstream limits(absl::StrCat("/proc/", pid, "/limits"));
  constexpr char kLine[] = "Max open files";
  for (std::string line; pid > 0 && std::getline(limits, line);) {
    if (line.rfind(kLine, 0) != 0) continue;
    int64_t limit = 0;
    if (std::istringstream(line.substr(sizeof kLine - 1)) >> limit) return limit;
  }
  struct rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur == RLIM_INFINITY ? INT64_MAX : static_cast<int64_t>(limit.rlim_cur);
}

Finding CheckOpenFiles(int pid) {
  const int64_t limit = OpenFileLimit(pid);
  const std::string message =
      absl::StrCat(limit, " allowed", pid > 0 ? " to the running server" : " to this shell");
  const char* next = "raise it: LimitNOFILE=65536 in the service's unit, or ulimit -n 65536";
  if (limit < kTooFewFiles) return {"open_files", Level::kFail, message, next};
  if (limit < kTightFiles) {
    return {"open_files", Level::kWarn, absl::StrCat(message, ": too few for many clients"), next};
  }
  return {"open_files", Level::kOk, message, ""};
}

}  // namespace

std::vector<Finding> Examine(const DoctorOptions& options) {
  const int pid = ServerOf(options.data_dir);
  return {CheckDataDir(options.data_dir),
          CheckDisk(options.data_dir),
          CheckServer(pid),
          CheckSqlite(),
          CheckStore(options.data_dir),
          CheckWorker(options.worker.empty() ? DefaultWorkerPath() : options.worker),
          CheckThreads(),
          CheckData(),
          CheckOpenFiles(pid)};
}

}  // namespace precis::server
