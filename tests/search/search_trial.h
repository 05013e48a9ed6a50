// A search on a fake oracle, and what must hold after it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "search/controller/reinforce.h"
#include "search/search_loop.h"
#include "tests/fakes/fake_oracle.h"
#include "tests/fakes/temp_dir.h"
#include "tests/search/recording_sink.h"
#include "tests/search/sample_job.h"

namespace precis::search {

using Kind = FakeOracle::Call::Kind;

inline FakeOracleOptions Matching(const Plan& plan) {
  FakeOracleOptions options;
  options.batch_size = plan.spec.training.batch_size;
  options.search_images = plan.spec.data.search_images;
  options.test_images = plan.dataset.test_images;
  options.steps_to_learn = static_cast<double>(plan.total_steps) / 10;
  return options;
}

struct Trial {
  explicit Trial(const JobSpec& spec) : Trial(PlanOf(spec), Matching(*PlanOf(spec))) {}
  Trial(std::shared_ptr<const Plan> the_plan, const FakeOracleOptions& options)
      : plan(std::move(the_plan)),
        oracle(plan->graph, options),
        weights(folder.path() + "/weights.safetensors") {}

  absl::StatusOr<SearchResult> Go() { return RunSearch(*plan, oracle, sink, weights); }

  const Candidate& Final(const SearchResult& result) const {
    return sink.candidates[static_cast<size_t>(result.final_candidate - 1)];
  }
  int64_t Count(Kind kind) const {
    return std::count_if(oracle.calls().begin(), oracle.calls().end(),
                         [kind](const FakeOracle::Call& call) { return call.kind == kind; });
  }
  double Cost(const Candidate& candidate) const { return candidate.costs[plan->constrained]; }

  std::shared_ptr<const Plan> plan;
  FakeOracle oracle;
  TempDir folder;
  std::string weights;
  RecordingSink sink;
};

// Remembers what it was told, beside learning.
class SpyController final : public Controller {
 public:
  explicit SpyController(const Plan& plan)
      : inner_(
            std::vector<int>(plan.space.decisions.size(), static_cast<int>(plan.spec.space.formats.size())),
            {plan.spec.controller, plan.warmup_steps, plan.search_steps, plan.spec.seed}) {}
  Choices Propose(int64_t step) override {
    steps.push_back(step);
    return inner_.Propose(step);
  }
  void Observe(const Choices& choices, double reward) override {
    rewards.push_back(reward);
    inner_.Observe(choices, reward);
  }
  void Prefer(const std::vector<std::vector<double>>& preferences) override {
    preferred.push_back(preferences);
    inner_.Prefer(preferences);
  }
  std::vector<std::vector<double>> LogProbabilities() const override { return inner_.LogProbabilities(); }
  PolicySummary Summary() const override { return inner_.Summary(); }
  std::string Save() const override { return inner_.Save(); }
  absl::Status Restore(const std::string& text) override { return inner_.Restore(text); }

  std::vector<int64_t> steps;
  std::vector<double> rewards;
  std::vector<std::vector<std::vector<double>>> preferred;

 private:
  ReinforceController inner_;
};

inline bool IsReference(const Plan& plan, const Candidate& candidate) {
  return std::any_of(plan.references.begin(), plan.references.end(), [&](const Reference& reference) {
    return reference.assignment == candidate.assignment;
  });
}

// What must hold after every search that went well.
inline void ExpectSound(const Trial& run, const SearchResult& result) {
  const Plan& plan = *run.plan;
  const Candidate& final = run.Final(result);
  EXPECT_EQ(final.origin, Origin::kFinal);
  EXPECT_TRUE(final.test.has_value());
  EXPECT_LE(run.Cost(final), plan.target);

  std::set<std::string> assignments;
  int finals = 0, references = 0;
  for (const Candidate& candidate : run.sink.candidates) {
    EXPECT_TRUE(assignments.insert(AssignmentText(candidate.assignment)).second)
        << "one assignment, one candidate";
    EXPECT_EQ(candidate.step, plan.total_steps) << "measured under the final weights";
    EXPECT_EQ(candidate.feasible, run.Cost(candidate) <= plan.target);
    EXPECT_EQ(candidate.costs.size(), plan.costs.size());
    EXPECT_EQ(candidate.activation_ranges.size(), plan.layers.size());
    EXPECT_LT(candidate.sampled_at, plan.search_steps);
    if (candidate.feasible) {
      EXPECT_LE(candidate.search.accuracy, final.search.accuracy) << candidate.label;
    }
    finals += candidate.origin == Origin::kFinal;
    const bool is_reference = IsReference(plan, candidate);
    references += is_reference;
    EXPECT_EQ(candidate.test.has_value(), is_reference || candidate.origin == Origin::kFinal);
  }
  EXPECT_EQ(finals, 1);
  EXPECT_EQ(references, static_cast<int>(plan.references.size()));
  EXPECT_LE(static_cast<int64_t>(run.sink.candidates.size()),
            references + 2 + plan.spec.finish.sampled_candidates);

  EXPECT_EQ(run.Count(Kind::kTrain), plan.total_steps);
  EXPECT_EQ(run.Count(Kind::kEvaluateTest), references + 1 + (IsReference(plan, final) ? 0 : 1));
  ASSERT_EQ(run.oracle.calls().back().kind, Kind::kSave);
  EXPECT_EQ(run.oracle.calls().back().assignment, final.assignment);
  EXPECT_TRUE(ReadWeightFile(run.weights).ok());
  EXPECT_EQ(run.sink.progress.front().phase, Phase::kPrepare);
  EXPECT_EQ(run.sink.progress.front().fraction, 0);
  EXPECT_EQ(run.sink.progress.back().phase, Phase::kFinish);
  EXPECT_EQ(run.sink.progress.back().fraction, 1);
  EXPECT_EQ(run.sink.progress.back().step, plan.total_steps);
}

}  // namespace precis::search
