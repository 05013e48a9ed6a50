// Waiting for signals in threads, so that no handler is needed.
#include "server/stop_signals.h"

#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>

namespace precis::server {
namespace {

constexpr long kLookEveryNs = 50'000'000;

sigset_t StopSet() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t signals = StopSet();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

StopSignals::~StopSignals() {
  done_ = true;
  if (watch_.joinable()) watch_.join();
}

int StopSignals::Await() {
  const sigset_t signals = StopSet();
  int number = 0;
  sigwait(&signals, &number);
  return number;
}

void StopSignals::EndAtOnceAfter(absl::Duration patience) {
  watch_ = std::thread([this, patience] { Watch(patience); });
}

void StopSignals::Watch(absl::Duration patience) {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience);
  const sigset_t signals = StopSet();
  const timespec pause = {.tv_sec = 0, .tv_nsec = kLookEveryNs};
  while (!done_) {
    const bool again = sigtimedwait(&signals, nullptr, &pause) > 0;
    if (!again && std::chrono::steady_clock::now() < end) continue;
    spdlog::warn("ending at once: {}", again ? "told so by a second signal"
                                             : "what was still going on did not end within --drain-timeout");
    spdlog::default_logger()->flush();
    _exit(kCutShort);
  }
}

}  // namespace precis::server
