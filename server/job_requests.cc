// What clients ask of a job, and how a run of it ends.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/job_manager.h"
#include "server/job_state.h"
#include "supernet/formats/failpoint.h"

namespace precis::server {
namespace {

int64_t NowUs() { return absl::ToUnixMicros(absl::Now()); }

absl::Status HasEnded(const JobRecord& job) {
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job.id, " has ended already: it is ", JobStateName(job.state), "."));
}

}  // namespace

absl::StatusOr<JobRecord> JobManager::Move(const std::string& job_id, const char* what,
                                           const Store::Mutation& mutate) {
  absl::StatusOr<JobRecord> job = store_->MutateJob(job_id, mutate);
  if (!job.ok()) return job;
  PRECIS_FAILPOINT("move/stored");
  hub_->Notify(job_id);
  spdlog::info("job {}: {}", job_id, what);
  return job;
}

absl::StatusOr<JobRecord> JobManager::Stop(const std::string& job_id, JobRecord job, WorkerDirective how) {
  bool waited = false;
  {
    std::lock_guard lock(mutex_);
    waited = LeaveQueue(job_id);
    if (auto run = runs_.find(job_id); run != runs_.end()) StopRun(job_id, run->second, how);
  }
  if (!waited || job.state != JobState::kRunning) return job;
  // It waited for another worker.
  if (absl::Status status = EndRun(job_id, absl::CancelledError("stopped"), false); !status.ok()) {
    Enqueue(job_id);
    return status;
  }
  absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs({.id = job_id});
  if (!page.ok()) return page.status();
  return page->items.empty() ? job : std::move(page->items[0]);
}

absl::StatusOr<JobRecord> JobManager::Cancel(const std::string& job_id) {
  absl::StatusOr<JobRecord> job =
      Move(job_id, "cancelled", [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (record.state == JobState::kCancelled) return Disposition::kKeep;
        if (IsTerminal(record.state)) return HasEnded(record);
        record.cancel_requested = true;
        if (record.state == JobState::kRunning) return Disposition::kKeep;
        if (absl::Status moved = MoveJob(record, JobState::kCancelled, NowUs()); !moved.ok()) return moved;
        record.notice.clear();
        return Disposition::kKeep;
      });
  if (!job.ok()) return job;
  return Stop(job_id, *std::move(job), WorkerDirective::kCancel);
}

absl::StatusOr<JobRecord> JobManager::Pause(const std::string& job_id) {
  absl::StatusOr<JobRecord> job =
      Move(job_id, "to be paused", [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (IsTerminal(record.state)) return HasEnded(record);
        if (record.cancel_requested) {
          return absl::FailedPreconditionError(absl::StrCat("job ", job_id, " is being cancelled."));
        }
        if (record.state == JobState::kPaused) return Disposition::kKeep;
        record.pause_requested = true;
        if (record.state == JobState::kRunning) return Disposition::kKeep;
        if (absl::Status moved = MoveJob(record, JobState::kPaused, NowUs()); !moved.ok()) return moved;
        record.pause_requested = false;
        return Disposition::kKeep;
      });
  if (!job.ok()) return job;
  return Stop(job_id, *std::move(job), WorkerDirective::kPause);
}

absl::StatusOr<JobRecord> JobManager::Resume(const std::string& job_id) {
  bool queue = false;
  absl::StatusOr<JobRecord> job =
      Move(job_id, "resumed", [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (IsTerminal(record.state)) {
          return absl::FailedPreconditionError(
              absl::StrCat("job ", job_id, " is ", JobStateName(record.state), ", not PAUSED.",
                           record.state == JobState::kSucceeded ? "" : " To go on with it, retry it."));
        }
        if (record.pause_requested) {
          return absl::FailedPreconditionError(
              absl::StrCat("job ", job_id, " is about to be PAUSED. Resume it once it is."));
        }
        queue = record.state == JobState::kPaused;
        if (!queue) return Disposition::kKeep;
        if (absl::Status moved = MoveJob(record, JobState::kPending, NowUs()); !moved.ok()) return moved;
        record.notice.clear();
        return Disposition::kKeep;
      });
  if (job.ok() && queue) Enqueue(job_id);
  return job;
}

