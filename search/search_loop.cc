// The search from the first step to the last.
#include "search/search_loop.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "search/bounded_choice.h"
#include "search/controller/reinforce.h"
#include "search/cost/target.h"
#include "search/format_error.h"
#include "search/oracle_session.h"
#include "search/plan_costs.h"
#include "search/reward.h"
#include "search/sample_choice.h"
#include "search/sample_log.h"
#include "search/screening.h"

namespace precis::search {
namespace {

constexpr int64_t kProvisionalIntervals = 8;
constexpr size_t kFreezeSamples = 3;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::vector<int> OptionCounts(const SearchSpace& space) {
  std::vector<int> counts;
  for (const Decision& decision : space.decisions)
    counts.push_back(static_cast<int>(decision.options.size()));
  return counts;
}

// The choices that give `assignment`; none if the space cannot.
std::optional<Choices> ChoicesOf(const SearchSpace& space, const Assignment& assignment) {
  Choices choices;
  for (const Decision& decision : space.decisions) {
    const LayerFormats& wanted = assignment.layers[decision.layers.front()];
    const auto at = std::find(decision.options.begin(), decision.options.end(), wanted);
    if (at == decision.options.end()) return std::nullopt;
    choices.push_back(static_cast<int>(at - decision.options.begin()));
  }
  if (space.Apply(choices) != assignment) return std::nullopt;
  return choices;
}

class SearchRun {
 public:
  SearchRun(const Plan& plan, Oracle& oracle, Controller& controller, SearchSink& sink)
      : plan_(plan),
        oracle_(oracle),
        controller_(controller),
        session_(plan, oracle, sink),
        screening_(plan),
        widest_(plan.space.Apply(screening_.widest())),
        samples_(OptionErrors(plan.space), plan.search_steps),
        progress_(session_.meter.progress) {}

  absl::Status Search();
  absl::Status Freeze();
  absl::Status TrainFrozen();
  absl::Status Finish(const std::string& weights_path);
  const SearchResult& result() const { return result_; }

 private:
  const CostModel& cost_model() const { return *plan_.costs[plan_.constrained]; }
  double AheadOfSearch(int64_t step) const;
  double AheadOfFrozen() const;
  bool TrainsWidest(int64_t step);
  void Learn(const Choices& choices, double cost, double quality);
  absl::Status EvaluateProvisionally();

  Choices MostProbable() const;
  Choices EstimatedBest(double budget) const;
  std::vector<PricedSample> PricedSamples() const;
  bool IsCandidate(const Choices& choices) const {
    return session_.book.Contains(plan_.space.Apply(choices));
  }
  size_t Enter(const Choices& choices, const std::string& label);
  std::vector<size_t> EnterReferences(bool all);
  void EnterSpread();

