// FakeLauncher: a Launcher whose workers are played by the test, which sees what was started and says
// when and how it ends. By default a worker ends as soon as it is told to stop. For tests only.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/launcher/launcher.h"

namespace precis::server {

class FakeLauncher final : public Launcher {
 public:
  ~FakeLauncher() override {
    for (const std::string& job_id : Running()) End(job_id, {.description = "killed by signal 9 (Killed)"});
    for (std::thread& thread : threads_) thread.join();
  }

  absl::Status Start(const WorkerCommand& command, std::function<void(const WorkerExit&)> on_exit) override {
    absl::MutexLock lock(&mutex_);
    if (!refusal_.ok()) return refusal_;
    started_.push_back(command);
    running_[command.job_id] = std::move(on_exit);
    return absl::OkStatus();
  }

  absl::Status Stop(const std::string& job_id, bool force) override {
    {
      absl::MutexLock lock(&mutex_);
      stops_.emplace_back(job_id, force);
      if (!force && deaf_) return absl::OkStatus();
    }
    End(job_id, {.description = force ? "killed by signal 9 (Killed)" : "killed by signal 15 (Terminated)"});
    return absl::OkStatus();
  }

  // The worker of this job ends, on_exit being called from another thread. Nothing if it does not run.
  void End(const std::string& job_id, const WorkerExit& exit) {
    absl::MutexLock lock(&mutex_);
    auto found = running_.find(job_id);
    if (found == running_.end()) return;
    threads_.emplace_back([on_exit = std::move(found->second), exit] { on_exit(exit); });
    running_.erase(found);
  }

  // From now on Start fails with this status.
  void Refuse(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    refusal_ = std::move(status);
  }
  // From now on workers end only by force.
  void IgnorePoliteStops() {
    absl::MutexLock lock(&mutex_);
    deaf_ = true;
  }

  // Waits until this job's worker has been started and returns its command.
  WorkerCommand AwaitStart(const std::string& job_id) {
    const auto command = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) -> const WorkerCommand* {
      for (const WorkerCommand& started : started_) {
        if (started.job_id == job_id) return &started;
      }
      return nullptr;
    };
    const auto there = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return command() != nullptr; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&there));
    return *command();
  }
  std::vector<std::string> Running() {
    absl::MutexLock lock(&mutex_);
    std::vector<std::string> ids;
    for (const auto& [id, on_exit] : running_) ids.push_back(id);
    return ids;
  }
  std::vector<WorkerCommand> Started() {
    absl::MutexLock lock(&mutex_);
    return started_;
  }
  std::vector<std::pair<std::string, bool>> Stops() {
    absl::MutexLock lock(&mutex_);
    return stops_;
  }

 private:
  absl::Mutex mutex_;
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  bool deaf_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<WorkerCommand> started_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, bool>> stops_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::function<void(const WorkerExit&)>> running_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace precis::server
