// Fetching candidates and picking within a budget.
#include "client/candidate_list.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/units.h"
#include "client/utf8.h"
#include "supernet/formats/did_you_mean.h"
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
                                                 " everywhere; give an amount, in a unit."));
}

double CostOf(const v1::Candidate& candidate, const std::string& metric) {
  const v1::Cost* cost = FindCost(candidate, metric);
  return cost == nullptr ? HUGE_VAL : cost->value();
}

const CostCeiling* FindCeiling(const std::vector<CostCeiling>& ceilings, const std::string& metric) {
  const auto found = std::find_if(ceilings.begin(), ceilings.end(),
                                  [&](const CostCeiling& each) { return each.metric == metric; });
  return found == ceilings.end() ? nullptr : &*found;
}

bool KeepsOtherLimits(const v1::Candidate& candidate, const v1::Plan& plan,
                      const std::vector<CostCeiling>& ceilings) {
  return std::all_of(plan.costs().begin(), plan.costs().end(), [&](const v1::CostMetric& metric) {
    const bool replaced =
        metric.name() == plan.constrained_metric() || FindCeiling(ceilings, metric.name()) != nullptr;
    return replaced || !metric.has_at_most() || CostOf(candidate, metric.name()) <= metric.at_most();
  });
}

absl::StatusOr<CostCeiling> ParseCeiling(const v1::Job& job, const std::vector<v1::Candidate>& candidates,
                                         const std::string& metric, const std::string& text) {
  std::vector<std::string> names;
  for (const v1::CostMetric& each : job.plan().costs()) {
    names.push_back(each.name());
    if (each.name() != metric) continue;
    const absl::StatusOr<Amount> amount = ParseAmount(text, each.unit());
    if (!amount.ok()) return amount.status();
    const absl::StatusOr<double> limit = Resolve(*amount, candidates, metric);
    if (!limit.ok()) return limit.status();
    return CostCeiling{metric, each.unit(), *limit};
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", Printable(metric),
                                                 "\" is not a metric of this job: use one of ",
                                                 absl::StrJoin(names, ", "), ".", DidYouMean(metric, names)));
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

absl::StatusOr<std::vector<CostCeiling>> ParseCeilings(const v1::Job& job,
                                                       const std::vector<v1::Candidate>& candidates,
                                                       const std::vector<std::string>& texts) {
  std::vector<CostCeiling> ceilings;
  std::vector<std::string> faults;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    const std::string metric = equals == std::string::npos
                                   ? job.plan().constrained_metric()
                                   : std::string(absl::StripAsciiWhitespace(text.substr(0, equals)));
    const absl::StatusOr<CostCeiling> ceiling =
        ParseCeiling(job, candidates, metric, equals == std::string::npos ? text : text.substr(equals + 1));
    if (!ceiling.ok()) {
      faults.push_back(absl::StrCat("--max-cost: ", ceiling.status().message()));
    } else if (FindCeiling(ceilings, metric) != nullptr) {
      faults.push_back(absl::StrCat("--max-cost: ", metric, " is given twice: give one amount a metric."));
    } else {
      ceilings.push_back(*ceiling);
    }
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  return ceilings;
}

absl::StatusOr<v1::Candidate> PickWithin(const v1::Job& job, const std::vector<v1::Candidate>& candidates,
                                         const std::vector<CostCeiling>& ceilings) {
  const v1::Candidate* best = nullptr;
  std::vector<double> cheapest(ceilings.size(), HUGE_VAL);
  const auto rank = [&](const v1::Candidate& candidate) {
    const double loss = candidate.search().loss();
    return std::make_tuple(candidate.search().accuracy(), std::isnan(loss) ? -HUGE_VAL : -loss,
                           -CostOf(candidate, ceilings.front().metric));
  };
  for (const v1::Candidate& candidate : candidates) {
    if (std::isnan(candidate.search().accuracy()) || !KeepsOtherLimits(candidate, job.plan(), ceilings))
      continue;
    bool within = true;
    for (size_t i = 0; i < ceilings.size(); ++i) {
      const double cost = CostOf(candidate, ceilings[i].metric);
      cheapest[i] = std::min(cheapest[i], cost);
      within = within && cost <= ceilings[i].at_most;
    }
    if (within && (best == nullptr || rank(candidate) > rank(*best))) best = &candidate;
  }
  if (best != nullptr) return *best;
  if (candidates.empty())
    return absl::FailedPreconditionError(absl::StrCat(job.name(), " has no candidates yet."));
  if (!std::isfinite(cheapest.front()))
    return absl::FailedPreconditionError(
        absl::StrCat("no candidate of ", job.name(), " keeps the job's other limits."));
  std::vector<std::string> asked, least;
  for (size_t i = 0; i < ceilings.size(); ++i) {
    const std::string of = ceilings.size() == 1 ? "" : absl::StrCat(ceilings[i].metric, " ");
    asked.push_back(absl::StrCat(of, CostText(ceilings[i].at_most, ceilings[i].unit)));
    least.push_back(absl::StrCat(of, CostText(cheapest[i], ceilings[i].unit)));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no candidate of ", job.name(), " costs at most ", absl::StrJoin(asked, " and "), "; the cheapest ",
      ceilings.size() == 1 ? "costs " : "in each costs ", absl::StrJoin(least, ", "), "."));
}

}  // namespace precis::client
