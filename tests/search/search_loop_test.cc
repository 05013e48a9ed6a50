// Whole searches on a fake oracle: their steps, candidates, choice, failures and repeatability.
#include "search/search_loop.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "search/reward.h"
#include "supernet/graph/weight_file.h"
#include "tests/search/search_trial.h"

namespace precis::search {
namespace {

constexpr int64_t kScreeningProbes = 10 * 3 + 1;  // of SampleJob: every option but the widest, and the widest

TEST(RunSearch, FindsAnAnswerWithinTheTargetThatNoReferenceBeats) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    JobSpec spec = SampleJob();
    spec.seed = seed;
    Trial run(spec);
    const auto result = run.Go();
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectSound(run, *result);
    EXPECT_GT(run.Final(*result).search.accuracy, 0.88);
    EXPECT_GT(result->float_search.accuracy, run.Final(*result).search.accuracy);
    EXPECT_GT(result->policy.mean_max_probability, 0.9);
  }
}

// The estimate from all samples carries short searches; the policy alone falls behind the hand rule.
TEST(RunSearch, TheEstimatedBestIsBetterThanUniform) {
  double better = 0;
  int found = 0;  // where the policy came to the same answer, it is labelled as the policy's
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    JobSpec spec = SampleJob();
    spec.seed = seed;
    spec.finish.sampled_candidates = 0;
    const auto plan = PlanOf(spec);
    FakeOracleOptions options = Matching(*plan);
    options.seed = seed;
    Trial run(plan, options);
    ASSERT_TRUE(run.Go().ok());
    const double uniform =
        run.oracle.TrueAccuracy(UniformAssignment(plan->layers.size(), *ParseFormat("int4")));
    for (const Candidate& candidate : run.sink.candidates) {
      if (candidate.label != "estimated best") continue;
      ++found;
      better += run.oracle.TrueAccuracy(candidate.assignment) - uniform;
    }
  }
  ASSERT_GE(found, 6);
  EXPECT_GT(better / found, 0.007);
}

TEST(RunSearch, TellsHowReadingTheImagesWent) {
  const auto plan = PlanOf(ShortJob());
  FakeOracleOptions options = Matching(*plan);
  options.report = {.loader_wait_share = 0.25, .skipped_images = 7};
  Trial run(plan, options);
  const auto result = run.Go();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->loader_wait_share, 0.25);
  EXPECT_EQ(result->skipped_images, 7);
  EXPECT_EQ(run.sink.progress.back().loader_wait_share, 0.25);
}

TEST(RunSearch, StepsGoWhereThePlanSays) {
  struct Shares {
    double warmup, frozen;
  };
  for (const Shares& shares : {Shares{0.25, 0.25}, Shares{0, 0.25}, Shares{0.25, 0}, Shares{0, 0},
                               Shares{0.9, 0.5}, Shares{0.3, 0.9}}) {
    for (const int64_t steps : {1, 2, 7, 32, 150}) {
      JobSpec spec = ShortJob();
      spec.epochs = static_cast<double>(steps) * 500 / 58000;
      spec.controller.warmup_share = shares.warmup;
      spec.finish.frozen_share = shares.frozen;
      if (!Validate(spec, SampleDatasets()).empty()) continue;  // too few steps for these shares
      Trial run(spec);
      ASSERT_EQ(run.plan->total_steps, steps);
      const auto result = run.Go();
      ASSERT_TRUE(result.ok()) << result.status();
      ExpectSound(run, *result);
      EXPECT_EQ(run.Count(Kind::kProbe), run.plan->search_steps + kScreeningProbes);
      std::map<Phase, int64_t> in_phase;
      for (size_t i = 1; i < run.sink.progress.size(); ++i) {
        in_phase[run.sink.progress[i].phase] += run.sink.progress[i].step - run.sink.progress[i - 1].step;
      }
      EXPECT_EQ(in_phase[Phase::kWarmup], run.plan->warmup_steps);
      EXPECT_EQ(in_phase[Phase::kSearch], run.plan->search_steps - run.plan->warmup_steps);
      EXPECT_EQ(in_phase[Phase::kFrozen], steps - run.plan->search_steps);
    }
  }
}

TEST(RunSearch, FrozenStepsTrainOneConfigurationWithinTheTarget) {
  Trial run(ShortJob());
  ASSERT_TRUE(run.Go().ok());
  std::vector<Assignment> trained;
  for (const FakeOracle::Call& call : run.oracle.calls()) {
    if (call.kind == Kind::kTrain) trained.push_back(call.assignment);
  }
  const Assignment& frozen = trained.back();
  for (int64_t step = run.plan->search_steps; step < run.plan->total_steps; ++step) {
    EXPECT_EQ(trained[static_cast<size_t>(step)], frozen);
  }
  EXPECT_LE(TotalCost(*run.plan->costs[run.plan->constrained], frozen), run.plan->target);
}

