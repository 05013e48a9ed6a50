// Training the networks that are more than convolutions: transformers, squeeze-and-excite, parallel branches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "supernet/graph/model_zoo.h"
#include "supernet/graph/weight_file.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

// SquaresDataset with images of another size.
Dataset SquaresOf(int64_t side, int64_t train, int64_t test) {
  Dataset dataset = SquaresDataset();
  dataset.info.height = dataset.info.width = side;
  dataset.info.train_images = train;
  dataset.info.test_images = test;
  dataset.train = SquareImages(dataset.info, train, 1);
  dataset.test = SquareImages(dataset.info, test, 2);
  return dataset;
}

std::unique_ptr<Oracle> OracleOf(const ModelGraph& graph, Dataset dataset, const OracleOptions& options) {
  absl::StatusOr<std::unique_ptr<Oracle>> oracle = MakeSupernetOracle(graph, std::move(dataset), options);
  EXPECT_TRUE(oracle.ok()) << oracle.status();
  return *std::move(oracle);
}

double MeanLoss(Oracle& oracle, const Assignment& assignment, int steps) {
  double sum = 0;
  for (int i = 0; i < steps; ++i) {
    const absl::StatusOr<StepOutcome> outcome = oracle.TrainStep(assignment);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    if (outcome.ok()) sum += outcome->loss;
  }
  return sum / steps;
}

struct Trial {
  const char* model;
  double width;
  int64_t side;
  int64_t images;
  double learning_rate;
  double clip_norm;  // transformers need it; batch norms do without, and learn sooner
  int steps;
};

class ZooTraining : public ::testing::TestWithParam<Trial> {};

TEST_P(ZooTraining, AFewStepsReduceTheLoss) {
  const Trial& trial = GetParam();
  Dataset dataset = SquaresOf(trial.side, trial.images, 8);
  const ModelGraph graph = *BuildModel(trial.model, {.channels = 2,
                                                     .height = trial.side,
                                                     .width = trial.side,
                                                     .classes = 4,
                                                     .width_multiplier = trial.width});
  OracleOptions options = SmallOptions();
  options.search_images = 8;
  options.training.steps = trial.steps;
  options.training.batch_size = 16;
  options.training.learning_rate = trial.learning_rate;
  options.training.gradient_clip_norm = trial.clip_norm;
  options.training.gradient_explosion_factor = 0;
  for (const char* format : {"fp32", "int8", "mxint8"}) {
    SCOPED_TRACE(format);
    const Assignment assignment = UniformAssignment(graph.Layers().size(), *ParseFormat(format));
    const std::unique_ptr<Oracle> oracle = OracleOf(graph, dataset, options);
    const double first = MeanLoss(*oracle, assignment, 4);
    MeanLoss(*oracle, assignment, trial.steps - 8);
    const double last = MeanLoss(*oracle, assignment, 4);
    EXPECT_LT(last, 0.8 * first);
    const absl::StatusOr<Evaluation> evaluation = oracle->Evaluate(assignment, Split::kTest);
    ASSERT_TRUE(evaluation.ok()) << evaluation.status();
    EXPECT_EQ(evaluation->activation_ranges.size(), graph.ActivationOperands().size());
  }
}

void PrintTo(const Trial& trial, std::ostream* out) { *out << trial.model; }

INSTANTIATE_TEST_SUITE_P(Networks, ZooTraining,
                         ::testing::Values(Trial{"deit_tiny", 0.17, 8, 200, 0.05, 1, 32},
                                           Trial{"efficientnet_b0", 0.25, 8, 200, 0.1, 0, 24},
                                           Trial{"inception_v3", 0.25, 75, 64, 0.01, 0, 24}),
                         [](const auto& info) { return std::string(info.param.model); });

