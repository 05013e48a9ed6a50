// Trunk: the steps that all targets of a job share, from the first to the freeze, and what they teach.
//
// The algorithm decides what a step trains and what is measured:
//
//   policy      reinforce, fliqs, tunas: every target has a controller; the steps serve the targets in turn.
//               Train what it proposes (or the widest formats, by ControllerSpec's shares), probe, reward,
//               learn; uniform sampling first. Between warm-up and policy every option is screened by itself,
//               if the job says so.
//   answers     precis: the warm-up trains the widest formats; then every option is screened and every target
//               gets an answer, the best within it (with an elastic network, the best of some architectures
//               that are measured, search/anchors.h, and then of what is around it). The remaining steps
//               train the answers in turn; at `refinements` equal intervals, the last at the end, each is
//               measured around and may move (search/refinement.h). sensitivity: trains the widest formats
//               throughout, screens at the end, and answers. uniform: trains the answers, which are the
//               dearest uniform configurations within the targets.
//   population  random, evolution: train uniform samples (or the widest formats, likewise). At the end the
//               controller proposes configurations that are measured on the same images, and each target gets
//               the best of them within it.
//
// Threading: not thread-safe; the search loop owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "search/controller/controller.h"
#include "search/oracle_session.h"
#include "search/plan.h"
#include "search/refinement.h"
#include "search/sample_choice.h"
#include "search/sample_log.h"
#include "search/screening.h"
#include "search/work.h"

namespace precis::search {

// A configuration that the trunk proposes for a target.
struct Proposal {
  Choices choices;
  std::string label;  // "most probable"; empty for a mere sample
};

class Trunk {
 public:
  // All must outlive it. `controller` is for the first target in place of the algorithm's own; null: none.
  Trunk(const Plan& plan, OracleSession& session, Controller* controller);

  // Trains and learns step `step`, 0…search_steps-1 in order, and reports progress.
  absl::Status Step(int64_t step);
  // After the last step: what is measured without training.
  absl::Status Conclude();

  // The configuration that is now held to be the best within the target; none as long as nothing is known.
  std::optional<Choices> Best(size_t target) const;
  // For the freeze of a target, after Conclude; the first is the algorithm's own. At most five. Samples that
  // are no candidates yet are among them only if `samples` are asked for.
  std::vector<Proposal> Proposals(size_t target, size_t samples) const;
  // What the estimate holds best within any budget; none if the algorithm estimates nothing.
  std::optional<Choices> EstimatedBest(double budget) const;
  // All samples of a policy, with their cost as it binds within a budget (BindingCost), and their choices.
  std::vector<PricedSample> PricedSamples(double budget) const;
  const Choices& Sample(size_t index) const { return estimate_.samples[index].choices; }
  // First step at which a policy proposed them; -1: never.
  int64_t FirstStep(const Choices& choices) const { return samples_.FirstStep(choices); }

  PolicySummary Summary() const;

 private:
  struct Measured {
    Choices choices;
    double quality = 0;
  };

  const CostModel& cost_model() const { return *plan_.costs[plan_.constrained]; }
  Algorithm algorithm() const { return plan_.spec.controller.algorithm; }
  bool TrainsWidest(int64_t step);
  // Every layer in its widest format. Of an elastic network the architectures take turns, so that small
  // kernels, few channels and short paths learn as well: the largest, the smallest, random ones (the sandwich
  // of Yu and Huang 2019, spread over steps).
  Assignment Widest(int64_t step);
  bool RefinesAfter(int64_t step) const;
  absl::Status PolicyStep(int64_t step);
  absl::Status AnswersStep(int64_t step);
  absl::Status PopulationStep(int64_t step);
  absl::Status Answer();
  absl::Status Refine();
  absl::Status MeasurePopulation();
  void Learn(Controller& controller, const Choices& choices, double cost, double quality);

  const Plan& plan_;
  OracleSession& session_;
  const Family family_;
  std::vector<std::unique_ptr<Controller>> owned_;
  std::vector<Controller*> controllers_;  // by target
  Screening screening_;
  double widest_due_ = 0;  // steps at the widest formats that are owed
  SampleLog samples_;
  LogEstimate estimate_;
  std::optional<Refinement> refinement_;
  std::vector<Choices> answers_;  // by target; empty before the screening
  std::vector<Measured> measured_;
  std::mt19937_64 generator_;  // of uniform samples for a population, and of architectures
  double worst_reward_;
  double worst_quality_;
};

}  // namespace precis::search
