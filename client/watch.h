// Following a job to its end, through lost servers and Ctrl-C.
//
// Threading: one thread. Blocks until the job has ended, the user interrupts, or the server stays away.
#pragma once

#include <chrono>
#include <cstdint>

#include "absl/status/statusor.h"
#include "client/connection.h"
#include "client/environment.h"

namespace precis::client {

struct WatchOptions {
  int64_t after_event = 0;
  // How long a server may be away before watching gives up.
  std::chrono::milliseconds patience{60000};
};

struct WatchEnd {
  v1::Job job;  // as it ended; as last known, when interrupted
  bool interrupted = false;
};

// Progress goes to environment.err: a line redrawn in place if it is live, else a line at every change of
// phase, at every candidate and every five seconds. `job` is the job as it stands. A lost stream is taken
// up again after the last event seen, with growing pauses. Ctrl-C stops watching and says how to resume
// and cancel. The server's error, or UNAVAILABLE when patience ends, saying how to go on.
absl::StatusOr<WatchEnd> WatchJob(Connection& connection, const v1::Job& job, const WatchOptions& options,
                                  const Environment& environment);

bool HasEnded(v1::Job::State state);

}  // namespace precis::client