TEST(RunSearch, WithoutFrozenStepsNothingIsMeasuredTwice) {
  JobSpec spec = ShortJob();
  spec.finish.frozen_share = 0;
  spec.finish.sampled_candidates = 2;
  Trial run(spec);
  ASSERT_TRUE(run.Go().ok());
  // Every candidate once, and float.
  EXPECT_EQ(run.Count(Kind::kEvaluateSearch), static_cast<int64_t>(run.sink.candidates.size()) + 1);
}

TEST(RunSearch, WatchersSeeCandidatesDuringTheSearch) {
  JobSpec spec = SampleJob();
  Trial run(spec);
  ASSERT_TRUE(run.Go().ok());
  int64_t early = 0;
  for (const Candidate& report : run.sink.reports) early += report.step < run.plan->search_steps;
  EXPECT_GE(early, 3);
  EXPECT_LE(early, 7);
}

TEST(RunSearch, TwoRunsAreIdentical) {
  for (QualitySource quality : {QualitySource::kSearchAccuracy, QualitySource::kTrainLoss}) {
    JobSpec spec = ShortJob();
    spec.reward.quality = quality;
    Trial a(spec), b(spec);
    const auto result_a = a.Go(), result_b = b.Go();
    ASSERT_TRUE(result_a.ok());
    EXPECT_EQ(result_a->final_candidate, result_b->final_candidate);
    ASSERT_EQ(a.oracle.calls().size(), b.oracle.calls().size());
    for (size_t i = 0; i < a.oracle.calls().size(); ++i) {
      EXPECT_EQ(a.oracle.calls()[i].kind, b.oracle.calls()[i].kind);
      EXPECT_EQ(a.oracle.calls()[i].assignment, b.oracle.calls()[i].assignment);
    }
    ASSERT_EQ(a.sink.reports.size(), b.sink.reports.size());
    for (size_t i = 0; i < a.sink.reports.size(); ++i) {
      EXPECT_EQ(a.sink.reports[i].number, b.sink.reports[i].number);
      EXPECT_EQ(a.sink.reports[i].search.accuracy, b.sink.reports[i].search.accuracy);
    }
    for (size_t i = 0; i < a.sink.progress.size(); ++i) {
      EXPECT_EQ(a.sink.progress[i].fraction, b.sink.progress[i].fraction);
      EXPECT_EQ(a.sink.progress[i].reward, b.sink.progress[i].reward);
    }
  }
}

TEST(RunSearch, OtherSeedsSearchOtherwise) {
  JobSpec spec = ShortJob();
  spec.controller.widest_probability = spec.controller.widest_share = 0;
  Trial a(spec);
  spec.seed = 2;
  Trial b(spec);
  ASSERT_TRUE(a.Go().ok());
  ASSERT_TRUE(b.Go().ok());
  EXPECT_NE(a.oracle.calls()[0].assignment, b.oracle.calls()[0].assignment);
}

// At first all steps train the widest formats, from the end of the warm-up on half of them; rewards are still
// those of the samples, and a training loss, which says nothing of the sample then, teaches nothing.
TEST(RunSearch, WarmsUpOnTheWidestFormats) {
  for (QualitySource quality : {QualitySource::kSearchAccuracy, QualitySource::kTrainLoss}) {
    JobSpec spec = SampleJob();
    spec.reward.quality = quality;
    spec.controller.screening_images = 0;
    const auto plan = PlanOf(spec);
    Trial run(plan, Matching(*plan));
    SpyController controller(*plan);
    ASSERT_TRUE(RunSearch(*plan, run.oracle, controller, run.sink, run.weights).ok());

    const Assignment widest = UniformAssignment(plan->layers.size(), ParseFormat("int8").value());
    int64_t step = 0;
    int64_t wide_early = 0;  // in the first half of the warm-up
    int64_t wide_late = 0;   // in its second half
    int64_t wide_after = 0;
    int64_t wide_probes = 0;
    for (const FakeOracle::Call& call : run.oracle.calls()) {
      if (call.kind == Kind::kProbe) wide_probes += call.assignment == widest;
      if (call.kind != Kind::kTrain || step >= plan->search_steps) continue;
      int64_t& wide = step < plan->warmup_steps / 2 ? wide_early
                      : step < plan->warmup_steps   ? wide_late
                                                    : wide_after;
      wide += call.assignment == widest;
      ++step;
    }
    const auto warmup = static_cast<double>(plan->warmup_steps);
    EXPECT_NEAR(static_cast<double>(wide_early), 0.4375 * warmup, 2);
    EXPECT_NEAR(static_cast<double>(wide_late), 0.3125 * warmup, 2);
    EXPECT_NEAR(static_cast<double>(wide_after),
                0.5 * static_cast<double>(plan->search_steps - plan->warmup_steps), 2);
    EXPECT_LT(wide_probes, 3);
    const bool probes = quality == QualitySource::kSearchAccuracy;
    EXPECT_EQ(static_cast<int64_t>(controller.rewards.size()),
              plan->search_steps - (probes ? 0 : wide_early + wide_late + wide_after));
  }
}

