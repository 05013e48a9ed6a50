// What a step trains, and what is learned from it.
#include "search/trunk.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "search/anchors.h"
#include "search/bounded_choice.h"
#include "search/controller/evolution.h"
#include "search/controller/random.h"
#include "search/controller/reinforce.h"
#include "search/effects.h"
#include "search/format_error.h"
#include "search/plan_costs.h"
#include "search/reward.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

// Of so many steps at the widest formats one trains the largest architecture, one the smallest, and the
// others random ones.
constexpr int64_t kSandwich = 4;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Of an architecture's option its index, which tells the order.
CostTable CostsOf(const Plan& plan) {
  CostTable costs;
  for (const Decision& decision : plan.space.decisions) {
    costs.emplace_back();
    for (size_t o = 0; o < decision.variants.size(); ++o) costs.back().push_back(static_cast<double>(o));
    for (size_t o = 0; o < decision.options.size(); ++o) {
      costs.back().push_back(OptionCost(*plan.costs[plan.constrained], decision, o));
    }
  }
  return costs;
}

TotalCostOf TotalOf(const Plan& plan) {
  if (plan.network == nullptr) return {};
  return [&plan](const Choices& choices) {
    return TotalCost(*plan.costs[plan.constrained], plan.space.Apply(choices));
  };
}

std::unique_ptr<Controller> MakeController(const Plan& plan, size_t target) {
  const uint64_t seed = plan.spec.seed + target;
  switch (plan.spec.controller.algorithm) {
    case Algorithm::kRandom:
      return std::make_unique<RandomController>(CostsOf(plan), plan.targets, seed, TotalOf(plan));
    case Algorithm::kEvolution:
      return std::make_unique<EvolutionController>(CostsOf(plan), plan.targets, seed, TotalOf(plan));
    default:
      break;
  }
  std::vector<int> counts;
  for (const Decision& decision : plan.space.decisions) {
    counts.push_back(static_cast<int>(decision.size()));
  }
  return std::make_unique<ReinforceController>(
      counts, ReinforceOptions{plan.spec.controller, plan.warmup_steps, plan.search_steps, seed});
}

}  // namespace

Trunk::Trunk(const Plan& plan, OracleSession& session, Controller* controller)
    : plan_(plan),
      session_(session),
      family_(FamilyOf(plan.spec.controller.algorithm)),
      screening_(plan),
      samples_(OptionErrors(plan.space), plan.search_steps),
      generator_(plan.spec.seed ^ 0x5bd1e995),
      worst_reward_(kNone),
      worst_quality_(kNone) {
  // One population serves all targets.
  const size_t count = family_ == Family::kPolicy ? plan.targets.size() : 1;
  for (size_t t = 0; t < count; ++t) {
    if (t == 0 && controller != nullptr) {
      controllers_.push_back(controller);
      continue;
    }
    owned_.push_back(MakeController(plan, t));
    controllers_.push_back(owned_.back().get());
  }
}

absl::Status Trunk::Step(int64_t step) {
  switch (family_) {
    case Family::kPolicy:
      return PolicyStep(step);
    case Family::kAnswers:
      return AnswersStep(step);
    case Family::kPopulation:
      return PopulationStep(step);
  }
  return absl::OkStatus();
}

// Spreads the widest steps evenly by their share, so that no random stream is needed.
bool Trunk::TrainsWidest(int64_t step) {
  const ControllerSpec& controller = plan_.spec.controller;
  const double left =
      step < plan_.warmup_steps ? 1 - static_cast<double>(step) / static_cast<double>(plan_.warmup_steps) : 0;
  widest_due_ += controller.widest_share + (controller.widest_probability - controller.widest_share) * left;
  if (widest_due_ < 0.5) return false;
  widest_due_ -= 1;
  return true;
}

Assignment Trunk::Widest(int64_t step) {
  if (plan_.network == nullptr) return plan_.space.Apply(screening_.widest());
  Choices choices = screening_.widest();
  const auto kind = step % kSandwich;
  for (size_t d = 0; d < choices.size(); ++d) {
    const Decision& decision = plan_.space.decisions[d];
    if (!decision.IsArchitecture() || kind == 0) continue;
    choices[d] = kind == 1 ? 0 : static_cast<int>(UniformIndex(decision.size(), generator_));
  }
  return plan_.space.Apply(choices);
}

void Trunk::Learn(Controller& controller, const Choices& choices, double cost, double quality) {
  double reward = worst_reward_;
  const size_t target = static_cast<size_t>(std::find(controllers_.begin(), controllers_.end(), &controller) -
                                            controllers_.begin());
  if (std::isfinite(quality)) {
    reward = Reward(plan_.spec.reward, quality, cost, plan_.targets[target]);
    worst_reward_ = std::fmin(worst_reward_, reward);
    worst_quality_ = std::fmin(worst_quality_, quality);
  } else {
    quality = worst_quality_;
  }
  controller.Observe(choices, reward);
  // Uniform samples of a wide space are mostly far from any that a policy would keep, where no sum over
  // layers describes them; with a screening there is better to go by.
  const int64_t step = session_.meter.progress.step;
  const bool warming = step <= plan_.warmup_steps && plan_.spec.controller.screening_images > 0;
  if (std::isfinite(quality) && !warming) samples_.Add(step - 1, choices, quality);
  session_.meter.AddSample(reward, cost);
}

