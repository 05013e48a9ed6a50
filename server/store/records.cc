// Checks on what workers report, the same for every store.
#include "server/store/records.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

absl::Status Fault(const search::Candidate& candidate, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("candidate ", candidate.number, ": ", what));
}

bool IsShare(double value) { return value >= 0 && value <= 1; }

bool IsCost(double value) { return std::isfinite(value) && value >= 0; }

absl::Status CheckCandidate(const search::Candidate& candidate, const PlanSummary& plan) {
  if (candidate.number < 1) return Fault(candidate, "number must be 1 or more");
  if (candidate.assignment.layers.size() != plan.layer_names.size()) {
    return Fault(candidate, absl::StrCat("assignment has ", candidate.assignment.layers.size(),
                                         " layers, the network has ", plan.layer_names.size()));
  }
  if (candidate.costs.size() != plan.cost_names.size()) {
    return Fault(candidate, absl::StrCat("costs has ", candidate.costs.size(), " entries, the job has ",
                                         plan.cost_names.size(), " metrics"));
  }
  for (double cost : candidate.costs) {
    if (!IsCost(cost)) return Fault(candidate, absl::StrCat("cost ", cost, " must be finite and >= 0"));
  }
  if (!IsShare(candidate.search.accuracy)) return Fault(candidate, "search.accuracy must be in 0…1");
  if (candidate.search.images < 0) return Fault(candidate, "search.images must be >= 0");
  if (candidate.test && !IsShare(candidate.test->accuracy)) {
    return Fault(candidate, "test.accuracy must be in 0…1");
  }
  if (candidate.test && candidate.test->images < 0) return Fault(candidate, "test.images must be >= 0");
  if (candidate.step < 0) return Fault(candidate, "step must be >= 0");
  if (candidate.sampled_at < -1) return Fault(candidate, "sampled_at must be >= -1");
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckBatch(const WorkerBatch& batch, const PlanSummary& plan) {
  if (batch.number < 1) return absl::InvalidArgumentError("a batch's number must be 1 or more");
  for (const search::Candidate& candidate : batch.candidates) {
    if (absl::Status status = CheckCandidate(candidate, plan); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace precis::server
