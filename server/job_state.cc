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
    {JobState::kPending, JobState::kCancelled},  // cancelled in the queue
    {JobState::kRunning, JobState::kSucceeded},  // the worker delivered its result
    {JobState::kRunning, JobState::kFailed},     // the worker failed, died or could not be started
    {JobState::kRunning, JobState::kCancelled},  // cancelled, and the worker has ended
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
  }
  return "";
}

bool IsTerminal(JobState state) {
  for (const Move& move : kMoves) {
    if (move.from == state) return false;
  }
  return true;
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
  if (to == JobState::kRunning) job.started_us = now_us;
  if (IsTerminal(to)) job.ended_us = now_us;
  return absl::OkStatus();
}

}  // namespace precis::server
