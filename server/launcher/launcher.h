// Launcher: where a worker runs.
//
// Threading: thread-safe.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis::server {

struct WorkerCommand {
  std::string job_id;
  std::string server_address;  // host:port of the WorkerService
  std::string secret;          // of this one run; handed over where other users cannot see it
  std::string log_path;        // the worker's stdout and stderr are appended here
};

// How a worker ended: an exit code, or a signal, said for people ("killed by signal 9 (Killed)").
struct WorkerExit {
  bool clean = false;  // exit code 0
  std::string description;
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Starts a worker. `on_exit` is called once, from another thread, when it has ended. UNAVAILABLE, with
  // the reason, if it cannot be started; on_exit is then not called.
  virtual absl::Status Start(const WorkerCommand& command,
                             std::function<void(const WorkerExit&)> on_exit) = 0;
  // Asks the job's worker to end (SIGTERM) or makes it (SIGKILL). Does not wait. OK if there is none.
  virtual absl::Status Stop(const std::string& job_id, bool force) = 0;
};

}  // namespace precis::server
