// What the screening asks, finds, and makes of it.
#include "search/screening.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "search/oracle_session.h"
#include "tests/fakes/fake_oracle.h"
#include "tests/search/recording_sink.h"
#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

using Kind = FakeOracle::Call::Kind;

struct Bench {
  explicit Bench(const JobSpec& spec, FakeOracleOptions options = {})
      : plan(PlanOf(spec)),
        oracle(plan->graph, Trained(options)),
        session(*plan, oracle, sink),
        screening(*plan) {
    const Assignment int8 = UniformAssignment(plan->layers.size(), *ParseFormat("int8"));
    for (int step = 0; step < 200; ++step) EXPECT_TRUE(oracle.TrainStep(int8).ok());
  }
  static FakeOracleOptions Trained(FakeOracleOptions options) {
    options.steps_to_learn = 20;
    return options;
  }

  std::shared_ptr<const Plan> plan;
  FakeOracle oracle;
  RecordingSink sink;
  OracleSession session;
  Screening screening;
};

TEST(Screening, ChangesOneDecisionAtATime) {
  Bench bench(SampleJob());
  const size_t before = bench.oracle.calls().size();
  ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
  const Assignment widest = UniformAssignment(bench.plan->layers.size(), *ParseFormat("int8"));
  std::set<std::string> seen;
  double images = 0;
  for (size_t i = before; i < bench.oracle.calls().size(); ++i) {
    const FakeOracle::Call& call = bench.oracle.calls()[i];
    ASSERT_EQ(call.kind, Kind::kProbe);
    EXPECT_TRUE(seen.insert(AssignmentText(call.assignment)).second) << "once each";
    int changed = 0;
    for (size_t layer = 0; layer < widest.layers.size(); ++layer) {
      changed += call.assignment.layers[layer] != widest.layers[layer];
    }
    EXPECT_LE(changed, 1);
    images += static_cast<double>(bench.plan->spec.controller.screening_images);
  }
  EXPECT_EQ(seen.size(), 10u * 3 + 1);
  EXPECT_EQ(Screening::ImagesOf(*bench.plan), images);
}

TEST(Screening, FindsWhatHarmsAndPrefersItLess) {
  Bench bench(SampleJob());
  ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
  const auto& effects = bench.screening.effects();
  const auto preferences = bench.screening.Preferences();
  ASSERT_EQ(effects.size(), 10u);
  for (size_t d = 0; d < effects.size(); ++d) {
    ASSERT_EQ(effects[d].size(), 4u);
    EXPECT_EQ(effects[d][3], 0);
    for (size_t o = 0; o < 4; ++o) {
      const double bits[] = {2, 3, 4, 8};
      const double harm = bench.oracle.Damage(d, bits[o]) - bench.oracle.Damage(d, 8);
      EXPECT_NEAR(effects[d][o], -0.85 * (1 - std::exp(-harm)), 0.03) << d << " " << o;
      EXPECT_NEAR(preferences[d][o], std::max(effects[d][o] / 0.02, -6.0), 1e-12);
    }
  }
}

TEST(Screening, WhatIsNotFiniteIsAsBadAsCanBe) {
  FakeOracleOptions options;
  options.non_finite_probes = {1};  // the first option of the first decision
  Bench bench(SampleJob(), options);
  ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
  EXPECT_LT(bench.screening.effects()[0][0], -0.8);
  for (const auto& options_of : bench.screening.effects()) {
    for (double effect : options_of) EXPECT_TRUE(std::isfinite(effect));
  }
}

JobSpec ScoredJob(OptionScore score) {
  JobSpec spec = SampleJob();
  SetAlgorithmDefaults(Algorithm::kSensitivity, spec);
  spec.controller.score = score;
  return spec;
}