TEST(RunSearch, TheSinkCanEndItAtAnyCall) {
  JobSpec spec = ShortJob();
  Trial whole(spec);
  ASSERT_TRUE(whole.Go().ok());
  ASSERT_GT(whole.sink.calls(), 60);
  for (int64_t at = 0; at < whole.sink.calls(); ++at) {
    Trial run(spec);
    run.sink.EndAt(at, absl::CancelledError("enough"));
    const auto result = run.Go();
    ASSERT_EQ(result.status(), absl::CancelledError("enough")) << "call " << at;
    EXPECT_EQ(run.sink.calls(), at + 1);
    EXPECT_FALSE(std::filesystem::exists(run.weights));
  }
}

TEST(RunSearch, EveryFailureOfTheOracleEndsItWithThatFailure) {
  const auto plan = PlanOf(ShortJob());
  Trial whole(plan, Matching(*plan));
  ASSERT_TRUE(whole.Go().ok());
  const auto fails = [&](const FakeOracleOptions& options) {
    Trial run(plan, options);
    const auto result = run.Go();
    EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(result.status().message()), ::testing::HasSubstr("injected"));
  };
  for (int64_t n = 0; n < plan->total_steps; ++n) {
    FakeOracleOptions options = Matching(*plan);
    options.failing_step = n;
    fails(options);
  }
  for (int64_t n = 0; n < whole.Count(Kind::kProbe); ++n) {
    FakeOracleOptions options = Matching(*plan);
    options.failing_probe = n;
    fails(options);
  }
  for (int64_t n = 0; n < whole.Count(Kind::kEvaluateSearch) + whole.Count(Kind::kEvaluateTest); ++n) {
    FakeOracleOptions options = Matching(*plan);
    options.failing_evaluation = n;
    fails(options);
  }
  FakeOracleOptions options = Matching(*plan);
  options.save_fails = true;
  fails(options);
}

TEST(RunSearch, OneFormatIsASearchToo) {
  JobSpec spec = ShortJob();
  spec.space.formats = {"int4"};
  Trial run(spec);
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(run.sink.candidates.size(), 1u);
  EXPECT_EQ(run.Final(*result).label, "uniform int4");
  ExpectSound(run, *result);
}

TEST(RunSearch, KeepsItsPromisesForEveryMetricRewardAndSpace) {
  const std::vector<std::vector<std::string>> spaces = {
      {"int2", "int8"}, {"e2m1", "e4m3", "int8"}, {"int4", "bf16"}};
  for (const char* metric : {"bops", "model_size"}) {
    for (RewardShape shape : {RewardShape::kAbsolute, RewardShape::kOneSided, RewardShape::kSoftExponential,
                              RewardShape::kHardExponential}) {
      for (const auto& formats : spaces) {
        for (const char* target : {"1x int4", "1.3x int5"}) {
          for (int64_t sampled : {0, 1, 5, 40}) {
            JobSpec spec = ShortJob();
            spec.cost = {metric, target};
            spec.reward.shape = shape;
            spec.space.formats = formats;
            spec.finish.sampled_candidates = sampled;
            spec.seed = 17;
            Trial run(spec);
            const auto result = run.Go();
            ASSERT_TRUE(result.ok()) << result.status();
            ExpectSound(run, *result);
          }
        }
      }
    }
  }
}

TEST(PhaseName, IsLowerCase) {
  EXPECT_STREQ(PhaseName(Phase::kPrepare), "prepare");
  EXPECT_STREQ(PhaseName(Phase::kFrozen), "frozen");
  EXPECT_STREQ(OriginName(Origin::kReference), "reference");
}

// A second limit binds: every answer is within both, and the budget of the tighter one is used.
TEST(SearchLoop, AnswersAreWithinEveryLimit) {
  JobSpec spec = ShortJob();
  spec.cost.limits = {{"accumulator_bits", "1x int4"}, {"asic-energy", "1.02x int4"}};
  Trial run(spec);
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  const Plan& plan = *run.plan;
  int feasible = 0, beyond = 0;
  for (const Candidate& candidate : run.sink.candidates) {
    bool within = true;
    for (const CostLimit& limit : plan.limits) within = within && candidate.costs[limit.cost] <= limit.amount;
    EXPECT_EQ(candidate.feasible, within);
    feasible += within;
    beyond += !within && candidate.costs[plan.constrained] <= plan.target;
  }
  EXPECT_GT(feasible, 2);
  EXPECT_GT(beyond, 0) << "or the other limits did not matter";
  EXPECT_TRUE(run.Final(*result).feasible);
}

}  // namespace
}  // namespace precis::search
