// Choosing anew among what a job has measured.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "search/candidate.h"
#include "search/cost/cost_model.h"
#include "server/job_files.h"
#include "server/store/records.h"

namespace precis::server {

// `text` as a target of the job's cost number `cost_index`, in its unit. A multiple of a format works the
// job's plan out again, which takes milliseconds. INVALID_ARGUMENT if it cannot be read or resolved;
// RecompilePlan's error.
absl::StatusOr<double> ResolveTargetOf(const JobRecord& job, const JobFiles& files, int64_t cost_index,
                                       const std::string& text);

struct Choice {
  std::optional<search::Candidate> candidate;  // nothing: none is within
  std::optional<search::CostRange> measured;  // costs of those that keep the other limits; nothing: none does
};

// The most accurate on the search split (ties: the lower loss, then the cheaper, then the older) of those
// whose cost number `cost_index` is at most `target` and whose other costs are within the job's limits. The
// job's own target and a limit of this cost give way to `target`.
Choice ChooseWithin(const std::vector<search::Candidate>& candidates, const PlanSummary& plan,
                    int64_t cost_index, double target);

}  // namespace precis::server
