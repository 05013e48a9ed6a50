// Copies a store and looks for faults in it, whether a server has it open or not.
//
// Threading: thread-safe; every call has a connection of its own.
// Errors: DATA_LOSS if a file is damaged beyond reading; RESOURCE_EXHAUSTED if the disk is full; UNAVAILABLE
// for other I/O faults.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/records.h"

namespace precis::server {

// What a store holds, as one commit left it.
struct StoreCensus {
  struct Job {
    std::string id;
    JobState state = JobState::kPending;
    std::vector<FileRecord> files;
  };
  std::vector<Job> jobs;  // by id
  int64_t candidates = 0;
  int64_t events = 0;
  // Everything that is not as it must be, for people, at most a hundred: what SQLite's integrity_check and
  // foreign_key_check find; events of a job that are not numbered 1, 2, 3, …; states that did not follow one
  // another as they may, or do not end where the job is; candidates without costs or layers, events without
  // candidate, batches that were forgotten; results without final candidate; rows that cannot be read.
  std::vector<std::string> faults;
};

using LegalMove = bool (*)(JobState from, JobState to);

// kInUse: a server's, which may have it open. kArchive: a copy that nobody writes; nothing is made beside it.
enum class StoreUse { kInUse, kArchive };

// Reads the whole file. NOT_FOUND if there is none; FAILED_PRECONDITION if it is no store of ours or has
// another schema than this program.
absl::StatusOr<StoreCensus> TakeCensus(const std::string& path, StoreUse use, LegalMove may_move);

// Writes DATA_DIR/precis.db, as one commit left it, to `path`, which must not exist. The server goes on.
absl::Status CopyStore(const std::string& data_dir, const std::string& path);

absl::StatusOr<bool> StoreHasJob(const std::string& data_dir, const std::string& job_id);

// Of a copy that nobody else has open. Leaves no log. OK for a job that is not there.
absl::Status EraseFromCopy(const std::string& path, const std::string& job_id);

}  // namespace precis::server
