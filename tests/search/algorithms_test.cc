// Every algorithm on the fake oracle: one target and many.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "search/work.h"
#include "tests/search/search_trial.h"

namespace precis::search {
namespace {

constexpr Algorithm kAll[] = {Algorithm::kPrecis,      Algorithm::kReinforce, Algorithm::kFliqs,
                              Algorithm::kTunas,       Algorithm::kRandom,    Algorithm::kEvolution,
                              Algorithm::kSensitivity, Algorithm::kUniform};

JobSpec JobOf(Algorithm algorithm) {
  JobSpec spec = ShortJob();
  const RangeOptions ranges = spec.training.ranges;
  SetAlgorithmDefaults(algorithm, spec);
  spec.training.ranges = ranges;
  return spec;
}

JobSpec ManyTargets(Algorithm algorithm, int64_t count) {
  JobSpec spec = JobOf(algorithm);
  spec.cost.target = "";
  spec.cost.range = {.from = "1x int3", .to = "2x int4", .count = count};
  return spec;
}

class EveryAlgorithm : public ::testing::TestWithParam<Algorithm> {};
INSTANTIATE_TEST_SUITE_P(All, EveryAlgorithm, ::testing::ValuesIn(kAll),
                         [](const auto& info) { return std::string(AlgorithmName(info.param)); });

TEST_P(EveryAlgorithm, AnswersOneTarget) {
  Trial run(JobOf(GetParam()));
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  ExpectSound(run, *result);
  EXPECT_EQ(result->images_trained, run.plan->total_steps * run.plan->spec.training.batch_size);
  EXPECT_GT(result->images_evaluated, 0);
}

// The estimate that a user sees before the job, against what the job then did.
TEST_P(EveryAlgorithm, DoesNoMoreThanWasEstimated) {
  for (const int64_t count : {1, 4}) {
    Trial run(count == 1 ? JobOf(GetParam()) : ManyTargets(GetParam(), count));
    run.sink.has_legs = count > 1;
    const WorkEstimate work = EstimateWork(*run.plan, 2);
    const auto result = run.Go();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(work.images_trained, result->images_trained);
    EXPECT_GE(work.images_evaluated, result->images_evaluated);
    EXPECT_LE(work.images_evaluated, 3 * result->images_evaluated);
    EXPECT_GT(work.seconds, 0);
    EXPECT_DOUBLE_EQ(EstimateWork(*run.plan, 1).seconds, 2 * work.seconds);
  }
}

TEST_P(EveryAlgorithm, AnswersManyTargetsFromOneTraining) {
  for (const int64_t count : {2, 5}) {
    Trial run(ManyTargets(GetParam(), count));
    run.sink.has_legs = true;
    const auto result = run.Go();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(run.Count(Kind::kTrain), run.plan->total_steps);

    std::vector<const Candidate*> finals;
    for (const Candidate& candidate : run.sink.candidates) {
      EXPECT_EQ(candidate.test.has_value(), candidate.origin == Origin::kFinal) << candidate.label;
      EXPECT_EQ(candidate.feasible, run.Cost(candidate) <= run.plan->target);
      if (candidate.origin == Origin::kFinal) finals.push_back(&candidate);
      const bool is_final = candidate.origin == Origin::kFinal;
      const std::string path = is_final ? AnswerWeightsPath(run.weights, candidate.number) : run.weights;
      EXPECT_TRUE(ReadWeightFile(path).ok()) << candidate.label;
      if (!is_final) {
        EXPECT_EQ(candidate.step, run.plan->total_steps) << "measured under weights that are kept";
      }
    }
    // One answer may serve two targets, but each target has one within it.
    ASSERT_FALSE(finals.empty());
    EXPECT_LE(static_cast<int64_t>(finals.size()), count);
    for (double target : run.plan->targets) {
      EXPECT_TRUE(std::any_of(finals.begin(), finals.end(),
                              [&](const Candidate* final) { return run.Cost(*final) <= target; }));
    }
    EXPECT_EQ(run.Count(Kind::kEvaluateTest), static_cast<int64_t>(finals.size()) + 1);
    EXPECT_EQ(run.Final(*result).origin, Origin::kFinal);
    for (const Candidate* final : finals) {
      EXPECT_LE(final->search.accuracy, run.Final(*result).search.accuracy) << "the job's answer is the best";
    }
    EXPECT_EQ(run.sink.progress.back().fraction, 1);
  }
}

TEST_P(EveryAlgorithm, TwoRunsAreIdentical) {
  for (const JobSpec& spec : {JobOf(GetParam()), ManyTargets(GetParam(), 3)}) {
    Trial a(spec), b(spec);
    a.sink.has_legs = b.sink.has_legs = true;
    ASSERT_TRUE(a.Go().ok());
    ASSERT_TRUE(b.Go().ok());
    ASSERT_EQ(a.oracle.calls().size(), b.oracle.calls().size());
    for (size_t i = 0; i < a.oracle.calls().size(); ++i) {
      EXPECT_EQ(a.oracle.calls()[i].assignment, b.oracle.calls()[i].assignment) << i;
    }
  }
}

// Scored otherwise than by the loss: as sound, with fewer images and no probe.
TEST(Sensitivity, EveryScoreAnswersEveryTarget) {
  for (const Algorithm algorithm : {Algorithm::kSensitivity, Algorithm::kPrecis}) {
    Trial by_loss(ManyTargets(algorithm, 3));
    by_loss.sink.has_legs = true;
    const auto of_loss = by_loss.Go();
    ASSERT_TRUE(of_loss.ok()) << of_loss.status();
    for (const OptionScore score : {OptionScore::kFisher, OptionScore::kQsnr}) {
      JobSpec spec = ManyTargets(algorithm, 3);
      spec.controller.score = score;
      Trial run(spec);
      run.sink.has_legs = true;
      const WorkEstimate work = EstimateWork(*run.plan, 2);
      const auto result = run.Go();
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(run.Count(Kind::kScore), 1);
      EXPECT_EQ(run.Count(Kind::kProbe), 0);
      EXPECT_LE(run.Cost(run.Final(*result)), run.plan->target);
      EXPECT_LT(result->images_evaluated, of_loss->images_evaluated);
      EXPECT_GE(work.images_evaluated, result->images_evaluated);
      EXPECT_NE(run.plan->fingerprint, by_loss.plan->fingerprint);
    }
  }
}

// Nothing that is measured: the cheapest is all there is to propose.
TEST(Random, WithoutMeasurementsAnswersWithTheCheapest) {
  JobSpec spec = JobOf(Algorithm::kRandom);
  spec.controller.screening_images = 0;
  spec.space.overrides = {{.layers = "stem.*", .pin = "int5"}};  // so that no reference is in the space
  spec.cost.target = "1.3x int2";
  Trial run(spec);
  EXPECT_TRUE(run.plan->references.empty());
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(run.Cost(run.Final(*result)), run.plan->cheapest);
}

// The warm-up, and what comes after it, train what the algorithm's description says.
TEST(Precis, TrainsTheWidestAndThenItsAnswersInTurn) {
  JobSpec spec = ManyTargets(Algorithm::kPrecis, 3);
  spec.controller.warmup_share = 0.5;
  spec.controller.refinements = 2;
  Trial run(spec);
  run.sink.has_legs = true;
  ASSERT_TRUE(run.Go().ok());
  const Assignment widest = UniformAssignment(run.plan->layers.size(), ParseFormat("int8").value());
  int64_t step = 0;
  std::set<std::string> answers;
  for (const FakeOracle::Call& call : run.oracle.calls()) {
    if (call.kind != Kind::kTrain) continue;
    if (step < run.plan->warmup_steps) {
      EXPECT_EQ(call.assignment, widest) << step;
    } else if (step < run.plan->search_steps) {
      const size_t turn = static_cast<size_t>(step - run.plan->warmup_steps) % 3;
      EXPECT_LE(TotalCost(*run.plan->costs[0], call.assignment), run.plan->targets[turn]) << step;
      answers.insert(AssignmentText(call.assignment));
    }
    ++step;
  }
  EXPECT_GE(answers.size(), 3u);
}

TEST(Precis, EveryTargetsPartOfTheFrozenStepsTrainsOneConfigurationWithinIt) {
  Trial run(ManyTargets(Algorithm::kPrecis, 4));
  run.sink.has_legs = true;
  ASSERT_TRUE(run.Go().ok());
  std::vector<Assignment> trained;
  for (const FakeOracle::Call& call : run.oracle.calls()) {
    if (call.kind == Kind::kTrain) trained.push_back(call.assignment);
  }
  int64_t begin = run.plan->search_steps;
  for (size_t target = 0; target < 4; ++target) {
    const int64_t end = run.plan->LegEnd(target);
    ASSERT_LT(begin, end);
    for (int64_t step = begin; step < end; ++step) {
      EXPECT_EQ(trained[static_cast<size_t>(step)], trained[static_cast<size_t>(begin)]);
    }
    EXPECT_LE(TotalCost(*run.plan->costs[0], trained[static_cast<size_t>(begin)]), run.plan->targets[target]);
    begin = end;
  }
  EXPECT_EQ(begin, run.plan->total_steps);
}

// The mean over seeds of what each finds, judged without noise, or of the uniform int4 under the same
// weights.
double MeanFound(Algorithm algorithm, bool int4 = false) {
  double sum = 0;
  constexpr int kSeeds = 6;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    JobSpec spec = JobOf(algorithm);
    spec.seed = static_cast<uint64_t>(seed);
    spec.epochs *= 4;
    const auto plan = PlanOf(spec);
    FakeOracleOptions options = Matching(*plan);
    options.seed = static_cast<uint64_t>(seed);
    options.noise = 0.2;  // the luck of 2,000 images is not what is compared
    Trial run(plan, options);
    const auto result = run.Go();
    if (!result.ok()) return std::nan("");
    const Assignment uniform = UniformAssignment(plan->layers.size(), ParseFormat("int4").value());
    sum += run.oracle.TrueAccuracy(int4 ? uniform : run.Final(*result).assignment) / kSeeds;
  }
  return sum;
}

TEST(Precis, FindsWhatNoRivalBeatsWhereLayersAddUp) {
  const double precis = MeanFound(Algorithm::kPrecis);
  for (const Algorithm rival : kAll) {
    if (rival == Algorithm::kPrecis || rival == Algorithm::kUniform) continue;
    EXPECT_GE(precis, MeanFound(rival) - 0.003) << AlgorithmName(rival);
  }
  EXPECT_GT(precis, MeanFound(Algorithm::kPrecis, true) + 0.005);
}

}  // namespace
}  // namespace precis::search
