// Where backups may be written: paths that callers name, on the server's machine.
//
// Threading: pure functions, but for the folders that are looked at.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace precis::server {

// Where a server may write backups.
struct BackupPlaces {
  bool anywhere = true;                   // that its user can write
  std::vector<std::string> folders = {};  // else only below these; resolved
  std::string data_dir = {};              // and never in here
};

// OK if a backup may be made at `path`: an absolute path without "..", in a folder that exists, links
// resolved. INVALID_ARGUMENT, or PERMISSION_DENIED where only the place is wrong, with what is allowed.
absl::Status CheckBackupPath(const std::string& path, const BackupPlaces& places);

}  // namespace precis::server