  const Plan& plan_;
  Oracle& oracle_;
  Controller& controller_;
  OracleSession session_;
  Screening screening_;
  const Assignment widest_;
  double widest_due_ = 0;  // steps at the widest formats that are owed
  SampleLog samples_;
  Progress& progress_;
  double worst_reward_ = kNone;
  double worst_quality_ = kNone;
  // From the freeze on.
  LogEstimate estimate_;
  size_t slots_ = 0;   // sampled candidates still to be chosen
  size_t frozen_ = 0;  // candidate
  SearchResult result_;
};

// Images from the frozen steps to the end; an upper limit, since the candidates are not known yet.
double SearchRun::AheadOfFrozen() const {
  const ProgressMeter& meter = session_.meter;
  const auto references = static_cast<double>(plan_.references.size());
  const auto sampled = static_cast<double>(plan_.spec.finish.sampled_candidates);
  return static_cast<double>(plan_.total_steps - plan_.search_steps) * meter.step_images() +
         (references + sampled + 3) * meter.evaluation_images(false) +
         (references + 2) * meter.evaluation_images(true);
}

double SearchRun::AheadOfSearch(int64_t step) const {
  const ProgressMeter& meter = session_.meter;
  const auto steps = static_cast<double>(plan_.search_steps - step);
  const double provisional =
      plan_.spec.finish.sampled_candidates == 0
          ? 0
          : std::floor(steps * kProvisionalIntervals / static_cast<double>(plan_.search_steps));
  const auto at_freeze = static_cast<double>(plan_.references.size() + 2 + kFreezeSamples);
  const double screening = step <= plan_.warmup_steps ? screening_.Images() : 0;
  return steps * (meter.step_images() + meter.probe_images()) + screening +
         (provisional + at_freeze) * meter.evaluation_images(false) + AheadOfFrozen();
}

// Spreads the widest steps evenly by their share, so that no random stream is needed.
bool SearchRun::TrainsWidest(int64_t step) {
  const ControllerSpec& controller = plan_.spec.controller;
  const double left =
      step < plan_.warmup_steps ? 1 - static_cast<double>(step) / static_cast<double>(plan_.warmup_steps) : 0;
  widest_due_ += controller.widest_share + (controller.widest_probability - controller.widest_share) * left;
  if (widest_due_ < 0.5) return false;
  widest_due_ -= 1;
  return true;
}

void SearchRun::Learn(const Choices& choices, double cost, double quality) {
  double reward = worst_reward_;
  if (std::isfinite(quality)) {
    reward = Reward(plan_.spec.reward, quality, cost, plan_.target);
    worst_reward_ = std::fmin(worst_reward_, reward);
    worst_quality_ = std::fmin(worst_quality_, quality);
  } else {
    quality = worst_quality_;
  }
  controller_.Observe(choices, reward);
  // Uniform samples of a wide space are mostly far from any that a policy would keep, where no sum over
  // layers describes them; with a screening there is better to go by.
  const bool warming = progress_.step <= plan_.warmup_steps && plan_.spec.controller.screening_images > 0;
  if (std::isfinite(quality) && !warming) samples_.Add(progress_.step - 1, choices, quality);
  session_.meter.AddSample(reward, cost);
}

absl::Status SearchRun::Search() {
  if (absl::Status status = session_.Report(); !status.ok()) return status;
  const int64_t interval = (plan_.search_steps + kProvisionalIntervals - 1) / kProvisionalIntervals;
  for (int64_t step = 0; step < plan_.search_steps; ++step) {
    session_.meter.SetAhead(AheadOfSearch(step));
    progress_.phase = step < plan_.warmup_steps ? Phase::kWarmup : Phase::kSearch;
    if (step == plan_.warmup_steps) {
      if (absl::Status status = screening_.Measure(session_); !status.ok()) return status;
      if (!screening_.effects().empty()) controller_.Prefer(screening_.Preferences());
    }

    const Choices choices = controller_.Propose(step);
    const Assignment assignment = plan_.space.Apply(choices);
    const bool widest = TrainsWidest(step);
    const absl::StatusOr<StepOutcome> outcome = session_.Train(widest ? widest_ : assignment);
    if (!outcome.ok()) return outcome.status();
    // The fate of a step at the widest formats says nothing of the sample; a probe does.
    const bool probes = plan_.spec.reward.quality == QualitySource::kSearchAccuracy;
    if (!widest || (probes && outcome->applied)) {
      const absl::StatusOr<double> quality = session_.MeasureQuality(assignment, *outcome);
      if (!quality.ok()) return quality.status();
      Learn(choices, BindingCost(plan_, assignment), *quality);
    }

    const PolicySummary policy = controller_.Summary();
    progress_.mean_entropy = policy.mean_entropy;
    progress_.mean_max_probability = policy.mean_max_probability;
    if (absl::Status status = session_.Report(); !status.ok()) return status;
    const int64_t done = step + 1;
    if (done % interval == 0 && done >= plan_.warmup_steps + interval && done < plan_.search_steps) {
      if (absl::Status status = EvaluateProvisionally(); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

Choices SearchRun::MostProbable() const {
  return MostProbableWithin(plan_, controller_.LogProbabilities(), plan_.target);
}

Choices SearchRun::EstimatedBest(double budget) const {
  return MostProbableWithin(plan_, estimate_.effects, budget);
}

// Takes a third of the slots for sampled candidates at most, so that most remain for those that are known
// better at the end.
absl::Status SearchRun::EvaluateProvisionally() {
  const size_t most = static_cast<size_t>(plan_.spec.finish.sampled_candidates) / 3;
  const Choices choices = MostProbable();
  if (!IsCandidate(choices) && session_.book.size() >= most) return absl::OkStatus();
  return session_.EvaluateStale({Enter(choices, "")});
}

size_t SearchRun::Enter(const Choices& choices, const std::string& label) {
  return session_.book.Enter(plan_.space.Apply(choices), Origin::kSampled, label,
                             samples_.FirstStep(choices));
}

// Those within the target, or all.
std::vector<size_t> SearchRun::EnterReferences(bool all) {
  std::vector<size_t> entered;
  for (const Reference& reference : plan_.references) {
    if (!all && BindingCost(plan_, reference.assignment) > plan_.target) continue;
    const std::optional<Choices> choices = ChoicesOf(plan_.space, reference.assignment);
    entered.push_back(session_.book.Enter(reference.assignment, Origin::kReference, reference.name,
                                          choices.has_value() ? samples_.FirstStep(*choices) : -1));
  }
  return entered;
}

std::vector<PricedSample> SearchRun::PricedSamples() const {
  std::vector<PricedSample> priced;
  priced.reserve(estimate_.samples.size());
  for (const SampleEstimate& sample : estimate_.samples) {
    const Assignment assignment = plan_.space.Apply(sample.choices);
    priced.push_back({BindingCost(plan_, assignment), sample.quality, session_.book.Contains(assignment)});
  }
  return priced;
}

absl::Status SearchRun::Freeze() {
  progress_.phase = Phase::kFreeze;
  result_.policy = controller_.Summary();
  slots_ = static_cast<size_t>(plan_.spec.finish.sampled_candidates) - session_.book.size();
  estimate_ = samples_.Estimate();
  estimate_.effects = screening_.Blend(estimate_);

  std::vector<size_t> list = EnterReferences(false);
  list.push_back(Enter(MostProbable(), "most probable"));
  list.push_back(Enter(EstimatedBest(plan_.target), "estimated best"));
  const std::vector<PricedSample> priced = PricedSamples();
  for (size_t sample : BestWithin(priced, plan_.target, kFreezeSamples)) {
    if (!priced[sample].taken) {
      if (slots_ == 0) continue;
      --slots_;
    }
    list.push_back(Enter(estimate_.samples[sample].choices, ""));
  }

  session_.meter.SetAhead(static_cast<double>(list.size()) * session_.meter.evaluation_images(false) +
                          AheadOfFrozen());
  if (absl::Status status = session_.EvaluateStale(list); !status.ok()) return status;
  frozen_ = session_.book.BestWithinTarget(list);
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
    const Choices choices = EstimatedBest(budget);
    if (IsCandidate(choices)) continue;
    Enter(choices, absl::StrCat("estimated best within ", CostText(cost_model().name(), budget)));
    --slots_;
  }
  for (size_t sample : SpreadOverCosts(PricedSamples(), slots_)) {
    Enter(estimate_.samples[sample].choices, "");
  }
}

absl::Status SearchRun::TrainFrozen() {
  session_.meter.SetAhead(AheadOfFrozen());
  progress_.phase = Phase::kFrozen;
  const Assignment assignment = session_.book[frozen_].assignment;
  for (int64_t step = plan_.search_steps; step < plan_.total_steps; ++step) {
    const absl::StatusOr<StepOutcome> outcome = session_.Train(assignment);
    if (!outcome.ok()) return outcome.status();
    if (absl::Status status = session_.Report(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SearchRun::Finish(const std::string& weights_path) {
  progress_.phase = Phase::kFinish;
  CandidateBook& book = session_.book;
  const std::vector<size_t> references = EnterReferences(true);
  EnterSpread();

  std::vector<size_t> all(book.size());
  std::iota(all.begin(), all.end(), size_t{0});
  const auto stale = static_cast<double>(
      std::count_if(all.begin(), all.end(), [&](size_t index) { return !session_.IsFresh(index); }));
  const ProgressMeter& meter = session_.meter;
  const double tests = static_cast<double>(references.size()) + 1;  // references and float
  session_.meter.SetAhead((stale + 1) * meter.evaluation_images(false) +
                          (tests + 1) * meter.evaluation_images(true));
  if (absl::Status status = session_.EvaluateStale(all); !status.ok()) return status;

  const size_t final = book.BestWithinTarget(all);
  const bool is_reference = book[final].origin == Origin::kReference;
  book[final].origin = Origin::kFinal;
  result_.final_candidate = book[final].number;
  session_.meter.SetAhead(meter.evaluation_images(false) +
                          (tests + (is_reference ? 0 : 1)) * meter.evaluation_images(true));
  for (Split split : {Split::kSearch, Split::kTest}) {
    const absl::StatusOr<Quality> quality = session_.EvaluateFloat(split);
    if (!quality.ok()) return quality.status();
    (split == Split::kSearch ? result_.float_search : result_.float_test) = *quality;
  }
  std::vector<size_t> tested = references;
  if (!is_reference) tested.push_back(final);
  for (size_t index : tested) {
    if (absl::Status status = session_.EvaluateCandidate(index, Split::kTest); !status.ok()) return status;
  }
  result_.rejected_steps = progress_.rejected_steps;
  return oracle_.SaveWeights(book[final].assignment, weights_path);
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

absl::StatusOr<SearchResult> RunSearch(const Plan& plan, Oracle& oracle, Controller& controller,
                                       SearchSink& sink, const std::string& weights_path) {
  SearchRun run(plan, oracle, controller, sink);
  if (absl::Status status = run.Search(); !status.ok()) return status;
  if (absl::Status status = run.Freeze(); !status.ok()) return status;
  if (absl::Status status = run.TrainFrozen(); !status.ok()) return status;
  if (absl::Status status = run.Finish(weights_path); !status.ok()) return status;
  return run.result();
}

absl::StatusOr<SearchResult> RunSearch(const Plan& plan, Oracle& oracle, SearchSink& sink,
                                       const std::string& weights_path) {
  ReinforceOptions options;
  options.spec = plan.spec.controller;
  options.warmup_steps = plan.warmup_steps;
  options.search_steps = plan.search_steps;
  options.seed = plan.spec.seed;
  ReinforceController controller(OptionCounts(plan.space), options);
  return RunSearch(plan, oracle, controller, sink, weights_path);
}

}  // namespace precis::search
