// backup.json: what a backup consists of.
//
//   {"precis_backup": 1, "precis_version": "0.1.0", "time": "2027-01-31T12:00:00Z",
//    "files": [{"name": "precis.db", "bytes": 81920, "sha256": "…"}, …]}
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/records.h"

namespace precis::server {

struct BackupManifest {
  std::vector<FileRecord> files;  // names relative to the backup
};

// Writes PATH/backup.json, whole or not at all. UNAVAILABLE.
absl::Status WriteManifest(const BackupManifest& manifest, const std::string& path);

// Names lead to the store and into folders of jobs alone, whoever wrote the file. NOT_FOUND if there is none;
// DATA_LOSS if it is not what WriteManifest writes, or has no store; FAILED_PRECONDITION for another layout.
absl::StatusOr<BackupManifest> ReadManifest(const std::string& path);

}  // namespace precis::server
