// JobManager's thread: it starts workers, watches over them and notices their end.
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/digest.h"
#include "server/job_manager.h"
#include "server/job_state.h"
#include "supernet/formats/failpoint.h"

namespace precis::server {
namespace {

constexpr int kSecretBytes = 32;
constexpr absl::Duration kStorePause = absl::Seconds(2);

}  // namespace

int64_t FreeBytes(const std::string& folder) {
  struct statvfs disk = {};
  if (statvfs(folder.c_str(), &disk) != 0) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
}

void JobManager::EndRunOrTryAgain(const std::string& job_id, const absl::Status& failure, bool lost) {
  const absl::Status ended = EndRun(job_id, failure, lost);
  if (ended.ok() || absl::IsNotFound(ended)) return;
  spdlog::error("job {}: its end is not stored yet: {}", job_id, ended.ToString());
  Enqueue(job_id, kStorePause);
}

bool JobManager::WaitsForRoom(const std::string& job_id) {
  if (options_.free_bytes(options_.data_dir) >= options_.least_room) return false;
  const std::string notice = absl::StrCat(kNoRoom, ": the disk of ", options_.data_dir, " has less than ",
                                          options_.least_room >> 20, " MiB left");
  const absl::StatusOr<JobRecord> job =
      store_->MutateJob(job_id, [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        const bool waits = record.state == JobState::kPending || record.state == JobState::kRunning;
        if (!waits || record.cancel_requested || record.pause_requested) return absl::AbortedError("asked");
        record.notice = notice;
        return Disposition::kKeep;
      });
  if (absl::IsAborted(job.status()) || absl::IsNotFound(job.status())) return false;
  if (job.ok()) hub_->Notify(job_id);
  Enqueue(job_id, options_.room_pause);
  return true;
}

std::deque<JobManager::Waiting>::iterator JobManager::NextToLaunch() {
  if (draining_ || runs_.size() >= static_cast<size_t>(options_.max_concurrent_jobs)) return queue_.end();
  const Clock::time_point now = Clock::now();
  // The worker that a retried job had may not have ended yet.
  return std::find_if(queue_.begin(), queue_.end(), [&](const Waiting& waiting) {
    return waiting.not_before <= now && !runs_.contains(waiting.job_id);
  });
}

bool JobManager::LeaveQueue(const std::string& job_id) {
  return std::erase_if(queue_, [&](const Waiting& waiting) { return waiting.job_id == job_id; }) > 0;
}

void JobManager::Enqueue(const std::string& job_id, absl::Duration pause) {
  std::lock_guard lock(mutex_);
  Waiting waiting{.job_id = job_id};
  if (pause > absl::ZeroDuration()) waiting.not_before = Clock::now() + absl::ToChronoNanoseconds(pause);
  queue_.push_back(std::move(waiting));
  Changed();
}

void JobManager::Changed() {
  changed_ = true;
  wake_.notify_all();
}

JobManager::Clock::time_point JobManager::NextDeadline() const {
  Clock::time_point next = Clock::time_point::max();
  if (!draining_ && runs_.size() < static_cast<size_t>(options_.max_concurrent_jobs)) {
    for (const Waiting& waiting : queue_) {
      if (!runs_.contains(waiting.job_id)) next = std::min(next, waiting.not_before);
    }
  }
  for (const auto& [job_id, run] : runs_) {
    if (!run.launched) continue;
    next = std::min({next, run.kill_at, run.heard + absl::ToChronoNanoseconds(options_.silence_limit)});
  }
  return next;
}

void JobManager::Loop() {
  while (true) {
    std::vector<std::string> launches;
    {
      std::unique_lock lock(mutex_);
      if (NextToLaunch() == queue_.end()) {
        wake_.wait_until(lock, NextDeadline(), [this] { return changed_; });
      }
      changed_ = false;
      if (stopping_) return;
      WatchOverRuns();
      for (auto next = NextToLaunch(); next != queue_.end(); next = NextToLaunch()) {
        launches.push_back(next->job_id);
        queue_.erase(next);
        runs_[launches.back()] = Run{.secret = RandomHex(kSecretBytes), .heard = Clock::now()};
      }
    }
    for (const std::string& job_id : launches) Launch(job_id);
  }
}

void JobManager::WatchOverRuns() {
  const Clock::time_point now = Clock::now();
  for (auto& [job_id, run] : runs_) {
    if (!run.launched) continue;
    if (now >= run.heard + absl::ToChronoNanoseconds(options_.silence_limit)) {
      run.silent = true;
      run.kill_at = now;
      run.heard = now;
    }
    if (now >= run.kill_at) {
      (void)launcher_->Stop(job_id, true);
      run.kill_at = now + std::chrono::seconds(1);
    }
  }
}

void JobManager::StopRun(const std::string& job_id, Run& run, WorkerDirective how) {
  if (run.told == how || run.told == WorkerDirective::kCancel) return;
  run.told = how;
  const absl::Duration grace =
      how == WorkerDirective::kCancel ? options_.stop_grace : options_.checkpoint_grace;
  run.kill_at = std::min(run.kill_at, Clock::now() + absl::ToChronoNanoseconds(grace));
  if (run.launched) (void)launcher_->Stop(job_id, false);
  Changed();
}

void JobManager::Launch(const std::string& job_id) {
  bool stopped = false;
  {
    std::lock_guard lock(mutex_);
    stopped = runs_.at(job_id).told != WorkerDirective::kContinue;
  }
  if (stopped) {
    // Shutting down, and the next server will start it; or cancelled, or paused, on the way from the queue.
    EndRunOrTryAgain(job_id, absl::CancelledError("stopped"), true);
    return Forget(job_id);
  }
  if (WaitsForRoom(job_id)) return Forget(job_id);
  bool asked = false;
  absl::StatusOr<JobRecord> job =
      store_->MutateJob(job_id, [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (absl::StartsWith(record.notice, kNoRoom)) record.notice.clear();
        if (record.state == JobState::kRunning) {  // after another worker
          asked = record.cancel_requested || record.pause_requested;
          return Disposition::kKeep;
        }
        absl::Status moved = MoveJob(record, JobState::kRunning, absl::ToUnixMicros(absl::Now()));
        if (!moved.ok()) return moved;
        return Disposition::kKeep;
      });
  if (!job.ok()) {
    // Cancelled or deleted while it was queued; or the store fails for now.
    if (!absl::IsFailedPrecondition(job.status()) && !absl::IsNotFound(job.status())) {
      spdlog::error("job {}: not started yet: {}", job_id, job.status().ToString());
      Enqueue(job_id, kStorePause);
    }
    return Forget(job_id);
  }
  if (asked) {
    // Just when the last worker was lost, so that there was neither a run to stop nor a place in the queue.
    EndRunOrTryAgain(job_id, absl::CancelledError("stopped"), true);
    return Forget(job_id);
  }
  PRECIS_FAILPOINT("launch/stored");
  hub_->Notify(job_id);
  WorkerCommand command;
  command.job_id = job_id;
  command.server_address = server_address_;
  command.log_path = files_.LogPath(job_id);
  {
    std::lock_guard lock(mutex_);
    command.secret = runs_.at(job_id).secret;
  }
  absl::Status started = files_.MakeFolder(job_id);
  if (started.ok()) {
    started = launcher_->Start(command, [this, job_id](const WorkerExit& exit) { OnExit(job_id, exit); });
  }
  if (!started.ok()) {
    spdlog::error("job {}: {}", job_id, std::string(started.message()));
    EndRunOrTryAgain(job_id, started, false);
    return Forget(job_id);
  }
  PRECIS_FAILPOINT("launch/started");
  spdlog::info("job {}: started", job_id);
  std::lock_guard lock(mutex_);
  auto run = runs_.find(job_id);
  if (run == runs_.end()) return;  // it has ended already
  run->second.launched = true;
  if (run->second.told != WorkerDirective::kContinue) (void)launcher_->Stop(job_id, false);
  Changed();
}

void JobManager::Forget(const std::string& job_id) {
  std::lock_guard lock(mutex_);
  runs_.erase(job_id);
  Changed();
}

void JobManager::OnExit(const std::string& job_id, const WorkerExit& exit) {
  bool silent = false;
  std::string no_room;
  {
    std::lock_guard lock(mutex_);
    silent = runs_.at(job_id).silent;
    no_room = runs_.at(job_id).no_room;
  }
  if (!no_room.empty()) {
    EndRunOrTryAgain(job_id, absl::ResourceExhaustedError(no_room), true);
    return Forget(job_id);
  }
  std::string reason = silent       ? absl::StrCat("the worker gave no sign of life for ",
                                                   absl::FormatDuration(options_.silence_limit), " and was killed")
                       : exit.clean ? "the worker ended without delivering a result"
                                    : absl::StrCat("the worker died: ", exit.description);
  const std::string tail = files_.LogTail(job_id);
  if (!tail.empty()) absl::StrAppend(&reason, ". Its log ends: ", tail);
  EndRunOrTryAgain(job_id, absl::InternalError(reason), true);
  Forget(job_id);
}

}  // namespace precis::server
