// The census, and hashes.
#include "server/data_check.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/digest.h"
#include "server/job_state.h"

namespace precis::server {

std::string FaultOfFile(const std::string& path, const FileRecord& known) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) return absl::StrCat(path, ": ", error.message());
  if (static_cast<int64_t>(bytes) != known.bytes) {
    return absl::StrCat(path, " has ", bytes, " bytes in place of ", known.bytes);
  }
  const absl::StatusOr<std::string> digest = Sha256HexOfFile(path);
  if (!digest.ok()) return std::string(digest.status().message());
  return *digest == known.sha256 ? "" : absl::StrCat(path, " has another content than when it was recorded");
}

DataCondition ConditionOf(const StoreCensus& census) {
  DataCondition condition;
  condition.jobs = static_cast<int64_t>(census.jobs.size());
  condition.candidates = census.candidates;
  condition.events = census.events;
  condition.faults = census.faults;
  for (const StoreCensus::Job& job : census.jobs) {
    if (job.state == JobState::kSucceeded && job.files.empty()) ++condition.jobs_without_hashes;
  }
  return condition;
}

absl::StatusOr<DataCondition> CheckData(const std::string& data_dir, const StopAsked& stop) {
  absl::StatusOr<StoreCensus> census = TakeCensus(data_dir + "/precis.db", StoreUse::kInUse, CanMove);
  if (!census.ok()) return census.status();
  DataCondition condition = ConditionOf(*census);
  for (const StoreCensus::Job& job : census->jobs) {
    for (const FileRecord& file : job.files) {
      if (stop && stop()) return absl::CancelledError("the check was stopped");
      std::string fault = FaultOfFile(absl::StrCat(data_dir, "/jobs/", job.id, "/", file.name), file);
      if (!fault.empty()) {
        absl::StatusOr<bool> there = StoreHasJob(data_dir, job.id);
        if (!there.ok()) return there.status();
        if (!*there) break;
        condition.faults.push_back(std::move(fault));
      }
      ++condition.files;
      condition.bytes += file.bytes;
    }
  }
  return condition;
}

}  // namespace precis::server
