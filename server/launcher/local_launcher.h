// LocalLauncher: workers as child processes on this machine.
//
// A worker is started as `WORKER --server HOST:PORT --job ID` in a process group of its own (so that
// Ctrl-C on the server's terminal reaches the server alone, which then asks its workers) with the secret
// as the one line on its standard input, where no process list shows it. It gets SIGKILL if the server
// dies. Stop reaches the whole group.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "server/launcher/launcher.h"

namespace precis::server {

class LocalLauncher final : public Launcher {
 public:
  explicit LocalLauncher(std::string worker_path);
  // Kills what still runs and waits until every on_exit has returned.
  ~LocalLauncher() override;

  absl::Status Start(const WorkerCommand& command, std::function<void(const WorkerExit&)> on_exit) override;
  absl::Status Stop(const std::string& job_id, bool force) override;

 private:
  // One thread a worker: it forks, waits for the end and reports it. The kernel ties the child's
  // death signal to the thread that forked it, so that thread must live as long as the child.
  struct Worker {
    std::thread thread;
    int pid = 0;  // 0: not started yet, or reaped
    bool done = false;
  };

  void Supervise(Worker* worker, const WorkerCommand& command,
                 const std::function<void(const WorkerExit&)>& on_exit,
                 const std::function<void(absl::Status)>& on_started);
  void JoinFinished();

  const std::string worker_path_;

  // Guarded by mutex_, as are the workers' fields but for their threads.
  std::mutex mutex_;
  std::multimap<std::string, std::unique_ptr<Worker>> workers_;
};

// The worker program beside this executable: the folder of /proc/self/exe plus "/precis-worker".
std::string DefaultWorkerPath();

}  // namespace precis::server
