// The search from the first step to the last.
#include "search/search_loop.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "search/cost/target.h"
#include "search/oracle_session.h"
#include "search/plan_costs.h"
#include "search/trunk.h"
#include "search/work.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

class SearchRun {
 public:
  SearchRun(const Plan& plan, Oracle& oracle, Controller* controller, SearchSink& sink,
            const std::string& weights_path)
      : plan_(plan),
        oracle_(oracle),
        session_(plan, oracle, sink),
        trunk_(plan, session_, controller),
        progress_(session_.meter.progress),
        weights_path_(weights_path) {}

  absl::Status Search();
  absl::Status Leg(size_t target);
  absl::Status Finish();
  SearchResult result() const;

 private:
  const CostModel& cost_model() const { return *plan_.costs[plan_.constrained]; }
  bool HasManyTargets() const { return plan_.targets.size() > 1; }
  double AheadOfLeg(size_t target) const { return PassesAfterFreeze(plan_, target, progress_.step); }
  absl::Status EvaluateProvisionally();

  bool IsCandidate(const Choices& choices) const {
    return session_.book.Contains(plan_.space.Apply(choices));
  }
  size_t Enter(const Choices& choices, const std::string& label);
  std::vector<size_t> EnterReferences(double budget, size_t most);
  std::vector<size_t> EnterProposals(size_t target);
  std::vector<size_t> WithoutAnswers(const std::vector<size_t>& indices) const;
  void EnterSpread();
  absl::Status FinishLeg(size_t target, size_t frozen, const std::vector<size_t>& compared);
  absl::Status EvaluateFloat(const Architecture& architecture);

  const Plan& plan_;
  Oracle& oracle_;
  OracleSession session_;
  Trunk trunk_;
  Progress& progress_;
  const std::string weights_path_;
  size_t slots_ = 0;            // sampled candidates still to be chosen, from the freeze on
  std::vector<size_t> finals_;  // candidates, by target
  SearchResult result_;
};

absl::Status SearchRun::Search() {
  if (absl::Status status = session_.Report(); !status.ok()) return status;
  const int64_t interval = (plan_.search_steps + kProvisionalIntervals - 1) / kProvisionalIntervals;
  for (int64_t step = 0; step < plan_.search_steps; ++step) {
    session_.meter.SetAhead(PassesToFreeze(plan_, step) + PassesAfterFreeze(plan_, 0, plan_.search_steps));
    progress_.phase = step < plan_.warmup_steps ? Phase::kWarmup : Phase::kSearch;
    if (absl::Status status = trunk_.Step(step); !status.ok()) return status;
    const int64_t done = step + 1;
    if (done % interval == 0 && done >= plan_.warmup_steps + interval && done < plan_.search_steps) {
      if (absl::Status status = EvaluateProvisionally(); !status.ok()) return status;
    }
  }
  progress_.phase = Phase::kFreeze;
  if (plan_.search_steps == 0) {
    session_.meter.SetAhead(PassesToFreeze(plan_, 0) + PassesAfterFreeze(plan_, 0, 0));
  }
  result_.policy = trunk_.Summary();
  if (absl::Status status = trunk_.Conclude(); !status.ok()) return status;
  slots_ = static_cast<size_t>(plan_.spec.finish.sampled_candidates) - session_.book.size();
  return absl::OkStatus();
}

// Takes a third of the slots for sampled candidates at most, so that most remain for those that are known
// better at the end.
absl::Status SearchRun::EvaluateProvisionally() {
  const size_t most = static_cast<size_t>(plan_.spec.finish.sampled_candidates) / 3;
  const std::optional<Choices> choices = trunk_.Best(0);
  if (!choices.has_value()) return absl::OkStatus();
  if (!IsCandidate(*choices) && session_.book.size() >= most) return absl::OkStatus();
  return session_.EvaluateStale({Enter(*choices, "")});
}

size_t SearchRun::Enter(const Choices& choices, const std::string& label) {
  return session_.book.Enter(plan_.space.Apply(choices), Origin::kSampled, label, trunk_.FirstStep(choices));
}

// The `most` dearest of those within the budget, in the plan's order.
std::vector<size_t> SearchRun::EnterReferences(double budget, size_t most) {
  std::vector<double> costs;
  for (const Reference& reference : plan_.references) {
    const double cost = BindingCost(plan_, reference.assignment, budget);
    if (cost <= budget) costs.push_back(cost);
  }
  std::sort(costs.rbegin(), costs.rend());
  const double least = costs.size() > most ? costs[most - 1] : 0;
  std::vector<size_t> entered;
  for (const Reference& reference : plan_.references) {
    const double cost = BindingCost(plan_, reference.assignment, budget);
    if (cost > budget || cost < least) continue;
    const std::optional<Choices> choices = plan_.space.ChoicesOf(reference.assignment);
    entered.push_back(session_.book.Enter(reference.assignment, Origin::kReference, reference.name,
                                          choices.has_value() ? trunk_.FirstStep(*choices) : -1));
  }
  return entered;
}

