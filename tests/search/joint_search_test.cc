// Architectures and formats together: checks, costs, the choice within bounds, every algorithm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "search/anchors.h"
#include "search/cost/elastic_cost.h"
#include "search/joint_choice.h"
#include "search/search_loop.h"
#include "tests/fakes/fake_oracle.h"
#include "tests/fakes/temp_dir.h"
#include "tests/search/recording_sink.h"
#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

JobSpec JointJob(Algorithm algorithm = Algorithm::kPrecis) {
  JobSpec spec;
  SetAlgorithmDefaults(algorithm, spec);
  spec.model.name = "mobilenet_v2";
  spec.model.width_multiplier = 0.5;
  spec.data.name = "fashion_mnist";
  spec.data.search_images = 2000;
  spec.space.formats = {"int4", "int6", "int8"};
  spec.space.architecture = {.kernel = {3, 5}, .expansion = {3, 6}, .width = {0.5, 1}, .skip = true};
  spec.cost.target = "1x int4";
  spec.training.batch_size = 500;
  spec.epochs = 32.0 * 500 / 58000;
  return spec;
}

Violation OnlyViolation(const JobSpec& spec) {
  const CompiledPlan compiled = CompilePlan(spec, SampleDatasets());
  EXPECT_EQ(compiled.plan, nullptr);
  EXPECT_EQ(compiled.violations.size(), 1u);
  return compiled.violations.empty() ? Violation{} : compiled.violations.front();
}

TEST(JointSpec, FaultsNameTheFieldAndTheRemedy) {
  JobSpec spec = JointJob();
  spec.model.name = "resnet20";
  EXPECT_EQ(OnlyViolation(spec).field, "space.architecture");
  EXPECT_THAT(OnlyViolation(spec).message, AllOf(HasSubstr("resnet20"), HasSubstr("mobilenet_v2")));
  spec = JointJob();
  spec.space.architecture.kernel = {5, 7};
  EXPECT_EQ(OnlyViolation(spec).field, "space.architecture.kernel");
  EXPECT_THAT(OnlyViolation(spec).message, HasSubstr("lacks 3"));
  spec.space.architecture.kernel = {3, 4};
  EXPECT_EQ(OnlyViolation(spec).field, "space.architecture.kernel[1]");
  spec.space.architecture.kernel = {3, 3};
  EXPECT_THAT(OnlyViolation(spec).message, HasSubstr("already in the list"));
  spec = JointJob();
  spec.space.architecture.width = {0.5};
  EXPECT_EQ(OnlyViolation(spec).field, "space.architecture.width");
}

TEST(JointPlan, ListsOfTheNetworksOwnValuesAreNoSearch) {
  JobSpec spec = JointJob();
  spec.space.architecture = {.kernel = {3}, .expansion = {6}, .width = {1}};
  EXPECT_EQ(PlanOf(spec)->network, nullptr);
  JobSpec fixed = JointJob();
  fixed.space.architecture = {};
  EXPECT_EQ(PlanOf(spec)->fingerprint, PlanOf(fixed)->fingerprint);
  EXPECT_NE(PlanOf(JointJob())->fingerprint, PlanOf(fixed)->fingerprint);
  EXPECT_EQ(PlanOf(JointJob())->target, PlanOf(fixed)->target) << "targets are of the network's own";
  EXPECT_LT(PlanOf(JointJob())->cheapest, PlanOf(fixed)->cheapest);
  EXPECT_GT(PlanOf(JointJob())->dearest, PlanOf(fixed)->dearest);
}

TEST(JointCost, IsThatOfTheFixedNetwork) {
  const auto plan = PlanOf(JointJob());
  std::mt19937_64 generator(5);
  for (int i = 0; i < 10; ++i) {
    Choices choices;
    for (const Decision& decision : plan->space.decisions) {
      choices.push_back(static_cast<int>(generator() % decision.size()));
    }
    const Assignment assignment = plan->space.Apply(choices);
    const Assignment cut = plan->network->CutOut(assignment);
    const std::vector<Layer> layers = plan->GraphOf(assignment.architecture).Layers();
    ASSERT_EQ(cut.layers.size(), layers.size());
    for (const auto& cost : plan->costs) {
      const auto fixed = *MakeCostModel(cost->name(), layers);
      EXPECT_DOUBLE_EQ(TotalCost(*cost, assignment), TotalCost(*fixed, cut)) << cost->name();
    }
  }
}