absl::Status Trunk::PolicyStep(int64_t step) {
  Progress& progress = session_.meter.progress;
  if (step == plan_.warmup_steps) {
    if (absl::Status status = screening_.Measure(session_); !status.ok()) return status;
    for (Controller* each : controllers_) {
      if (!screening_.effects().empty()) each->Prefer(screening_.Preferences());
    }
  }
  Controller& controller = *controllers_[static_cast<size_t>(step) % controllers_.size()];
  const Choices choices = controller.Propose(step);
  const Assignment assignment = plan_.space.Apply(choices);
  const bool widest = TrainsWidest(step);
  const absl::StatusOr<StepOutcome> outcome = session_.Train(widest ? Widest(step) : assignment);
  if (!outcome.ok()) return outcome.status();
  // The fate of a step at the widest formats says nothing of the sample; a probe does.
  const bool probes = plan_.spec.reward.quality == QualitySource::kSearchAccuracy;
  if (!widest || (probes && outcome->applied)) {
    const absl::StatusOr<double> quality = session_.MeasureQuality(assignment, *outcome);
    if (!quality.ok()) return quality.status();
    const double target = plan_.targets[static_cast<size_t>(step) % controllers_.size()];
    Learn(controller, choices, BindingCost(plan_, assignment, target), *quality);
  }
  const PolicySummary policy = Summary();
  progress.mean_entropy = policy.mean_entropy;
  progress.mean_max_probability = policy.mean_max_probability;
  return session_.Report();
}

// The answers of all targets from what has been screened, or the uniform ones.
absl::Status Trunk::Answer() {
  if (algorithm() == Algorithm::kUniform) {
    for (double target : plan_.targets) {
      const Reference* best = nullptr;
      double most = 0;
      for (const Reference& reference : plan_.references) {
        const double cost = BindingCost(plan_, reference.assignment, target);
        const bool is_uniform = reference.name.rfind("uniform", 0) == 0;
        if (!is_uniform || cost > target || (best != nullptr && cost <= most)) continue;
        best = &reference;
        most = cost;
      }
      // Where no uniform one fits, the cheapest of all is all there is.
      answers_.push_back(best == nullptr
                             ? MostProbableWithin(plan_, EqualLogProbabilities(CostsOf(plan_)), target)
                             : *plan_.space.ChoicesOf(best->assignment));
    }
    return absl::OkStatus();
  }
  if (absl::Status status = screening_.Measure(session_); !status.ok()) return status;
  const Effects effects = SmoothedEffects(
      plan_.space, cost_model(),
      screening_.effects().empty() ? EqualLogProbabilities(CostsOf(plan_)) : screening_.effects());
  for (double target : plan_.targets) {
    answers_.push_back(MostProbableWithin(plan_, effects, target));
  }
  refinement_.emplace(plan_, effects);
  if (plan_.network == nullptr || algorithm() != Algorithm::kPrecis || screening_.effects().empty()) {
    return absl::OkStatus();
  }
  for (size_t target = 0; target < plan_.targets.size(); ++target) {
    absl::StatusOr<Choices> anchor =
        BestAnchor(plan_, session_, effects, answers_[target], plan_.targets[target], generator_);
    if (!anchor.ok()) return anchor.status();
    answers_[target] = *std::move(anchor);
  }
  return Refine();
}

bool Trunk::RefinesAfter(int64_t step) const {
  const int64_t rounds = plan_.spec.controller.refinements;
  const int64_t steps = plan_.search_steps - plan_.warmup_steps;
  const int64_t done = step + 1 - plan_.warmup_steps;
  return rounds > 0 && done > 0 && done * rounds / steps > (done - 1) * rounds / steps;
}

absl::Status Trunk::AnswersStep(int64_t step) {
  const bool only_widest = algorithm() == Algorithm::kSensitivity;
  if (step == plan_.warmup_steps && !only_widest) {
    if (absl::Status status = Answer(); !status.ok()) return status;
  }
  const bool widest = only_widest || step < plan_.warmup_steps;
  const size_t turn = static_cast<size_t>(step - plan_.warmup_steps) % plan_.targets.size();
  const Assignment assignment = widest ? Widest(step) : plan_.space.Apply(answers_[turn]);
  const absl::StatusOr<StepOutcome> outcome = session_.Train(assignment);
  if (!outcome.ok()) return outcome.status();
  if (outcome->applied && !widest) {
    // There is no reward; the loss and the cost of what is trained say how it goes.
    session_.meter.AddSample(-outcome->loss, TotalCost(cost_model(), assignment));
  }
  if (absl::Status status = session_.Report(); !status.ok()) return status;
  if (algorithm() != Algorithm::kPrecis || !RefinesAfter(step)) return absl::OkStatus();
  return Refine();
}