std::vector<size_t> SearchRun::EnterProposals(size_t target) {
  std::vector<size_t> entered;
  const std::string suffix = HasManyTargets() ? absl::StrCat(" within ", plan_.target_texts[target]) : "";
  for (const Proposal& proposal : trunk_.Proposals(target, HasManyTargets() ? 0 : kFreezeSamples)) {
    if (proposal.label.empty() && !IsCandidate(proposal.choices)) {
      if (slots_ == 0) continue;
      --slots_;
    }
    entered.push_back(Enter(proposal.choices, proposal.label.empty() ? "" : proposal.label + suffix));
  }
  return entered;
}

// Answers of other targets stand as they were measured, under their own weights.
std::vector<size_t> SearchRun::WithoutAnswers(const std::vector<size_t>& indices) const {
  std::vector<size_t> open;
  std::copy_if(indices.begin(), indices.end(), std::back_inserter(open),
               [&](size_t index) { return session_.book[index].origin != Origin::kFinal; });
  return open;
}

// Freezes the best that is known within a target, trains it, and takes the best under the weights it then
// has.
absl::Status SearchRun::Leg(size_t target) {
  progress_.phase = Phase::kFreeze;
  session_.meter.SetAhead(AheadOfLeg(target));
  const double budget = plan_.targets[target];
  std::vector<size_t> list = EnterReferences(budget, HasManyTargets() ? kLegReferences : SIZE_MAX);
  for (size_t proposal : EnterProposals(target)) list.push_back(proposal);
  PRECIS_CHECK(!list.empty());
  session_.meter.SetAhead(static_cast<double>(list.size()) * session_.meter.evaluation_images(false) +
                          AheadOfLeg(target));
  const std::vector<size_t> open = WithoutAnswers(list);
  if (absl::Status status = session_.EvaluateStale(open); !status.ok()) return status;
  const size_t frozen = session_.book.BestWithin(open.empty() ? list : open, budget);

  progress_.phase = Phase::kFrozen;
  const Assignment assignment = session_.book[frozen].assignment;
  session_.meter.SetAhead(AheadOfLeg(target));
  for (int64_t step = progress_.step; step < plan_.LegEnd(target); ++step) {
    const absl::StatusOr<StepOutcome> outcome = session_.Train(assignment);
    if (!outcome.ok()) return outcome.status();
    if (absl::Status status = session_.Report(); !status.ok()) return status;
  }
  if (!HasManyTargets()) return absl::OkStatus();
  return FinishLeg(target, frozen, list);
}

// One of many targets: its answer is tested and its weights are kept.
absl::Status SearchRun::FinishLeg(size_t target, size_t frozen, const std::vector<size_t>& compared) {
  progress_.phase = Phase::kFinish;
  CandidateBook& book = session_.book;
  // What was compared with it at the freeze was not trained since; an earlier answer stands as it was
  // measured.
  std::vector<size_t> answers = {frozen};
  std::copy_if(compared.begin(), compared.end(), std::back_inserter(answers),
               [&](size_t index) { return book[index].origin == Origin::kFinal; });
  if (absl::Status status = session_.EvaluateStale(WithoutAnswers(answers)); !status.ok()) return status;
  const size_t best = book.BestWithin(answers, plan_.targets[target]);
  finals_.push_back(best);
  if (target == 0) {
    if (absl::Status status = EvaluateFloat(book[best].assignment.architecture); !status.ok()) return status;
  }
  if (book[best].origin == Origin::kFinal) return absl::OkStatus();
  book[best].origin = Origin::kFinal;
  book[best].label = absl::StrCat("answer within ", plan_.target_texts[target]);
  if (absl::Status status = session_.EvaluateCandidate(best, Split::kTest); !status.ok()) return status;
  return oracle_.SaveWeights(book[best].assignment, AnswerWeightsPath(weights_path_, book[best].number));
}

absl::Status SearchRun::EvaluateFloat(const Architecture& architecture) {
  for (Split split : {Split::kSearch, Split::kTest}) {
    const absl::StatusOr<Quality> quality = session_.EvaluateFloat(architecture, split);
    if (!quality.ok()) return quality.status();
    (split == Split::kSearch ? result_.float_search : result_.float_test) = *quality;
  }
  return absl::OkStatus();
}