// Seven widths or so and one format for all: few enough to try them all.
TEST(JointChoice, FindsTheBestOfASmallSpace) {
  JobSpec spec = JointJob();
  spec.space.architecture = {.width = {0.5, 1, 1.5}};
  spec.space.granularity = Granularity::kNetwork;
  const auto plan = PlanOf(spec);
  std::mt19937_64 generator(11);
  int exact = 0;
  constexpr int kTrials = 20;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<std::vector<double>> values;
    for (const Decision& decision : plan->space.decisions) {
      values.emplace_back();
      double value = 0;
      for (size_t o = 0; o < decision.size(); ++o) {
        value += static_cast<double>(generator() % 1000) / 1000;
        values.back().push_back(value);
      }
    }
    const double budget = plan->target * (0.4 + 0.1 * trial);
    const std::vector<CostBound> bounds = {{plan->costs[plan->constrained].get(), budget}};
    const auto value_of = [&](const Choices& choices) {
      double sum = 0;
      for (size_t d = 0; d < choices.size(); ++d) sum += values[d][static_cast<size_t>(choices[d])];
      return sum;
    };
    double best = -1;
    Choices each(plan->space.decisions.size(), 0);
    for (bool more = true; more;) {
      if (TotalCost(*bounds[0].model, plan->space.Apply(each)) <= budget)
        best = std::max(best, value_of(each));
      more = false;
      for (size_t d = 0; d < each.size() && !more; ++d) {
        more = static_cast<size_t>(++each[d]) < plan->space.decisions[d].size();
        if (!more) each[d] = 0;
      }
    }
    const std::optional<Choices> found = JointChoiceWithin(plan->space, values, bounds);
    ASSERT_EQ(found.has_value(), best >= 0);
    if (!found) continue;
    EXPECT_LE(TotalCost(*bounds[0].model, plan->space.Apply(*found)), budget);
    EXPECT_GE(value_of(*found), 0.95 * best);
    exact += value_of(*found) >= best - 1e-9;
    EXPECT_EQ(JointChoiceWithin(plan->space, values, bounds), found);
  }
  EXPECT_GE(exact, kTrials * 8 / 10);
}

TEST(JointChoice, KeepsWithinSeveralBounds) {
  JobSpec spec = JointJob();
  spec.cost.limits = {{.metric = "model_size", .at_most = "0.6x int4"}};
  const auto plan = PlanOf(spec);
  std::vector<std::vector<double>> values;
  for (const Decision& decision : plan->space.decisions) {
    values.emplace_back();
    for (size_t o = 0; o < decision.size(); ++o) values.back().push_back(static_cast<double>(o));
  }
  const Assignment best = plan->space.Apply(MostProbableWithin(*plan, values, plan->target));
  for (const CostLimit& limit : plan->limits) {
    const double cost = TotalCost(*plan->costs[limit.cost], best);
    EXPECT_LE(cost, limit.amount);
    EXPECT_GT(cost, 0.3 * limit.amount) << "spends its bounds";
  }
}

// A fake oracle that knows architectures: every step below the largest costs a little accuracy, kernels none.
class JointOracle final : public Oracle {
 public:
  explicit JointOracle(const Plan& plan) : plan_(plan), inner_(plan.graph, OptionsOf(plan)) {}

  absl::StatusOr<StepOutcome> TrainStep(const Assignment& assignment) override {
    trained.insert(assignment.architecture);
    return inner_.TrainStep(Fixed(assignment));
  }
  absl::StatusOr<Quality> Probe(const Assignment& assignment, int64_t images, ProbeImages which) override {
    absl::StatusOr<Quality> quality = inner_.Probe(Fixed(assignment), images, which);
    if (quality.ok()) Damage(assignment, *quality);
    return quality;
  }
  absl::StatusOr<Evaluation> Evaluate(const Assignment& assignment, Split split) override {
    absl::StatusOr<Evaluation> evaluation = inner_.Evaluate(Fixed(assignment), split);
    if (!evaluation.ok()) return evaluation;
    Damage(assignment, evaluation->quality);
    evaluation->activation_ranges.resize(plan_.network->CutOut(assignment).layers.size());
    return evaluation;
  }
  absl::Status SaveWeights(const Assignment& assignment, const std::string& path) override {
    return inner_.SaveWeights(Fixed(assignment), path);
  }
  absl::Status LoadWeights(const std::string& path) override { return inner_.LoadWeights(path); }
  absl::Status SaveState(const std::string& path) override { return inner_.SaveState(path); }
  absl::Status LoadState(const std::string& path) override { return inner_.LoadState(path); }

