// The life of a job, as data.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/store/records.h"

namespace precis::server {

const char* JobStateName(JobState state);  // "PENDING", …
// Ended: nothing happens to it any more unless somebody asks for it.
bool IsTerminal(JobState state);
bool CanMove(JobState from, JobState to);

// Moves the job and sets started_us (once) or ended_us (0 for a job that goes on) to `now_us`.
// FAILED_PRECONDITION, naming both states, if the table does not allow it; the job is then unchanged.
absl::Status MoveJob(JobRecord& job, JobState to, int64_t now_us);

}  // namespace precis::server