TEST(Screening, ScoresTakeOnePassForAllOptions) {
  for (const OptionScore score : {OptionScore::kFisher, OptionScore::kQsnr}) {
    Bench bench(ScoredJob(score));
    const size_t before = bench.oracle.calls().size();
    ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
    ASSERT_EQ(bench.oracle.calls().size(), before + 1);
    EXPECT_EQ(bench.oracle.calls().back().kind, Kind::kScore);
    EXPECT_EQ(bench.oracle.calls().back().assignment,
              UniformAssignment(bench.plan->layers.size(), *ParseFormat("int8")));
    EXPECT_EQ(bench.session.meter.images_evaluated, 1024 * (score == OptionScore::kQsnr ? 1 : 3 + 4));
    EXPECT_EQ(Screening::ImagesOf(*bench.plan), bench.session.meter.images_evaluated);
    const auto& effects = bench.screening.effects();
    ASSERT_EQ(effects.size(), 10u);
    for (size_t d = 0; d < effects.size(); ++d) {
      for (size_t o = 0; o < 4; ++o) {
        const double bits[] = {2, 3, 4, 8};
        const double expected = score == OptionScore::kQsnr
                                    ? 2 * (std::pow(4, -8) - std::pow(4, -bits[o]))
                                    : bench.oracle.Damage(d, 8) - bench.oracle.Damage(d, bits[o]);
        EXPECT_DOUBLE_EQ(effects[d][o], expected) << d << " " << o;
      }
    }
  }
}

TEST(Screening, ScoresOfLayersThatDecideTogetherAddUp) {
  JobSpec spec = ScoredJob(OptionScore::kFisher);
  spec.space.granularity = Granularity::kNetwork;
  Bench bench(spec);
  ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
  ASSERT_EQ(bench.screening.effects().size(), 1u);
  double damage = 0;
  for (size_t layer = 0; layer < bench.plan->layers.size(); ++layer) {
    damage += bench.oracle.Damage(layer, 3) - bench.oracle.Damage(layer, 8);
  }
  EXPECT_NEAR(bench.screening.effects()[0][1], -damage, 1e-12);
}

TEST(Screening, AScoreThatIsNotFiniteIsAsBadAsCanBe) {
  FakeOracleOptions options;
  options.unscorable_bits = 3;
  Bench bench(ScoredJob(OptionScore::kQsnr), options);
  ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
  for (const auto& options_of : bench.screening.effects()) {
    EXPECT_NEAR(options_of[1], -2 * std::log(10.0), 1e-4);
    EXPECT_GT(options_of[0], -1);
  }
}

TEST(Screening, AFailureToScoreIsPassedOn) {
  FakeOracleOptions options;
  options.scoring_fails = true;
  Bench bench(ScoredJob(OptionScore::kFisher), options);
  EXPECT_EQ(bench.screening.Measure(bench.session).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(bench.screening.effects().empty());
}

TEST(Screening, ZeroImagesMeasureNothing) {
  JobSpec spec = SampleJob();
  spec.controller.screening_images = 0;
  Bench bench(spec);
  const size_t before = bench.oracle.calls().size();
  ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
  EXPECT_EQ(bench.oracle.calls().size(), before);
  EXPECT_EQ(Screening::ImagesOf(*bench.plan), 0);
  LogEstimate estimate;
  estimate.effects = {{1, 2}, {3, 4}};
  EXPECT_EQ(bench.screening.Blend(estimate), estimate.effects);
}

TEST(Screening, TheOraclesErrorsArePassedOn) {
  for (int64_t probe : {0, 7}) {
    FakeOracleOptions options;
    options.failing_probe = probe;
    Bench bench(SampleJob(), options);
    EXPECT_EQ(bench.screening.Measure(bench.session).code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(bench.screening.effects().empty());
  }
}

TEST(Screening, SamplesOverruleItWhereThereAreMany) {
  Bench bench(SampleJob());
  ASSERT_TRUE(bench.screening.Measure(bench.session).ok());
  LogEstimate estimate;
  estimate.effects.assign(10, {-1.5, -0.5, 0.25, 0.5});
  estimate.times.assign(10, {0, 12, 1000000, 5});
  const auto blend = bench.screening.Blend(estimate);
  for (size_t d = 0; d < blend.size(); ++d) {
    const auto& screened = bench.screening.effects()[d];
    EXPECT_DOUBLE_EQ(blend[d][0], screened[0]) << "never sampled";
    EXPECT_DOUBLE_EQ(blend[d][1], (screened[1] + -1.0) / 2) << "as many samples as the screening is worth";
    EXPECT_NEAR(blend[d][2], -0.25, 1e-5);
    EXPECT_DOUBLE_EQ(blend[d][3], 0);
  }
}

}  // namespace
}  // namespace precis::search