  std::set<Architecture> trained;
  double damage = 0.002;  // of one step below the largest

 private:
  static FakeOracleOptions OptionsOf(const Plan& plan) {
    FakeOracleOptions options;
    options.batch_size = plan.spec.training.batch_size;
    options.search_images = plan.spec.data.search_images;
    options.test_images = plan.dataset.test_images;
    options.steps_to_learn = 3;
    return options;
  }
  static Assignment Fixed(Assignment assignment) {
    assignment.architecture.clear();
    return assignment;
  }
  void Damage(const Assignment& assignment, Quality& quality) const {
    Architecture architecture = assignment.architecture;
    if (architecture.empty()) architecture = plan_.network->Own();
    for (size_t d = 0; d < architecture.size(); ++d) {
      const ElasticDimension& dimension = plan_.network->dimensions()[d];
      if (dimension.name.find("kernel") != std::string::npos) continue;
      const auto steps = static_cast<double>(dimension.options.size()) - 1 - architecture[d];
      quality.accuracy *= 1 - damage * steps;
      quality.loss += 3 * damage * steps;
    }
  }

  const Plan& plan_;
  FakeOracle inner_;
};

// What was screened says nothing; measured as a whole, small networks are better.
TEST(BestAnchor, TakesWhatMeasuresBest) {
  const auto plan = PlanOf(JointJob());
  JointOracle oracle(*plan);
  oracle.damage = -0.02;
  RecordingSink sink;
  OracleSession session(*plan, oracle, sink);
  Effects effects;
  for (const Decision& decision : plan->space.decisions) effects.emplace_back(decision.size(), 0.0);
  for (size_t d = 0; d < effects.size(); ++d) effects[d].back() = 0.001;  // wide formats where they fit
  const Choices answer = MostProbableWithin(*plan, effects, plan->target);
  std::mt19937_64 generator(1);
  const absl::StatusOr<Choices> best = BestAnchor(*plan, session, effects, answer, plan->target, generator);
  ASSERT_TRUE(best.ok());
  EXPECT_LE(TotalCost(*plan->costs[plan->constrained], plan->space.Apply(*best)), plan->target);
  EXPECT_EQ(plan->space.Apply(*best).architecture, plan->network->Smallest());
  EXPECT_NE(plan->space.Apply(answer).architecture, plan->network->Smallest());
}

TEST(JointSearch, EveryAlgorithmAnswersWithinTheTarget) {
  for (const Algorithm algorithm :
       {Algorithm::kPrecis, Algorithm::kReinforce, Algorithm::kFliqs, Algorithm::kTunas, Algorithm::kRandom,
        Algorithm::kEvolution, Algorithm::kSensitivity, Algorithm::kUniform}) {
    SCOPED_TRACE(AlgorithmName(algorithm));
    JobSpec spec = JointJob(algorithm);
    spec.cost.target = "0.5x int4";
    spec.finish.sampled_candidates = 4;
    const auto plan = PlanOf(spec);
    JointOracle oracle(*plan);
    RecordingSink sink;
    TempDir folder;
    const absl::StatusOr<SearchResult> result = RunSearch(*plan, oracle, sink, folder.path() + "/weights");
    ASSERT_TRUE(result.ok()) << result.status();
    const Candidate& final = sink.candidates[static_cast<size_t>(result->final_candidate - 1)];
    EXPECT_LE(final.costs[plan->constrained], plan->target);
    EXPECT_FALSE(final.assignment.architecture.empty()) << "its own costs twice as much";
    EXPECT_EQ(final.activation_ranges.size(), plan->network->CutOut(final.assignment).layers.size());
    EXPECT_EQ(sink.progress.back().fraction, 1);
    if (algorithm == Algorithm::kPrecis) {
      EXPECT_TRUE(oracle.trained.contains(plan->network->Largest()));
      EXPECT_TRUE(oracle.trained.contains(plan->network->Smallest()));
      EXPECT_GT(oracle.trained.size(), 5u);
      // Kernels cost and give nothing.
      for (size_t d = 0; d < final.assignment.architecture.size(); ++d) {
        if (plan->network->dimensions()[d].name != "stage1.block0.kernel") continue;
        EXPECT_EQ(final.assignment.architecture[d], 0);
      }
    }
  }
}

}  // namespace
}  // namespace precis::search
