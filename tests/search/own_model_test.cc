// Jobs about a model from a file: their plans, and whole searches that train nothing.
#include <gmock/gmock.h>

#include "search/model_check.h"
#include "supernet/graph/model_zoo.h"
#include "tests/search/search_trial.h"

namespace precis::search {
namespace {

using ::testing::HasSubstr;

// The network that a file would hold.
const ModelGraph& FromFile() {
  static const auto* const graph =
      new ModelGraph(*BuildModel("resnet8", {.channels = 1, .height = 28, .width = 28}));
  return *graph;
}

JobSpec OwnJob(Start start) {
  JobSpec spec;
  SetAlgorithmDefaults(Algorithm::kPrecis, spec);
  SetStartDefaults(start, spec);
  spec.model.path = "/models/own.onnx";
  spec.model.found = {.content = "f00d"};
  spec.data.name = "fashion_mnist";
  spec.space.formats = {"int2", "int3", "int4", "int8"};
  spec.cost.target = "1.1x int4";
  return spec;
}

std::shared_ptr<const Plan> OwnPlan(const JobSpec& spec) {
  const CompiledPlan compiled = CompilePlan(spec, SampleDatasets(), &FromFile());
  for (const Violation& violation : compiled.violations) {
    ADD_FAILURE() << violation.field << ": " << violation.message;
  }
  return compiled.plan;
}

TEST(OwnModel, AFileThatNobodyReadIsAViolation) {
  const CompiledPlan compiled = CompilePlan(OwnJob(Start::kFinetune), SampleDatasets());
  ASSERT_EQ(compiled.violations.size(), 1u);
  EXPECT_EQ(compiled.violations[0].field, "model.path");
}

TEST(OwnModel, EveryMisfitIsSaidAtOnce) {
  ModelGraph graph("own", {3, 8, 8});
  const Violations violations = CheckFit(graph, SampleDatasets()[0]);
  ASSERT_EQ(violations.size(), 3u);
  EXPECT_THAT(violations[0].message, HasSubstr("takes images of 3x8x8, and fashion_mnist has 1x28x28"));
  EXPECT_THAT(violations[1].message, HasSubstr("has 10 classes"));
  EXPECT_THAT(violations[2].message, HasSubstr("no formats to search"));
}

TEST(OwnModel, ContentAndStartDecideTheFingerprint) {
  std::set<std::string> fingerprints = {OwnPlan(OwnJob(Start::kFromScratch))->fingerprint,
                                        OwnPlan(OwnJob(Start::kFinetune))->fingerprint,
                                        OwnPlan(OwnJob(Start::kPostTraining))->fingerprint};
  JobSpec other = OwnJob(Start::kFinetune);
  other.model.found->content = "beef";
  fingerprints.insert(OwnPlan(other)->fingerprint);
  other.data.options.mean = {0.5};
  fingerprints.insert(OwnPlan(other)->fingerprint);
  EXPECT_EQ(fingerprints.size(), 5u);
}

TEST(OwnModel, TechniquesDecideTheFingerprintAndTheirOrderDoesNot) {
  const auto fingerprint = [](std::vector<Technique> techniques, double alpha) {
    JobSpec spec = OwnJob(Start::kPostTraining);
    spec.post_training.rewriting = {.techniques = std::move(techniques), .smooth_alpha = alpha};
    return OwnPlan(spec)->fingerprint;
  };
  const std::string plain = OwnPlan(OwnJob(Start::kPostTraining))->fingerprint;
  EXPECT_EQ(fingerprint({}, 0.7), plain) << "of what is not done";
  const std::string both = fingerprint({Technique::kSmooth, Technique::kGptq}, 0.5);
  EXPECT_EQ(fingerprint({Technique::kGptq, Technique::kSmooth}, 0.5), both);
  const std::set<std::string> all = {plain, both, fingerprint({Technique::kSmooth, Technique::kGptq}, 0.7),
                                     fingerprint({Technique::kSmooth}, 0.5)};
  EXPECT_EQ(all.size(), 4u);
}

TEST(OwnModel, LabelsAreTheDataSets) {
  JobSpec spec = OwnJob(Start::kFinetune);
  for (int i = 0; i < 10; ++i) spec.model.labels.push_back(std::string(1, static_cast<char>('a' + i)));
  EXPECT_EQ(OwnPlan(spec)->dataset.labels, spec.model.labels);
}

FakeOracleOptions Untrained() {
  FakeOracleOptions options;
  options.search_images = 2000;
  options.steps_to_learn = 1;
  return options;
}

TEST(PostTraining, NothingIsTrained) {
  for (const Algorithm algorithm : {Algorithm::kPrecis, Algorithm::kSensitivity, Algorithm::kUniform,
                                    Algorithm::kRandom, Algorithm::kEvolution}) {
    JobSpec spec = OwnJob(Start::kPostTraining);
    spec.controller.algorithm = algorithm;
    spec.controller.evaluations = 20;
    const auto plan = OwnPlan(spec);
    ASSERT_NE(plan, nullptr);
    EXPECT_EQ(plan->total_steps, 0);
    EXPECT_EQ(plan->spec.training.recalibration_images, 512);
    Trial run(plan, Untrained());
    const auto result = run.Go();
    ASSERT_TRUE(result.ok()) << AlgorithmName(algorithm) << ": " << result.status();
    ExpectSound(run, *result);
    EXPECT_EQ(result->images_trained, 0);
    const auto& progress = run.sink.progress;
    EXPECT_LT(progress[progress.size() / 2].fraction, 0.95) << AlgorithmName(algorithm);
  }
}

TEST(PostTraining, RefinementsMeasureAroundTheAnswer) {
  JobSpec spec = OwnJob(Start::kPostTraining);
  Trial plain(OwnPlan(spec), Untrained());
  ASSERT_TRUE(plain.Go().ok());
  spec.controller.refinements = 2;
  Trial refined(OwnPlan(spec), Untrained());
  ASSERT_TRUE(refined.Go().ok());
  EXPECT_GT(refined.Count(Kind::kProbe), plain.Count(Kind::kProbe));
}

TEST(PostTraining, EveryTargetIsAnswered) {
  JobSpec spec = OwnJob(Start::kPostTraining);
  spec.cost.target.clear();
  spec.cost.targets = {"1.5x int4", "1x int4", "1.1x int3"};
  Trial run(OwnPlan(spec), Untrained());
  run.sink.has_legs = true;
  const auto result = run.Go();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(run.Count(Kind::kTrain), 0);
  EXPECT_EQ(run.sink.progress.back().fraction, 1);
}

}  // namespace
}  // namespace precis::search
