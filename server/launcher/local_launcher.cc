// Supervision of local workers.
#include "server/launcher/local_launcher.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <future>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/launcher/spawn.h"

namespace precis::server {
namespace {

WorkerExit Describe(int status) {
  if (WIFEXITED(status)) {
    return {.clean = WEXITSTATUS(status) == 0,
            .description = absl::StrCat("exited with code ", WEXITSTATUS(status))};
  }
  const int number = WTERMSIG(status);
  const char* name = sigdescr_np(number);
  return {.clean = false,
          .description = absl::StrCat("killed by signal ", number, " (", name == nullptr ? "unknown" : name,
                                      ")", number == SIGKILL ? ", perhaps for want of memory" : "")};
}

}  // namespace

LocalLauncher::LocalLauncher(std::string worker_path) : worker_path_(std::move(worker_path)) {}

LocalLauncher::~LocalLauncher() {
  std::multimap<std::string, std::unique_ptr<Worker>> workers;
  {
    std::lock_guard lock(mutex_);
    for (auto& [job_id, worker] : workers_) {
      if (worker->pid > 0) kill(-worker->pid, SIGKILL);
    }
    workers.swap(workers_);
  }
  for (auto& [job_id, worker] : workers) worker->thread.join();
}

absl::Status LocalLauncher::Start(const WorkerCommand& command,
                                  std::function<void(const WorkerExit&)> on_exit) {
  JoinFinished();
  auto worker = std::make_unique<Worker>();
  Worker* const raw = worker.get();
  std::promise<absl::Status> started;
  std::future<absl::Status> outcome = started.get_future();
  {
    std::lock_guard lock(mutex_);
    auto place = workers_.emplace(command.job_id, std::move(worker));
    place->second->thread = std::thread([this, raw, command, on_exit = std::move(on_exit),
                                         started = std::move(started)]() mutable {
      Supervise(raw, command, on_exit, [&](absl::Status status) { started.set_value(std::move(status)); });
    });
  }
  return outcome.get();
}

void LocalLauncher::Supervise(Worker* worker, const WorkerCommand& command,
                              const std::function<void(const WorkerExit&)>& on_exit,
                              const std::function<void(absl::Status)>& on_started) {
  absl::StatusOr<pid_t> child =
      Spawn({.arguments = {worker_path_, "--server", command.server_address, "--job", command.job_id},
             .input = absl::StrCat(command.secret, "\n"),
             .log_path = command.log_path});
  if (!child.ok()) {
    {
      std::lock_guard lock(mutex_);
      worker->done = true;
    }
    on_started(std::move(child).status());
    return;
  }
  {
    std::lock_guard lock(mutex_);
    worker->pid = *child;
  }
  on_started(absl::OkStatus());
  // Waited for without reaping first: as long as the pid is registered it cannot belong to another.
  siginfo_t info;
  while (waitid(P_PID, static_cast<id_t>(*child), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  int status = 0;
  {
    std::lock_guard lock(mutex_);
    kill(-worker->pid, SIGKILL);  // what it may have started
    worker->pid = 0;
    while (waitpid(*child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  on_exit(Describe(status));
  std::lock_guard lock(mutex_);
  worker->done = true;
}

absl::Status LocalLauncher::Stop(const std::string& job_id, bool force) {
  std::lock_guard lock(mutex_);
  auto [begin, end] = workers_.equal_range(job_id);
  for (auto place = begin; place != end; ++place) {
    if (place->second->pid > 0) kill(-place->second->pid, force ? SIGKILL : SIGTERM);
  }
  return absl::OkStatus();
}

void LocalLauncher::JoinFinished() {
  std::vector<std::unique_ptr<Worker>> finished;
  {
    std::lock_guard lock(mutex_);
    for (auto place = workers_.begin(); place != workers_.end();) {
      if (place->second->done) {
        finished.push_back(std::move(place->second));
        place = workers_.erase(place);
      } else {
        ++place;
      }
    }
  }
  for (std::unique_ptr<Worker>& worker : finished) worker->thread.join();
}

std::string DefaultWorkerPath() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "precis-worker" : (self.parent_path() / "precis-worker").string();
}

}  // namespace precis::server
