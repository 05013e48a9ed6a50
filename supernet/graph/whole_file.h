// Files that are whole or absent, whatever happens to the process or the machine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace precis {

// Temporary file beside `path`, fsync, rename, fsync of the folder. The parts are written one after another.
// RESOURCE_EXHAUSTED if the disk is full, else UNAVAILABLE, with the path and the system's reason; what was
// at `path` is then still there.
absl::Status WriteWholeFile(const std::string& path, const std::vector<std::string_view>& parts);

// Makes what was created, renamed or removed in the folder survive a power cut; where the file system cannot
// do that, or the folder is gone, nothing.
void SyncFolder(const std::string& folder);

}  // namespace precis
