// Ctrl-C as a call instead of the end of the process.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace precis::client {

// While one lives, the first SIGINT or SIGTERM calls `on_interrupt`, once, on a thread of its own; the
// next one ends the process as usual. At most one at a time (checked).
//
// Threading: construct and destroy on one thread; interrupted() from any.
class InterruptGuard {
 public:
  explicit InterruptGuard(std::function<void()> on_interrupt);
  ~InterruptGuard();  // waits for a running on_interrupt
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool interrupted() const { return interrupted_; }

 private:
  std::atomic<bool> interrupted_ = false;
  int read_end_ = -1;
  std::thread listener_;
};

}  // namespace precis::client
