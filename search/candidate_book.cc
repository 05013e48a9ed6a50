// Numbers, prices and compares candidates.
#include "search/candidate_book.h"

#include <cmath>
#include <limits>

#include "search/plan_costs.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double OrWorst(double value, double worst) { return std::isnan(value) ? worst : value; }

}  // namespace

size_t CandidateBook::Enter(const Assignment& assignment, Origin origin, const std::string& label,
                            int64_t sampled_at) {
  const auto [at, is_new] = by_text_.emplace(AssignmentText(assignment), candidates_.size());
  if (!is_new) {
    Candidate& known = candidates_[at->second];
    const bool is_news = origin == Origin::kReference && known.origin == Origin::kSampled;
    if (is_news) known.origin = origin;
    if (is_news || known.label.empty()) known.label = label;
    if (known.sampled_at < 0) known.sampled_at = sampled_at;
    return at->second;
  }
  Candidate candidate;
  candidate.number = static_cast<int64_t>(candidates_.size()) + 1;
  candidate.assignment = assignment;
  candidate.origin = origin;
  candidate.label = label;
  candidate.sampled_at = sampled_at;
  for (const auto& cost : plan_.costs) candidate.costs.push_back(TotalCost(*cost, assignment));
  candidate.feasible = IsWithinLimits(plan_, candidate.costs);
  candidates_.push_back(std::move(candidate));
  return candidates_.size() - 1;
}

bool CandidateBook::Contains(const Assignment& assignment) const {
  return by_text_.contains(AssignmentText(assignment));
}

bool CandidateBook::Better(const Candidate& a, const Candidate& b) const {
  const double accuracy_a = OrWorst(a.search.accuracy, -kInfinity);
  const double accuracy_b = OrWorst(b.search.accuracy, -kInfinity);
  if (accuracy_a != accuracy_b) return accuracy_a > accuracy_b;
  const double loss_a = OrWorst(a.search.loss, kInfinity);
  const double loss_b = OrWorst(b.search.loss, kInfinity);
  if (loss_a != loss_b) return loss_a < loss_b;
  if (a.costs[plan_.constrained] != b.costs[plan_.constrained]) {
    return a.costs[plan_.constrained] < b.costs[plan_.constrained];
  }
  return a.number < b.number;
}

size_t CandidateBook::BestWithin(const std::vector<size_t>& among, double budget) const {
  size_t best = candidates_.size();
  for (size_t index : among) {
    const Candidate& candidate = candidates_[index];
    if (!candidate.feasible || candidate.costs[plan_.constrained] > budget) continue;
    if (best == candidates_.size() || Better(candidates_[index], candidates_[best])) best = index;
  }
  PRECIS_CHECK(best < candidates_.size());
  return best;
}

}  // namespace precis::search
