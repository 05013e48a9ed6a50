// Orders, metrics and points of candidates.
#include "server/candidate_listing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::server {
namespace {

// A row of a candidate (a layer and its two formats) takes about 60 bytes of a message's 4 MiB.
constexpr size_t kLayerRowsPerPage = 40'000;

}  // namespace

absl::StatusOr<CandidateOrdering> ParseOrdering(const std::string& order_by, const PlanSummary& plan) {
  CandidateOrdering ordering;
  absl::string_view key = order_by;
  ordering.descending = absl::ConsumeSuffix(&key, " desc");
  if (key.empty() && !ordering.descending) return ordering;
  if (key == "number") return ordering;
  if (key == "accuracy") {
    ordering.order = CandidateOrder::kAccuracy;
    return ordering;
  }
  std::vector<std::string> known = {"number", "accuracy", "cost"};
  known.insert(known.end(), plan.cost_names.begin(), plan.cost_names.end());
  if (std::find(known.begin(), known.end(), key) == known.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("order_by: \"", order_by, "\" is not an order: use one of ", absl::StrJoin(known, ", "),
                     ", optionally with \" desc\".", DidYouMean(std::string(key), known)));
  }
  ordering.order = CandidateOrder::kCost;
  absl::StatusOr<int64_t> metric = FindMetric(key == "cost" ? "" : std::string(key), plan);
  if (!metric.ok()) return metric.status();
  ordering.cost_index = *metric;
  return ordering;
}

absl::StatusOr<int64_t> FindMetric(const std::string& metric, const PlanSummary& plan) {
  if (metric.empty()) return plan.constrained;
  auto found = std::find(plan.cost_names.begin(), plan.cost_names.end(), metric);
  if (found != plan.cost_names.end()) return found - plan.cost_names.begin();
  return absl::InvalidArgumentError(
      absl::StrCat("metric: \"", metric, "\" is not a metric of this job: use one of ",
                   absl::StrJoin(plan.cost_names, ", "), ".", DidYouMean(metric, plan.cost_names)));
}

absl::StatusOr<std::vector<search::Candidate>> AllCandidates(Store& store, const std::string& job_id,
                                                             bool feasible_only) {
  std::vector<search::Candidate> all;
  CandidateQuery query{.job_id = job_id, .feasible_only = feasible_only};
  for (bool more = true; more;) {
    absl::StatusOr<Page<search::Candidate>> page = store.QueryCandidates(query);
    if (!page.ok()) return page.status();
    std::move(page->items.begin(), page->items.end(), std::back_inserter(all));
    query.after_key = page->last_key;
    more = page->more;
  }
  return all;
}

std::vector<search::ParetoPoint> PointsOf(const std::vector<search::Candidate>& candidates,
                                          int64_t cost_index) {
  std::vector<search::ParetoPoint> points;
  points.reserve(candidates.size());
  for (const search::Candidate& candidate : candidates) {
    points.push_back({candidate.costs[static_cast<size_t>(cost_index)], candidate.search.accuracy});
  }
  return points;
}

int CandidatesPerPage(int requested, size_t layers) {
  const size_t fit = kLayerRowsPerPage / std::max<size_t>(layers, 1);
  return std::clamp(static_cast<int>(fit), 1, requested);
}

}  // namespace precis::server
