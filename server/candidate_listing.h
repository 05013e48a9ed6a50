// Candidates in the orders that clients ask for.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "search/candidate.h"
#include "search/pareto.h"
#include "server/store/store.h"

namespace precis::server {

struct CandidateOrdering {
  CandidateOrder order = CandidateOrder::kNumber;
  bool descending = false;
  int64_t cost_index = 0;
};
// "number", "accuracy", "cost" or a metric's name, with an optional " desc"; "" is "number".
// INVALID_ARGUMENT naming what is allowed.
absl::StatusOr<CandidateOrdering> ParseOrdering(const std::string& order_by, const PlanSummary& plan);

// Index of the metric among the job's costs; "" is the constrained one. INVALID_ARGUMENT with a
// did-you-mean.
absl::StatusOr<int64_t> FindMetric(const std::string& metric, const PlanSummary& plan);

// All candidates of a job, by number.
absl::StatusOr<std::vector<search::Candidate>> AllCandidates(Store& store, const std::string& job_id,
                                                             bool feasible_only);

// Cost and accuracy on the search split of each, for the functions of search/pareto.h.
std::vector<search::ParetoPoint> PointsOf(const std::vector<search::Candidate>& candidates,
                                          int64_t cost_index);

// Candidates a page may hold so that it fits into a message whatever the size of the network.
int CandidatesPerPage(int requested, size_t layers);

}  // namespace precis::server