absl::StatusOr<JobRecord> JobManager::Retry(const std::string& job_id) {
  absl::StatusOr<JobRecord> job =
      Move(job_id, "retried", [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (record.state != JobState::kFailed && record.state != JobState::kCancelled) {
          return absl::FailedPreconditionError(
              absl::StrCat("job ", job_id, " is ", JobStateName(record.state),
                           ": only a job that is FAILED or CANCELLED can be retried.",
                           record.state == JobState::kPaused ? " Resume it." : ""));
        }
        if (absl::Status moved = MoveJob(record, JobState::kPending, NowUs()); !moved.ok()) return moved;
        record.error.clear();
        record.notice.clear();
        record.cancel_requested = false;
        return Disposition::kKeep;
      });
  if (job.ok()) Enqueue(job_id);
  return job;
}

absl::Status JobManager::Delete(const std::string& job_id) {
  absl::StatusOr<JobRecord> job =
      Move(job_id, "deleted", [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (record.state == JobState::kRunning) {
          return absl::FailedPreconditionError(
              absl::StrCat("job ", job_id, " is running. Cancel it first, then delete it."));
        }
        return Disposition::kErase;
      });
  if (!job.ok()) return job.status();
  {
    std::lock_guard lock(mutex_);
    LeaveQueue(job_id);
    losses_.erase(job_id);
  }
  PRECIS_FAILPOINT("delete/erased");
  return files_.RemoveFolder(job_id);
}

std::optional<absl::Duration> JobManager::CountLoss(const JobRecord& job) {
  std::lock_guard lock(mutex_);
  Losses& losses = losses_[job.id];
  if (job.progress.fraction > losses.fraction) losses.in_a_row = 0;
  losses.fraction = job.progress.fraction;
  if (++losses.in_a_row > options_.restart_limit) {
    losses_.erase(job.id);
    return std::nullopt;
  }
  absl::Duration pause = options_.first_restart_pause;
  for (int i = 1; i < losses.in_a_row && pause < options_.longest_restart_pause; ++i) pause *= 2;
  return std::min(pause, options_.longest_restart_pause);
}

absl::Status JobManager::EndRun(const std::string& job_id, const absl::Status& failure, bool lost) {
  bool draining = false;
  {
    std::lock_guard lock(mutex_);
    draining = draining_;
  }
  bool was_running = false;
  std::optional<absl::Duration> pause;
  const bool no_room = absl::IsResourceExhausted(failure);
  absl::StatusOr<JobRecord> job =
      store_->MutateJob(job_id, [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (record.state != JobState::kRunning) return Disposition::kKeep;
        was_running = true;
        JobState to = record.cancel_requested                                          ? JobState::kCancelled
                      : record.pause_requested && (lost || absl::IsCancelled(failure)) ? JobState::kPaused
                                                                                       : JobState::kFailed;
        if (to == JobState::kFailed && no_room) {
          pause = options_.room_pause;
          record.notice = absl::StrCat(kNoRoom, ": ", failure.message());
          return Disposition::kKeep;
        }
        if (to == JobState::kFailed && lost) {
          if (draining) return Disposition::kKeep;
          pause = CountLoss(record);
          if (pause.has_value()) {
            ++record.restarts;
            record.notice = absl::StrCat(failure.message(), "; going on from the last checkpoint");
            return Disposition::kKeep;
          }
        }
        if (absl::Status moved = MoveJob(record, to, NowUs()); !moved.ok()) return moved;
        record.pause_requested = false;
        record.notice.clear();
        if (to == JobState::kFailed) {
          record.error = std::string(failure.message());
          if (lost && options_.restart_limit > 0) {
            absl::StrAppend(&record.error, " (", options_.restart_limit + 1,
                            " workers in a row, without getting any further)");
          }
        }
        return Disposition::kKeep;
      });
  if (!job.ok() || !was_running) return job.status();
  PRECIS_FAILPOINT("end_run/stored");
  hub_->Notify(job_id);
  const std::string& why = job->error.empty() ? job->notice : job->error;
  spdlog::info("job {}: {}{}{}", job_id, JobStateName(job->state), why.empty() ? "" : ": ", why);
  if (!pause.has_value()) return absl::OkStatus();
  if (options_.on_restart && !no_room) options_.on_restart();
  // What an earlier server left goes on at once, before what waits.
  Enqueue(job_id, server_address_.empty() ? absl::ZeroDuration() : *pause);
  return absl::OkStatus();
}

}  // namespace precis::server