absl::Status Trunk::Refine() {
  if (plan_.spec.controller.screening_images == 0) return absl::OkStatus();
  for (size_t target = 0; target < plan_.targets.size(); ++target) {
    absl::StatusOr<Choices> better = refinement_->Improve(session_, answers_[target], plan_.targets[target]);
    if (!better.ok()) return better.status();
    answers_[target] = *std::move(better);
  }
  return absl::OkStatus();
}

absl::Status Trunk::PopulationStep(int64_t step) {
  Choices choices;
  for (const Decision& decision : plan_.space.decisions) {
    choices.push_back(static_cast<int>(UniformIndex(decision.size(), generator_)));
  }
  const Assignment assignment = TrainsWidest(step) ? Widest(step) : plan_.space.Apply(choices);
  const absl::StatusOr<StepOutcome> outcome = session_.Train(assignment);
  if (!outcome.ok()) return outcome.status();
  return session_.Report();
}

absl::Status Trunk::MeasurePopulation() {
  const int64_t images = plan_.spec.controller.screening_images;
  for (int64_t i = 0; images > 0 && i < Evaluations(plan_); ++i) {
    const Choices choices = controllers_.front()->Propose(i);
    const Assignment assignment = plan_.space.Apply(choices);
    const absl::StatusOr<double> quality = session_.Screen(assignment, images);
    if (!quality.ok()) return quality.status();
    controllers_.front()->Observe(choices, *quality);
    measured_.push_back({choices, *quality});
    if (absl::Status status = session_.Report(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Trunk::Conclude() {
  if (family_ == Family::kPopulation) return MeasurePopulation();
  if (family_ == Family::kAnswers && answers_.empty()) {
    if (absl::Status status = Answer(); !status.ok()) return status;
    // Without steps there are no intervals for refinements.
    const bool refines = algorithm() == Algorithm::kPrecis && plan_.search_steps == 0;
    for (int64_t i = 0; refines && i < plan_.spec.controller.refinements; ++i) {
      if (absl::Status status = Refine(); !status.ok()) return status;
    }
  }
  if (family_ == Family::kPolicy) {
    estimate_ = samples_.Estimate();
    estimate_.effects = screening_.Blend(estimate_);
  }
  return absl::OkStatus();
}

std::optional<Choices> Trunk::Best(size_t target) const {
  const double budget = plan_.targets[target];
  if (family_ == Family::kPolicy) {
    return MostProbableWithin(plan_, controllers_[target]->LogProbabilities(), budget);
  }
  if (family_ == Family::kAnswers) {
    return answers_.empty() ? std::nullopt : std::optional<Choices>(answers_[target]);
  }
  const Measured* best = nullptr;
  for (const Measured& each : measured_) {
    if (BindingCost(plan_, plan_.space.Apply(each.choices), budget) > budget) continue;
    if (best == nullptr || each.quality > best->quality) best = &each;
  }
  return best == nullptr ? std::nullopt : std::optional<Choices>(best->choices);
}

std::vector<Proposal> Trunk::Proposals(size_t target, size_t samples) const {
  std::vector<Proposal> proposals;
  const double budget = plan_.targets[target];
  if (const std::optional<Choices> best = Best(target)) {
    proposals.push_back({*best, family_ == Family::kPolicy ? "most probable" : "best found"});
  }
  if (const std::optional<Choices> estimated = EstimatedBest(budget)) {
    proposals.push_back({*estimated, "estimated best"});
  }
  if (proposals.empty()) {
    // Nothing that was measured fits.
    proposals.push_back(
        {MostProbableWithin(plan_, EqualLogProbabilities(CostsOf(plan_)), budget), "cheapest"});
  }
  const std::vector<PricedSample> priced = PricedSamples(budget);
  for (size_t sample : BestWithin(priced, budget, samples)) proposals.push_back({Sample(sample), ""});
  return proposals;
}

std::optional<Choices> Trunk::EstimatedBest(double budget) const {
  if (family_ == Family::kPolicy) {
    return MostProbableWithin(plan_, estimate_.effects, budget);
  }
  if (!refinement_.has_value()) return std::nullopt;
  return MostProbableWithin(plan_, refinement_->effects(), budget);
}

std::vector<PricedSample> Trunk::PricedSamples(double budget) const {
  std::vector<PricedSample> priced;
  priced.reserve(estimate_.samples.size());
  for (const SampleEstimate& sample : estimate_.samples) {
    const Assignment assignment = plan_.space.Apply(sample.choices);
    priced.push_back(
        {BindingCost(plan_, assignment, budget), sample.quality, session_.book.Contains(assignment)});
  }
  return priced;
}

PolicySummary Trunk::Summary() const {
  PolicySummary mean;
  for (const Controller* each : controllers_) {
    const PolicySummary one = each->Summary();
    mean.mean_entropy += one.mean_entropy / static_cast<double>(controllers_.size());
    mean.mean_max_probability += one.mean_max_probability / static_cast<double>(controllers_.size());
  }
  if (family_ == Family::kAnswers && !answers_.empty()) return {.mean_entropy = 0, .mean_max_probability = 1};
  return mean;
}

}  // namespace precis::search