// Fills the slots that are left: half with what the estimate holds best within budgets spread by equal ratios
// between the cheapest and the dearest, the rest with samples.
void SearchRun::EnterSpread() {
  const size_t budgets = (slots_ + 1) / 2;
  const double ratio = plan_.dearest / plan_.cheapest;
  for (size_t i = 1; i <= budgets; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(budgets + 1);
    const double budget = plan_.cheapest * std::pow(ratio, share);
    const std::optional<Choices> choices = trunk_.EstimatedBest(budget);
    if (!choices.has_value() || IsCandidate(*choices)) continue;
    Enter(*choices, absl::StrCat("estimated best within ", CostText(cost_model(), budget)));
    --slots_;
  }
  for (size_t sample : SpreadOverCosts(trunk_.PricedSamples(plan_.target), slots_))
    Enter(trunk_.Sample(sample), "");
}

// All that is no answer yet is measured under the final weights. Of one target the answer is among it.
absl::Status SearchRun::Finish() {
  progress_.phase = Phase::kFinish;
  CandidateBook& book = session_.book;
  const ProgressMeter& meter = session_.meter;
  std::vector<size_t> tested;
  if (!HasManyTargets()) {
    tested = EnterReferences(std::numeric_limits<double>::infinity(), SIZE_MAX);
    EnterSpread();
  }
  std::vector<size_t> open;
  for (size_t index = 0; index < book.size(); ++index) {
    if (book[index].origin != Origin::kFinal) open.push_back(index);
  }
  const auto stale = static_cast<double>(
      std::count_if(open.begin(), open.end(), [&](size_t index) { return !session_.IsFresh(index); }));
  const auto tests = static_cast<double>(tested.size()) + 2;  // and the answer and float
  if (HasManyTargets()) {
    session_.meter.SetAhead(stale * meter.evaluation_images(false));
    if (absl::Status status = session_.EvaluateStale(open); !status.ok()) return status;
    session_.meter.Done(0);
    if (absl::Status status = session_.Report(); !status.ok()) return status;
    return oracle_.SaveWeights(book[finals_.back()].assignment, weights_path_);
  }
  session_.meter.SetAhead((stale + 1) * meter.evaluation_images(false) +
                          tests * meter.evaluation_images(true));
  if (absl::Status status = session_.EvaluateStale(open); !status.ok()) return status;

  const size_t final = book.BestWithin(open, plan_.target);
  const bool is_reference = book[final].origin == Origin::kReference;
  book[final].origin = Origin::kFinal;
  finals_.push_back(final);
  if (is_reference)
    session_.meter.SetAhead(meter.evaluation_images(false) + (tests - 1) * meter.evaluation_images(true));
  if (absl::Status status = EvaluateFloat(book[final].assignment.architecture); !status.ok()) return status;
  if (!is_reference) tested.push_back(final);
  for (size_t index : tested) {
    if (absl::Status status = session_.EvaluateCandidate(index, Split::kTest); !status.ok()) return status;
  }
  return oracle_.SaveWeights(book[final].assignment, weights_path_);
}

SearchResult SearchRun::result() const {
  SearchResult result = result_;
  result.final_candidate = session_.book[session_.book.BestWithin(finals_, plan_.target)].number;
  result.rejected_steps = progress_.rejected_steps;
  result.images_trained = session_.meter.images_trained;
  result.images_evaluated = session_.meter.images_evaluated;
  result.loader_wait_share = session_.data_report().loader_wait_share;
  result.skipped_images = session_.data_report().skipped_images;
  return result;
}

}  // namespace

const char* PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kPrepare:
      return "prepare";
    case Phase::kWarmup:
      return "warmup";
    case Phase::kSearch:
      return "search";
    case Phase::kFreeze:
      return "freeze";
    case Phase::kFrozen:
      return "frozen";
    case Phase::kFinish:
      return "finish";
  }
  return "unknown";
}

std::string AnswerWeightsPath(const std::string& weights_path, int64_t number) {
  const std::string suffix = ".safetensors";
  const bool has_suffix = absl::EndsWith(weights_path, suffix);
  return absl::StrCat(weights_path.substr(0, weights_path.size() - (has_suffix ? suffix.size() : 0)),
                      "-candidate", number, has_suffix ? suffix : "");
}

namespace {

absl::StatusOr<SearchResult> Run(SearchRun run, const Plan& plan) {
  if (absl::Status status = run.Search(); !status.ok()) return status;
  for (size_t target = 0; target < plan.targets.size(); ++target) {
    if (absl::Status status = run.Leg(target); !status.ok()) return status;
  }
  if (absl::Status status = run.Finish(); !status.ok()) return status;
  return run.result();
}

}  // namespace

absl::StatusOr<SearchResult> RunSearch(const Plan& plan, Oracle& oracle, Controller& controller,
                                       SearchSink& sink, const std::string& weights_path) {
  return Run(SearchRun(plan, oracle, &controller, sink, weights_path), plan);
}

absl::StatusOr<SearchResult> RunSearch(const Plan& plan, Oracle& oracle, SearchSink& sink,
                                       const std::string& weights_path) {
  return Run(SearchRun(plan, oracle, nullptr, sink, weights_path), plan);
}

}  // namespace precis::search