class AttentionTraining : public ::testing::Test {
 protected:
  static OracleOptions Options(RangeRule weights, RangeRule activations) {
    OracleOptions options = SmallOptions();
    options.training.ranges.weights = weights;
    options.training.ranges.activations = activations;
    return options;
  }
  static std::unique_ptr<Oracle> Make(const OracleOptions& options) {
    return OracleOf(AttentionGraph(), SquaresDataset(), options);
  }
  static Assignment Uniform(const char* name) {
    return UniformAssignment(AttentionGraph().Layers().size(), *ParseLayerFormats(name));
  }

  TempDir folder_;
};

TEST_F(AttentionTraining, LearnsThePatternInEveryKindOfFormatAndUnderEveryRule) {
  for (const char* format : {"int8", "e4m3", "mxfp8", "int8_affine", "int8+hadamard4", "int8+sr8"}) {
    SCOPED_TRACE(format);
    const auto oracle = Make(SmallOptions());
    MeanLoss(*oracle, Uniform(format), 60);
    EXPECT_GT(oracle->Evaluate(Uniform(format), Split::kTest)->quality.accuracy, 0.9);
  }
  for (const RangeRule rule : {RangeRule::kPercentile, RangeRule::kMeanSquareError, RangeRule::kMovingAverage,
                               RangeRule::kLearned}) {
    SCOPED_TRACE(static_cast<int>(rule));
    const auto oracle = Make(Options(rule == RangeRule::kMovingAverage ? RangeRule::kMaxAbs : rule, rule));
    MeanLoss(*oracle, Uniform("int4"), 60);
    EXPECT_GT(oracle->Evaluate(Uniform("int4"), Split::kTest)->quality.accuracy, 0.9);
  }
}

// A range for each operand of a product: that of the second belongs to the tensor, whoever else reads it.
TEST_F(AttentionTraining, SecondOperandsHaveLearnedRanges) {
  const auto oracle = Make(Options(RangeRule::kLearned, RangeRule::kLearned));
  const Assignment assignment = Uniform("e2m1/int4");  // weights and second operands in e2m1
  MeanLoss(*oracle, assignment, 30);
  const std::string path = folder_.path() + "/weights";
  ASSERT_TRUE(oracle->SaveWeights(assignment, path).ok());
  const WeightFile file = *ReadWeightFile(path);
  for (const char* name :
       {"k.heads.output_range.e2m1", "q.heads.output_range.int4", "softmax.output_range.int4",
        "part.output_range.e2m1", "part.relu.output_range.e2m1", "part.relu.output_range.int4"}) {
    ASSERT_TRUE(file.tensors.contains(name)) << name;
    EXPECT_GT(file.tensors.at(name).values.at(0), 0) << name;
  }
  EXPECT_FALSE(file.tensors.contains("scores.weight_range.e2m1"));

  const auto other = Make(Options(RangeRule::kLearned, RangeRule::kLearned));
  ASSERT_TRUE(other->LoadWeights(path).ok());
  const absl::StatusOr<Evaluation> before = oracle->Evaluate(assignment, Split::kTest);
  const absl::StatusOr<Evaluation> after = other->Evaluate(assignment, Split::kTest);
  EXPECT_EQ(before->quality.loss, after->quality.loss);
  EXPECT_EQ(before->activation_ranges, after->activation_ranges);
}

TEST_F(AttentionTraining, EqualOraclesAreEqualAndProbesChangeNothing) {
  const auto a = Make(SmallOptions());
  const auto b = Make(SmallOptions());
  const Assignment assignment = Uniform("int4");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(a->TrainStep(assignment)->loss, b->TrainStep(assignment)->loss);
    ASSERT_TRUE(a->Probe(assignment, 16, ProbeImages::kNext).ok());
    ASSERT_TRUE(a->Evaluate(assignment, Split::kSearch).ok());
  }
  EXPECT_EQ(a->Evaluate(assignment, Split::kTest)->quality.loss,
            b->Evaluate(assignment, Split::kTest)->quality.loss);
}

}  // namespace
}  // namespace precis
