// The table of states and moves.
#include "server/job_state.h"

#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

struct Move {
  JobState from;
  JobState to;
};

constexpr Move kMoves[] = {
    {JobState::kPending, JobState::kRunning},    // its worker is being started
    {JobState::kPending, JobState::kPaused},     // paused in the queue
    {JobState::kPending, JobState::kCancelled},  // cancelled in the queue
    {JobState::kRunning, JobState::kSucceeded},  // the worker delivered its result
    {JobState::kRunning, JobState::kFailed},     // the worker failed, could not be started, or died too often
    {JobState::kRunning, JobState::kPaused},     // paused, and the worker has ended
    {JobState::kRunning, JobState::kCancelled},  // cancelled, and the worker has ended
    {JobState::kPaused, JobState::kPending},     // resumed
    {JobState::kPaused, JobState::kCancelled},  {JobState::kFailed, JobState::kPending},  // retried
    {JobState::kCancelled, JobState::kPending},                                           // retried
};

}  // namespace

const char* JobStateName(JobState state) {
  switch (state) {
    case JobState::kPending:
      return "PENDING";
    case JobState::kRunning:
      return "RUNNING";
    case JobState::kSucceeded:
      return "SUCCEEDED";
    case JobState::kFailed:
      return "FAILED";
    case JobState::kCancelled:
      return "CANCELLED";
    case JobState::kPaused:
      return "PAUSED";
  }
  return "";
}

bool IsTerminal(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed || state == JobState::kCancelled;
}

bool CanMove(JobState from, JobState to) {
  for (const Move& move : kMoves) {
    if (move.from == from && move.to == to) return true;
  }
  return false;
}

absl::Status MoveJob(JobRecord& job, JobState to, int64_t now_us) {
  if (!CanMove(job.state, to)) {
    return absl::FailedPreconditionError(absl::StrCat("job ", job.id, " is ", JobStateName(job.state),
                                                      " and cannot become ", JobStateName(to)));
  }
  job.state = to;
  if (to == JobState::kRunning && job.started_us == 0) job.started_us = now_us;
  job.ended_us = IsTerminal(to) ? now_us : 0;
  return absl::OkStatus();
}

}  // namespace precis::server
