// fork and exec. Between them only async-signal-safe calls are made, since the server has many threads.
#include "server/launcher/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace precis::server {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { Close(); }
  int get() const { return number_; }
  void Close() {
    if (number_ >= 0) close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot start a process: ", std::strerror(errno)));
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// What a worker may not do, whatever its job makes it read: leave its memory in a core file, gain rights by
// executing a set-user-ID program, open files without end. It has no filter of system calls: it runs our own
// code under the server's user, and LibTorch's threads and file mappings need most calls that a filter would
// deny.
void GiveUpPrivileges() {
  constexpr rlim_t kMostFiles = 4096;
  const rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_max = files.rlim_max < kMostFiles ? files.rlim_max : kMostFiles;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// Runs in the child; never returns. Reports errno through `report` if the program cannot be executed.
[[noreturn]] void Execute(char* const* arguments, int input, int log, int report, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  setpgid(0, 0);
  GiveUpPrivileges();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before the death signal was set
  if (dup2(input, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0) {
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    execv(arguments[0], arguments);
  }
  const int reason = errno;
  (void)!write(report, &reason, sizeof reason);
  _exit(127);
}

}  // namespace

absl::StatusOr<pid_t> Spawn(const SpawnRequest& request) {
  PRECIS_CHECK(!request.arguments.empty() && request.input.size() <= 4096);
  absl::StatusOr<Pipe> input = MakePipe();
  if (!input.ok()) return input.status();
  absl::StatusOr<Pipe> report = MakePipe();
  if (!report.ok()) return report.status();
  Descriptor log(open(request.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (log.get() < 0) {
    const bool full = errno == ENOSPC;
    const std::string message =
        absl::StrCat("cannot write the worker's log ", request.log_path, ": ", std::strerror(errno));
    return full ? absl::ResourceExhaustedError(message) : absl::UnavailableError(message);
  }
  std::vector<char*> arguments;
  for (const std::string& argument : request.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return absl::UnavailableError(absl::StrCat("cannot fork: ", std::strerror(errno)));
  if (child == 0) Execute(arguments.data(), input->read.get(), log.get(), report->write.get(), parent);

  report->write.Close();
  int reason = 0;
  ssize_t size = 0;
  do {
    size = read(report->read.get(), &reason, sizeof reason);
  } while (size < 0 && errno == EINTR);
  if (size == sizeof reason) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return absl::UnavailableError(absl::StrCat("cannot execute the worker program ", request.arguments[0],
                                               ": ", std::strerror(reason),
                                               ". Say where it is with --worker."));
  }
  // Our own reading end is still open, so this cannot raise SIGPIPE; a pipe holds 4096 bytes unread.
  (void)!write(input->write.get(), request.input.data(), request.input.size());
  return child;
}

}  // namespace precis::server
