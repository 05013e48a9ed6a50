// Smoothing of measured effects, and a refinement on an oracle whose layers are known.
#include "search/effects.h"

#include <gtest/gtest.h>

#include <cmath>

#include "search/final_choice.h"
#include "search/refinement.h"
#include "tests/search/search_trial.h"

namespace precis::search {
namespace {

std::shared_ptr<const Plan> PrecisPlan(std::vector<std::string> formats) {
  JobSpec spec = ShortJob();
  SetAlgorithmDefaults(Algorithm::kPrecis, spec);
  spec.space.formats = std::move(formats);
  spec.cost.target = "1x int4";
  return PlanOf(spec);
}

TEST(SmoothedEffects, ADearerLevelIsNeverHeldToBeWorse) {
  const auto plan = PrecisPlan({"int3", "int4", "e2m1", "int6", "int8"});
  Effects measured(plan->space.decisions.size(), {-0.05, -0.01, 0.02, -0.03, 0});
  const Effects smoothed = SmoothedEffects(plan->space, *plan->costs[0], measured);
  for (const auto& effects : smoothed) {
    EXPECT_LT(effects[0], effects[1]);
    // int4 and e2m1 cost the same: their difference stands but for the rounding error's.
    EXPECT_NEAR(effects[2] - effects[1], 0.03, 0.003);
    // The best of 4 bits (0.02), 6 (-0.03) and 8 bits (0) violate the order and meet at their mean.
    EXPECT_NEAR(effects[2], -0.01 / 3, 0.002);
    EXPECT_NEAR(effects[3], -0.01 / 3, 0.002);
    EXPECT_GE(effects[3], effects[2]) << "of equals the finer is preferred";
    EXPECT_GE(effects[4], effects[3]);
  }
}

TEST(SmoothedEffects, WhatIsInOrderStaysButForTheRoundingError) {
  const auto plan = PrecisPlan({"int3", "int4", "int8"});
  const Effects measured(plan->space.decisions.size(), {-0.05, -0.01, 0});
  const Effects smoothed = SmoothedEffects(plan->space, *plan->costs[0], measured);
  for (const auto& effects : smoothed) {
    for (size_t o = 0; o < 3; ++o) EXPECT_NEAR(effects[o], measured[0][o], 0.0021);
  }
}

TEST(Refinement, MovesToABetterAnswerAndNeverToAWorse) {
  const auto plan = PrecisPlan({"int2", "int3", "int4", "int5", "int6", "int8"});
  FakeOracleOptions options = Matching(*plan);
  options.noise = 0;
  int moved = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    options.seed = seed;
    Trial run(plan, options);
    OracleSession session(*plan, run.oracle, run.sink);
    const Assignment int4 = UniformAssignment(plan->layers.size(), ParseFormat("int4").value());
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(session.Train(int4).ok());
    // Screened as if all layers were alike, so that the answer is uniform.
    Refinement refinement(*plan, Effects(plan->space.decisions.size(), {-0.3, -0.1, 0, 0, 0, 0}));
    Choices answer = *plan->space.ChoicesOf(int4);
    for (int round = 0; round < 3; ++round) {
      const absl::StatusOr<Choices> better = refinement.Improve(session, answer, plan->target);
      ASSERT_TRUE(better.ok());
      EXPECT_LE(TotalCost(*plan->costs[0], plan->space.Apply(*better)), plan->target);
      EXPECT_GE(run.oracle.TrueAccuracy(plan->space.Apply(*better)),
                run.oracle.TrueAccuracy(plan->space.Apply(answer)));
      moved += *better != answer;
      answer = *better;
    }
  }
  EXPECT_GE(moved, 5);
}

TEST(Refinement, MeasuresOneStepOfCostAround) {
  const auto plan = PrecisPlan({"int2", "int3", "int4", "e2m1", "int5", "int8"});
  Trial run(plan, Matching(*plan));
  OracleSession session(*plan, run.oracle, run.sink);
  const Assignment int4 = UniformAssignment(plan->layers.size(), ParseFormat("int4").value());
  Refinement refinement(*plan, Effects(plan->space.decisions.size(), {-0.3, -0.1, 0, 0, 0, 0}));
  ASSERT_TRUE(refinement.Improve(session, *plan->space.ChoicesOf(int4), plan->target).ok());
  for (const FakeOracle::Call& call : run.oracle.calls()) {
    ASSERT_EQ(call.kind, Kind::kProbe);
    int changed = 0;
    for (const LayerFormats& layer : call.assignment.layers) {
      const std::string name = LayerFormatsName(layer);
      changed += name != "int4";
      if (&call < &run.oracle.calls()[1 + plan->space.decisions.size() * 3]) {
        EXPECT_TRUE(name == "int4" || name == "int3" || name == "e2m1" || name == "int5") << name;
      }
    }
    if (&call < &run.oracle.calls()[1 + plan->space.decisions.size() * 3]) {
      EXPECT_LE(changed, 1);
    }
  }
}

}  // namespace
}  // namespace precis::search
