// Backups: a folder with all that a server needs to go on, taken while it runs, restored while none does.
//
//   PATH/precis.db             the store, as one commit left it
//   PATH/jobs/{job}/           weights, the job's model, and the checkpoint of a job that was not running
//   PATH/backup.json           written last: what there is, with sizes and SHA-256
//
// A job that was running has no checkpoint in it and begins anew once restored. Logs of workers are left out,
// and so is admin.token; the tokens' hashes are in the store. A folder without backup.json is no backup.
//
// Threading: thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/data_check.h"

namespace precis::server {

// Makes the folder `path` (mode 0700) and writes the backup into it. The store and all files are checked on
// the way: what is damaged is copied as it is and told in `faults`. ALREADY_EXISTS if there is something at
// `path`; RESOURCE_EXHAUSTED if the disk is full, FAILED_PRECONDITION without permissions, UNAVAILABLE for
// other I/O faults, CANCELLED: nothing is left there then.
absl::StatusOr<DataCondition> TakeBackup(const std::string& data_dir, const std::string& path,
                                         const StopAsked& stop = nullptr);

// Reads the whole backup and changes nothing. NOT_FOUND if there is no backup; DATA_LOSS if backup.json or
// the store is beyond reading; FAILED_PRECONDITION if another Precis has written it.
absl::StatusOr<DataCondition> VerifyBackup(const std::string& path);

// Verifies the backup and writes it to `data_dir`, which must be empty or not exist, and on which no server
// may run; then compares what was written. FAILED_PRECONDITION for another folder; DATA_LOSS, with all
// faults, if the backup or the copy has any; else as TakeBackup. After an error nothing is left but the
// folder.
absl::StatusOr<DataCondition> RestoreBackup(const std::string& path, const std::string& data_dir);

}  // namespace precis::server
