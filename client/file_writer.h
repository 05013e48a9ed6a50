// Writing a file so that it is whole or absent.
//
// Threading: thread-safe. Nothing throws.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace precis::client {

// Temporary file beside `path`, fsync, rename: what was there is replaced at once or stays. A device or a
// pipe is written to as it is. NOT_FOUND, naming the file and the system's reason, if it cannot be written.
absl::Status WriteWholeFile(const std::string& path, const std::string& bytes);

}  // namespace precis::client
