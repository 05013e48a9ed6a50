// SIGTERM and SIGINT as the server takes them: the first begins an orderly end, another one, or the end of
// patience, ends the process at once.
//
// Threading: make it before any other thread, since threads inherit what it blocks; then from one thread.
#pragma once

#include <atomic>
#include <thread>

#include "absl/time/time.h"

namespace precis::server {

// The process ended before its work was tidied up. Nothing that was acknowledged is lost: the kernel ends the
// workers, and the next start recovers the jobs.
inline constexpr int kCutShort = 3;

class StopSignals {
 public:
  // Blocks both signals in the whole process, and ignores SIGPIPE.
  StopSignals();
  // Calls off what EndAtOnceAfter has set up.
  ~StopSignals();

  // Waits for the first signal and returns its number.
  int Await();

  // From now on another signal, or `patience` having passed, ends the process with kCutShort and a line in
  // the log. Call once.
  void EndAtOnceAfter(absl::Duration patience);

 private:
  void Watch(absl::Duration patience);

  std::atomic<bool> done_{false};
  std::thread watch_;
};

}  // namespace precis::server
