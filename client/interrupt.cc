// A signal handler may do next to nothing, so it writes a byte to a pipe and a thread does the rest.
#include "client/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "supernet/formats/check.h"

namespace precis::client {
namespace {

constexpr char kInterrupted = 'i';
constexpr char kDone = 'd';

std::atomic<int> write_end = -1;
struct sigaction previous_int;
struct sigaction previous_term;

void Send(char byte) {
  const int saved = errno;
  const ssize_t written = write(write_end, &byte, 1);
  (void)written;  // a full pipe holds an interrupt already
  errno = saved;
}

extern "C" void HandleInterrupt(int) { Send(kInterrupted); }

}  // namespace

InterruptGuard::InterruptGuard(std::function<void()> on_interrupt) {
  PRECIS_CHECK(write_end == -1);
  int ends[2];
  PRECIS_CHECK(pipe2(ends, O_CLOEXEC) == 0);
  read_end_ = ends[0];
  write_end = ends[1];
  listener_ = std::thread([this, call = std::move(on_interrupt)] {
    char byte = 0;
    while (byte != kDone && (read(read_end_, &byte, 1) == 1 || errno == EINTR)) {
      if (byte == kInterrupted && !interrupted_.exchange(true)) call();
    }
  });
  struct sigaction action {};
  action.sa_handler = HandleInterrupt;
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigaction(SIGINT, &action, &previous_int);
  sigaction(SIGTERM, &action, &previous_term);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &previous_int, nullptr);
  sigaction(SIGTERM, &previous_term, nullptr);
  Send(kDone);
  listener_.join();
  close(read_end_);
  close(write_end.exchange(-1));
}

}  // namespace precis::client
