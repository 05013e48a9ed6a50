// Fetching candidates and picking within a budget.
#include "client/candidate_list.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "client/job_text.h"
#include "client/units.h"
#include "supernet/formats/format.h"

namespace precis::client {
namespace {

constexpr int kPageSize = 1000;

bool IsUniform(const v1::Candidate& candidate, const std::string& format) {
  return std::all_of(candidate.layers().begin(), candidate.layers().end(),
                     [&](const v1::LayerFormats& layer) {
                       return layer.weight() == format && layer.activation() == format;
                     });
}

// What `amount` comes to in the metric's own unit.
absl::StatusOr<double> Resolve(const Amount& amount, const std::vector<v1::Candidate>& candidates,
                               const std::string& metric) {
  if (amount.times_format.empty()) return amount.value;
  const absl::StatusOr<Format> format = ParseFormat(amount.times_format);
  if (!format.ok()) return format.status();
  for (const v1::Candidate& candidate : candidates) {
    const v1::Cost* cost = FindCost(candidate, metric);
    if (cost != nullptr && IsUniform(candidate, FormatName(*format))) return amount.value * cost->value();
  }
  return absl::InvalidArgumentError(absl::StrCat("the job has no candidate that is ", amount.times_format,
                                                 " everywhere; give an amount such as \"0.21 GBOPs\"."));
}

}  // namespace

absl::StatusOr<std::vector<v1::Candidate>> FetchCandidates(Connection& connection,
                                                           v1::ListCandidatesRequest query, int64_t limit) {
  query.set_page_size(limit == 0 ? kPageSize : static_cast<int>(std::min<int64_t>(limit, kPageSize)));
  std::vector<v1::Candidate> candidates;
  while (true) {
    const absl::StatusOr<v1::ListCandidatesResponse> page =
        connection.Call(&Connection::Stub::ListCandidates, query);
    if (!page.ok()) return page.status();
    for (const v1::Candidate& candidate : page->candidates()) {
      candidates.push_back(candidate);
      if (limit != 0 && static_cast<int64_t>(candidates.size()) == limit) return candidates;
    }
    if (page->next_page_token().empty()) return candidates;
    query.set_page_token(page->next_page_token());
  }
}

absl::StatusOr<v1::Candidate> PickWithin(const v1::Job& job, const std::vector<v1::Candidate>& candidates,
                                         const std::string& max_cost) {
  const std::string& metric = job.plan().constrained_metric();
  const std::string unit = ConstrainedUnit(job.plan());
  const absl::StatusOr<Amount> amount = ParseAmount(max_cost, unit);
  if (!amount.ok())
    return absl::InvalidArgumentError(absl::StrCat("--max-cost: ", amount.status().message()));
  const absl::StatusOr<double> limit = Resolve(*amount, candidates, metric);
  if (!limit.ok()) return absl::InvalidArgumentError(absl::StrCat("--max-cost: ", limit.status().message()));

  const v1::Candidate* best = nullptr;
  double cheapest = HUGE_VAL;
  const auto rank = [&](const v1::Candidate& candidate) {
    return std::make_tuple(candidate.search().accuracy(), -FindCost(candidate, metric)->value());
  };
  for (const v1::Candidate& candidate : candidates) {
    const v1::Cost* cost = FindCost(candidate, metric);
    if (cost == nullptr || std::isnan(candidate.search().accuracy())) continue;
    cheapest = std::min(cheapest, cost->value());
    if (cost->value() <= *limit && (best == nullptr || rank(candidate) > rank(*best))) best = &candidate;
  }
  if (best != nullptr) return *best;
  if (!std::isfinite(cheapest))
    return absl::FailedPreconditionError(absl::StrCat(job.name(), " has no candidates yet."));
  return absl::FailedPreconditionError(absl::StrCat("no candidate of ", job.name(), " costs at most ",
                                                    CostText(*limit, unit), "; the cheapest costs ",
                                                    CostText(cheapest, unit), "."));
}

}  // namespace precis::client
