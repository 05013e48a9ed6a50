// Searches in which samples explode or measure nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "search/search_loop.h"
#include "tests/search/search_trial.h"

namespace precis::search {
namespace {

// Exploding steps and probes that are not finite: counted, and the policy is told only of the worst reward
// that a good sample ever had.
TEST(RunSearch, BadSamplesAreCountedAndNeverPoisonThePolicy) {
  JobSpec spec = ShortJob();
  spec.controller.widest_probability = spec.controller.widest_share = 0;
  spec.controller.screening_images = 0;
  spec.finish.frozen_share = 0.25;
  const auto plan = PlanOf(spec);
  FakeOracleOptions options = Matching(*plan);
  options.exploding_steps = {0, 3, 4, 10, 11, 20, 30};  // the first before any reward, the last when frozen
  options.non_finite_probes = {2, 7};
  Trial run(plan, options);
  SpyController controller(*plan);
  const auto result = RunSearch(*plan, run.oracle, controller, run.sink, run.weights);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->rejected_steps, 9);
  EXPECT_EQ(run.sink.progress.back().rejected_steps, 9);
  EXPECT_EQ(run.Count(Kind::kProbe), plan->search_steps - 6) << "no probe after a step that was not applied";

  ASSERT_EQ(static_cast<int64_t>(controller.rewards.size()), plan->search_steps);
  EXPECT_TRUE(std::isnan(controller.rewards[0])) << "nothing was known yet";
  double worst = INFINITY;
  // Probe 2 follows step 5 (0, 3 and 4 exploded), probe 7 step 12 (10 and 11 as well).
  const std::set<size_t> bad = {3, 4, 5, 10, 11, 12, 20};
  for (size_t step = 1; step < controller.rewards.size(); ++step) {
    ASSERT_TRUE(std::isfinite(controller.rewards[step])) << step;
    if (bad.contains(step)) {
      EXPECT_EQ(controller.rewards[step], worst) << step;
    } else {
      worst = std::min(worst, controller.rewards[step]);
    }
  }
  EXPECT_TRUE(std::isfinite(run.sink.progress.back().loss));
  EXPECT_TRUE(std::isfinite(run.sink.progress.back().reward));
}

TEST(RunSearch, SurvivesWhenEveryStepExplodes) {
  const auto plan = PlanOf(ShortJob());
  FakeOracleOptions options = Matching(*plan);
  options.explodes = [](const Assignment&) { return true; };
  Trial run(plan, options);
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->rejected_steps, plan->total_steps);
  EXPECT_EQ(run.sink.progress.back().loss, 0);
  ExpectSound(run, *result);
}

TEST(RunSearch, ANarrowNetworkThatDoesNotTrainIsLearntToBeAvoided) {
  JobSpec spec = SampleJob();
  spec.controller.widest_probability = spec.controller.widest_share = 0;
  spec.finish.frozen_share = 0.25;
  const auto plan = PlanOf(spec);
  FakeOracleOptions options = Matching(*plan);
  options.explodes = [](const Assignment& assignment) {
    int64_t narrow = 0;
    for (const LayerFormats& layer : assignment.layers) narrow += layer.weight.element.bits == 2;
    return narrow > 4;
  };
  Trial run(plan, options);
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->rejected_steps, 10);
  EXPECT_GT(run.Final(*result).search.accuracy, 0.88);
}

TEST(RunSearch, ACandidateThatIsNotFiniteIsNeverChosen) {
  const auto plan = PlanOf(ShortJob());
  FakeOracleOptions options = Matching(*plan);
  const Assignment good = UniformAssignment(plan->layers.size(), *ParseFormat("int3"));
  options.not_finite = [&good](const Assignment& assignment) { return assignment != good; };
  Trial run(plan, options);
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(run.Final(*result).assignment, good);
}

TEST(RunSearch, ALossCountsAtMostTwiceThatOfGuessing) {
  class WildOracle final : public Oracle {
   public:
    explicit WildOracle(FakeOracle& inner) : inner_(inner) {}
    absl::StatusOr<StepOutcome> TrainStep(const Assignment& assignment) override {
      auto outcome = inner_.TrainStep(assignment);
      if (outcome.ok() && steps_++ % 5 == 4) outcome->loss = 1e6;
      return outcome;
    }
    absl::StatusOr<Quality> Probe(const Assignment&, int64_t, ProbeImages) override {
      return absl::InternalError("train_loss needs no probe");
    }
    absl::StatusOr<Evaluation> Evaluate(const Assignment& a, Split s) override {
      return inner_.Evaluate(a, s);
    }
    absl::Status SaveWeights(const Assignment& a, const std::string& p) override {
      return inner_.SaveWeights(a, p);
    }
    absl::Status LoadWeights(const std::string& p) override { return inner_.LoadWeights(p); }
    absl::Status SaveState(const std::string& p) override { return inner_.SaveState(p); }
    absl::Status LoadState(const std::string& p) override { return inner_.LoadState(p); }

   private:
    FakeOracle& inner_;
    int64_t steps_ = 0;
  };
  JobSpec spec = ShortJob();
  spec.reward.quality = QualitySource::kTrainLoss;
  spec.controller.screening_images = 0;
  Trial run(spec);
  WildOracle wild(run.oracle);
  SpyController controller(*run.plan);
  ASSERT_TRUE(RunSearch(*run.plan, wild, controller, run.sink, run.weights).ok());
  const double farthest = std::max(run.plan->dearest / run.plan->target - 1, 1.0);
  for (double reward : controller.rewards) EXPECT_GE(reward, -2 * std::log(10.0) - farthest);
}

}  // namespace
}  // namespace precis::search
