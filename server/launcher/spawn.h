// Forks and executes one child the way LocalLauncher needs it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace precis::server {

struct SpawnRequest {
  std::vector<std::string> arguments;  // [0] is the program's path
  std::string input;                   // what the child reads on its standard input; at most 4096 bytes
  std::string log_path;                // its standard output and error are appended here
};

// The id of the child, which leads a process group of its own, has default signals, inherits no other
// descriptor, leaves no core files, cannot gain privileges, may open 4096 files and gets SIGKILL when the
// calling thread ends. UNAVAILABLE (RESOURCE_EXHAUSTED if the disk is full), naming the file and the system's
// reason, if the log cannot be opened or the program not executed; there is then no child.
absl::StatusOr<pid_t> Spawn(const SpawnRequest& request);

}  // namespace precis::server
