// FakeLauncher: a Launcher whose workers are played by the test, which sees what was started and says
// when and how it ends. By default a worker ends as soon as it is told to stop. For tests only.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
    std::lock_guard lock(mutex_);
    // A copy would share its text with Refuse's thread, and ThreadSanitizer does not see Status count.
    if (!refusal_.ok()) return absl::Status(refusal_.code(), refusal_.message());
    started_.push_back(command);
    started_one_.notify_all();
    running_[command.job_id] = std::move(on_exit);
    return absl::OkStatus();
  }

  absl::Status Stop(const std::string& job_id, bool force) override {
    {
      std::lock_guard lock(mutex_);
      stops_.emplace_back(job_id, force);
      if (!force && deaf_) return absl::OkStatus();
    }
    End(job_id, {.description = force ? "killed by signal 9 (Killed)" : "killed by signal 15 (Terminated)"});
    return absl::OkStatus();
  }

  // The worker of this job ends, on_exit being called from another thread. Nothing if it does not run.
  void End(const std::string& job_id, const WorkerExit& exit) {
    std::lock_guard lock(mutex_);
    auto found = running_.find(job_id);
    if (found == running_.end()) return;
    threads_.emplace_back([on_exit = std::move(found->second), exit] { on_exit(exit); });
    running_.erase(found);
  }

  // From now on Start fails with this status.
  void Refuse(absl::Status status) {
    std::lock_guard lock(mutex_);
    refusal_ = std::move(status);
  }
  // From now on workers end only by force.
  void IgnorePoliteStops() {
    std::lock_guard lock(mutex_);
    deaf_ = true;
  }

  // Waits until this job's worker has been started, for the `time`-th time, and returns its command.
  WorkerCommand AwaitStart(const std::string& job_id, size_t time = 1) {
    std::unique_lock lock(mutex_);
    auto found = started_.end();
    started_one_.wait(lock, [&] {
      size_t seen = 0;
      found = std::find_if(started_.begin(), started_.end(), [&](const WorkerCommand& command) {
        return command.job_id == job_id && ++seen == time;
      });
      return found != started_.end();
    });
    return *found;
  }
  std::vector<std::string> Running() {
    std::lock_guard lock(mutex_);
    std::vector<std::string> ids;
    for (const auto& [id, on_exit] : running_) ids.push_back(id);
    return ids;
  }
  std::vector<WorkerCommand> Started() {
    std::lock_guard lock(mutex_);
    return started_;
  }
  std::vector<std::pair<std::string, bool>> Stops() {
    std::lock_guard lock(mutex_);
    return stops_;
  }

 private:
  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable started_one_;
  absl::Status refusal_;
  bool deaf_ = false;
  std::vector<WorkerCommand> started_;
  std::vector<std::pair<std::string, bool>> stops_;
  std::map<std::string, std::function<void(const WorkerExit&)>> running_;
  std::vector<std::thread> threads_;
};

}  // namespace precis::server
