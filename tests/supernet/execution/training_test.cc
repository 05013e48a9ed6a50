// Training through the oracle: it learns, it repeats itself, and harsh steps leave no trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "supernet/graph/model_zoo.h"
#include "supernet/graph/weight_file.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

class TrainingTest : public ::testing::Test {
 protected:
  static Assignment Uniform(const char* format) {
    return UniformAssignment(SmallGraph().Layers().size(), *ParseFormat(format));
  }

  static StepOutcome Step(Oracle& oracle, const Assignment& assignment) {
    const absl::StatusOr<StepOutcome> outcome = oracle.TrainStep(assignment);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome : StepOutcome{};
  }

  WeightFile Weights(Oracle& oracle) const {
    const std::string path = folder_.path() + "/weights";
    EXPECT_TRUE(oracle.SaveWeights(Uniform("fp32"), path).ok());
    return *ReadWeightFile(path);
  }

  absl::Status LoadStatus(Oracle& oracle, const WeightFile& file) const {
    const std::string path = folder_.path() + "/loaded";
    EXPECT_TRUE(WriteWeightFile(file, path).ok());
    return oracle.LoadWeights(path);
  }

  void Load(Oracle& oracle, const WeightFile& file) const { ASSERT_TRUE(LoadStatus(oracle, file).ok()); }

  static void ExpectLearns(Oracle& oracle, const Assignment& assignment, const std::string& what) {
    for (int i = 0; i < 60; ++i) EXPECT_TRUE(Step(oracle, assignment).applied) << what;
    const absl::StatusOr<Evaluation> evaluation = oracle.Evaluate(assignment, Split::kTest);
    ASSERT_TRUE(evaluation.ok()) << evaluation.status();
    EXPECT_GT(evaluation->quality.accuracy, 0.9) << what;
    EXPECT_LT(evaluation->quality.loss, 0.7) << what;
  }

  static bool SameParameters(const WeightFile& a, const WeightFile& b) {
    for (const auto& [name, tensor] : a.tensors) {
      if (tensor.values != b.tensors.at(name).values) return false;
    }
    return true;
  }

  // L2 distance over parameters, running statistics not counted.
  static double Distance(const WeightFile& a, const WeightFile& b) {
    double squares = 0;
    for (const auto& [name, tensor] : a.tensors) {
      if (name.find(".running_") != std::string::npos) continue;
      for (size_t i = 0; i < tensor.values.size(); ++i) {
        squares += std::pow(double{tensor.values[i]} - double{b.tensors.at(name).values[i]}, 2);
      }
    }
    return std::sqrt(squares);
  }

  TempDir folder_;
};

TEST_F(TrainingTest, LearnsThePatternInEveryKindOfFormat) {
  for (const char* format : {"fp32", "int8", "int4", "e4m3", "bf16+sr8", "int8+sr8", "int8_affine",
                             "int8@fp32:tensor", "dfp16", "mxint8", "mxint4", "mxfp8", "mxfp6", "mxfp4",
                             "nvfp4", "nvint4", "mxint4+hadamard4", "mxfp4+sr8", "int4@fp32:8"}) {
    const std::unique_ptr<Oracle> oracle = SmallOracle();
    ExpectLearns(*oracle, Uniform(format), format);
  }
}

TEST_F(TrainingTest, LearnsThePatternUnderEveryRule) {
  for (const RangeRule rule : {RangeRule::kPercentile, RangeRule::kMeanSquareError, RangeRule::kMovingAverage,
                               RangeRule::kLearned}) {
    for (const char* format : {"int3", "e2m1", "uint4_affine", "int4+hadamard4", "nvint4"}) {
      OracleOptions options = SmallOptions();
      if (rule != RangeRule::kMovingAverage) options.training.ranges.weights = rule;
      options.training.ranges.activations = rule;
      const std::unique_ptr<Oracle> oracle = SmallOracle(options);
      ExpectLearns(*oracle, Uniform(format), absl::StrCat("rule ", static_cast<int>(rule), ", ", format));
    }
  }
}

TEST_F(TrainingTest, UnsignedActivationsLearnBehindARelu) {
  Assignment assignment = Uniform("int4");
  const std::vector<Layer> layers = SmallGraph().Layers();
  int unsigned_layers = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].nonnegative_input) continue;
    assignment.layers[i].activation = *ParseFormat("uint4");
    ++unsigned_layers;
  }
  EXPECT_EQ(unsigned_layers,
            4);  // not the stem, which reads images, nor those behind a linear layer or a batch norm
  const std::unique_ptr<Oracle> oracle = SmallOracle();
  ExpectLearns(*oracle, assignment, "uint4");
}

// A learned range belongs to a tensor and a format; it moves with the steps that use it and is saved and
// loaded.
TEST_F(TrainingTest, LearnedRangesAreParametersOfTheirFormat) {
  OracleOptions options = SmallOptions();
  options.training.ranges = {.weights = RangeRule::kLearned, .activations = RangeRule::kLearned};
  const std::unique_ptr<Oracle> oracle = SmallOracle(options);
  Step(*oracle, Uniform("int3"));
  const WeightFile first = Weights(*oracle);
  EXPECT_EQ(first.tensors.count("stem.conv.weight_range.int3"), 1u);
  EXPECT_EQ(first.tensors.count("input.output_range.int3"), 1u);
  EXPECT_EQ(first.tensors.at("stem.conv.weight_range.int3").shape, std::vector<int64_t>{8});
  EXPECT_TRUE(first.tensors.at("input.output_range.int3").shape.empty());
  EXPECT_EQ(first.tensors.count("stem.conv.weight_range.int4"), 0u);
  Step(*oracle, Uniform("int3"));
  const WeightFile second = Weights(*oracle);
  Step(*oracle, Uniform("int4"));
  const WeightFile later = Weights(*oracle);
  for (const char* name : {"stem.conv.weight_range.int3", "input.output_range.int3"}) {
    EXPECT_NE(second.tensors.at(name).values, first.tensors.at(name).values) << name;
    EXPECT_EQ(later.tensors.at(name).values, second.tensors.at(name).values)
        << name << " in a step without it";
  }
  EXPECT_EQ(later.tensors.count("stem.conv.weight_range.int4"), 1u);

  const std::unique_ptr<Oracle> loaded = SmallOracle(options);
  Load(*loaded, later);
  EXPECT_TRUE(SameParameters(Weights(*loaded), later));
  EXPECT_EQ(loaded->Evaluate(Uniform("int3"), Split::kTest)->quality.loss,
            oracle->Evaluate(Uniform("int3"), Split::kTest)->quality.loss);

  WeightFile bad = later;
  for (const float value : {-1.0f, 0.0f, std::numeric_limits<float>::infinity()}) {
    bad.tensors.at("stem.conv.weight_range.int3").values[0] = value;
    EXPECT_EQ(LoadStatus(*loaded, bad).code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_TRUE(SameParameters(Weights(*loaded), later));
  bad = later;
  bad.tensors["stem.conv.weight_range.mxfp4"] = bad.tensors.at("stem.conv.weight_range.int3");
  EXPECT_EQ(LoadStatus(*loaded, bad).code(), absl::StatusCode::kInvalidArgument);
}

// What a refused batch would have begun to learn is forgotten with it.
TEST_F(TrainingTest, ARefusedStepBeginsToLearnNothing) {
  OracleOptions options = SmallOptions();
  options.training.ranges = {.weights = RangeRule::kLearned, .activations = RangeRule::kLearned};
  options.training.explosion_factor = 1.0001 / std::log(4.0);  // an untrained network does not meet that
  const std::unique_ptr<Oracle> oracle = SmallOracle(options);
  const WeightFile before = Weights(*oracle);
  EXPECT_FALSE(Step(*oracle, Uniform("int3")).applied);
  EXPECT_TRUE(SameParameters(Weights(*oracle), before));
  EXPECT_EQ(Weights(*oracle).tensors.size(), before.tensors.size());
}

// Under max_abs nothing is clipped; a percentile of the batch clips, and the calibrated range says where.
TEST_F(TrainingTest, RulesDecideTheCalibratedRanges) {
  std::vector<double> ranges;
  for (const RangeRule rule : {RangeRule::kMaxAbs, RangeRule::kPercentile, RangeRule::kMeanSquareError}) {
    OracleOptions options = SmallOptions();
    options.training.ranges.activations = rule;
    options.training.ranges.percentile = 90;
    const absl::StatusOr<Evaluation> evaluation =
        SmallOracle(options)->Evaluate(Uniform("int3"), Split::kSearch);
    ASSERT_TRUE(evaluation.ok());
    ranges.push_back(evaluation->activation_ranges[0].high);
    EXPECT_EQ(evaluation->activation_ranges[0].low, -evaluation->activation_ranges[0].high);
  }
  EXPECT_LT(ranges[1], ranges[0]);
  EXPECT_LT(ranges[2], ranges[0]);
  const absl::StatusOr<Evaluation> affine = SmallOracle()->Evaluate(Uniform("uint8_affine"), Split::kSearch);
  EXPECT_EQ(affine->activation_ranges[1].low, 0) << "behind a ReLU";
  EXPECT_LT(affine->activation_ranges[0].low, 0);
  EXPECT_NE(affine->activation_ranges[0].low, -affine->activation_ranges[0].high);
}

TEST_F(TrainingTest, EqualOraclesHaveEqualWeightsBitForBit) {
  const std::unique_ptr<Oracle> a = SmallOracle();
  const std::unique_ptr<Oracle> b = SmallOracle();
  OracleOptions other = SmallOptions();
  other.training.seed = 2;
  const std::unique_ptr<Oracle> c = SmallOracle(other);
  for (const char* format : {"int4", "fp32", "int3", "e2m1", "int8"}) {
    EXPECT_EQ(Step(*a, Uniform(format)).loss, Step(*b, Uniform(format)).loss);
    Step(*c, Uniform(format));
  }
  EXPECT_TRUE(SameParameters(Weights(*a), Weights(*b)));
  EXPECT_FALSE(SameParameters(Weights(*a), Weights(*c)));
}

// Weights scaled so that the loss is huge, infinite or NaN.
TEST_F(TrainingTest, AnExplodedStepTouchesNothing) {
  for (const float factor : {1e4f, 1e30f, 3e38f}) {
    SCOPED_TRACE(factor);
    const std::unique_ptr<Oracle> oracle = SmallOracle();
    Step(*oracle, Uniform("int8"));
    WeightFile poisoned = Weights(*oracle);
    for (float& value : poisoned.tensors.at("head.classifier.weight").values)
      value = value > 0 ? factor : -factor;
    Load(*oracle, poisoned);
    const WeightFile before = Weights(*oracle);
    for (int i = 0; i < 3; ++i) {
      const StepOutcome outcome = Step(*oracle, Uniform("int8"));
      EXPECT_FALSE(outcome.applied);
      EXPECT_FALSE(outcome.loss < 4 * std::log(4.0));
    }
    EXPECT_TRUE(SameParameters(Weights(*oracle), before));
  }
}

// Two oracles that differ in which harsh step they refused, and in nothing else, go on alike.
TEST_F(TrainingTest, ARefusedStepLeavesNoTraceInTheMomentum) {
  const std::unique_ptr<Oracle> teacher = SmallOracle();
  for (int i = 0; i < 60; ++i) Step(*teacher, Uniform("fp32"));
  const WeightFile trained = Weights(*teacher);

  // A loss that the trained weights keep in float and not in two bits.
  OracleOptions options = SmallOptions();
  options.training.explosion_factor = 0.6 / std::log(4.0);
  Assignment nearly_int2 = Uniform("int2");
  nearly_int2.layers.back() = {*ParseFormat("fp32"), *ParseFormat("fp32")};
  const std::unique_ptr<Oracle> a = SmallOracle(options);
  const std::unique_ptr<Oracle> b = SmallOracle(options);
  for (const auto& [oracle, harsh] : {std::pair{a.get(), Uniform("int2")}, {b.get(), nearly_int2}}) {
    Load(*oracle, trained);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(Step(*oracle, Uniform("fp32")).applied);
    const WeightFile before = Weights(*oracle);
    EXPECT_FALSE(Step(*oracle, harsh).applied);
    EXPECT_TRUE(SameParameters(Weights(*oracle), before));
  }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Step(*a, Uniform("fp32")).loss, Step(*b, Uniform("fp32")).loss);
  EXPECT_TRUE(SameParameters(Weights(*a), Weights(*b)));
}

TEST_F(TrainingTest, AStepWhoseGradientExplodesIsRefused) {
  OracleOptions options = SmallOptions();
  options.training.explosion_factor = 1e6;  // the loss is not to blame
  for (const double factor : {5.0, 0.0}) {
    options.training.gradient_explosion_factor = factor;
    const std::unique_ptr<Oracle> oracle = SmallOracle(options);
    for (int i = 0; i < 40; ++i) EXPECT_TRUE(Step(*oracle, Uniform("fp32")).applied);
    const WeightFile before = Weights(*oracle);
    const StepOutcome harsh = Step(*oracle, Uniform("int2"));
    EXPECT_TRUE(std::isfinite(harsh.loss));
    EXPECT_EQ(harsh.applied, factor == 0);
    EXPECT_EQ(SameParameters(Weights(*oracle), before), factor != 0);
    EXPECT_TRUE(Step(*oracle, Uniform("fp32")).applied);
  }
}

TEST_F(TrainingTest, WeightFilesSayHowPixelsWereNormalised) {
  const WeightFile file = Weights(*SmallOracle());
  for (const char* key : {"pixel_mean", "pixel_stddev"}) {
    ASSERT_TRUE(file.metadata.contains(key)) << key;
    EXPECT_GT(std::stod(file.metadata.at(key)), 0) << key;
  }
}

TEST_F(TrainingTest, ClippingBoundsTheStep) {
  OracleOptions options = SmallOptions();
  options.training.momentum = 0;
  options.training.nesterov = false;
  options.training.weight_decay = 0;
  options.training.warmup_share = 0;
  options.training.gradient_clip_norm = 1e-3;
  const std::unique_ptr<Oracle> clipped = SmallOracle(options);
  const WeightFile before = Weights(*clipped);
  Step(*clipped, Uniform("int8"));
  EXPECT_NEAR(Distance(Weights(*clipped), before), options.training.learning_rate * 1e-3, 1e-6);

  options.training.gradient_clip_norm = 0;
  const std::unique_ptr<Oracle> free = SmallOracle(options);
  Step(*free, Uniform("int8"));
  const double free_distance = Distance(Weights(*free), before);
  EXPECT_GT(free_distance, 10 * options.training.learning_rate * 1e-3);

  options.training.gradient_clip_norm = 1e3;
  const std::unique_ptr<Oracle> loose = SmallOracle(options);
  Step(*loose, Uniform("int8"));
  EXPECT_EQ(Distance(Weights(*loose), before), free_distance);
}

TEST_F(TrainingTest, LabelSmoothingRaisesTheTrainingLossOnly) {
  OracleOptions options = SmallOptions();
  const std::unique_ptr<Oracle> hard = SmallOracle(options);
  options.training.label_smoothing = 0.2;
  const std::unique_ptr<Oracle> smooth = SmallOracle(options);
  EXPECT_EQ(hard->Evaluate(Uniform("fp32"), Split::kSearch)->quality.loss,
            smooth->Evaluate(Uniform("fp32"), Split::kSearch)->quality.loss);
  EXPECT_NE(Step(*hard, Uniform("fp32")).loss, Step(*smooth, Uniform("fp32")).loss);
}

TEST_F(TrainingTest, TheScheduleEndsAtARateOfZero) {
  OracleOptions options = SmallOptions();
  options.training.steps = 3;
  const std::unique_ptr<Oracle> oracle = SmallOracle(options);
  for (int i = 0; i < 3; ++i) Step(*oracle, Uniform("fp32"));
  const WeightFile end = Weights(*oracle);
  Step(*oracle, Uniform("fp32"));
  EXPECT_TRUE(SameParameters(Weights(*oracle), end));
}

// The images of a set one by one, as if from files.
class SetFiles final : public ImageFiles {
 public:
  explicit SetFiles(ImageSet set) : set_(std::move(set)), bytes_(set_.pixels.size() / set_.labels.size()) {}
  absl::Status Read(int64_t index, uint8_t* out) const override {
    if (index == gone) return absl::DataLossError("'x.jpg' is gone");
    std::copy_n(set_.pixels.begin() + index * static_cast<int64_t>(bytes_), bytes_, out);
    return absl::OkStatus();
  }
  int64_t gone = -1;

 private:
  const ImageSet set_;
  const size_t bytes_;
};

Dataset SquaresInFiles() {
  Dataset dataset = SquaresDataset();
  for (ImageSet* set : {&dataset.train, &dataset.test}) {
    set->files = std::make_shared<SetFiles>(*set);
    set->pixels.clear();
  }
  return dataset;
}

// What a few steps and measurements give, exactly.
std::vector<double> Figures(Dataset dataset, const OracleOptions& options) {
  const std::unique_ptr<Oracle> oracle = *MakeSupernetOracle(SmallGraph(), std::move(dataset), options);
  const Assignment int8 = UniformAssignment(7, *ParseFormat("int8"));
  std::vector<double> figures;
  DataReport report;
  for (int i = 0; i < 12; ++i) {
    const StepOutcome outcome = *oracle->TrainStep(int8);
    figures.push_back(outcome.loss);
    report = outcome.data;
  }
  figures.push_back(oracle->Probe(int8, 30, ProbeImages::kNext)->loss);
  figures.push_back(oracle->Evaluate(int8, Split::kSearch)->quality.loss);
  figures.push_back(oracle->Evaluate(int8, Split::kTest)->quality.loss);
  EXPECT_GT(report.loader_wait_share, 0);
  EXPECT_LE(report.loader_wait_share, 1);
  return figures;
}

TEST_F(TrainingTest, ImagesInFilesGiveTheSameBitsAsImagesInMemory) {
  OracleOptions options = SmallOptions();
  const std::vector<double> in_memory = Figures(SquaresDataset(), options);
  for (const int64_t threads : {1, 3}) {
    options.data.loader_threads = threads;
    EXPECT_EQ(Figures(SquaresInFiles(), options), in_memory);
  }
}

TEST_F(TrainingTest, VariedImagesAreTheSameFromAnywhereAndOnlyTrainedOn) {
  OracleOptions options = SmallOptions();
  const std::vector<double> plain = Figures(SquaresDataset(), options);
  options.data.augment = {.crop_padding = 2, .flip = true};
  const std::vector<double> varied = Figures(SquaresDataset(), options);
  EXPECT_NE(varied[0], plain[0]);
  options.data.loader_threads = 3;
  EXPECT_EQ(Figures(SquaresInFiles(), options), varied);
  // Under the weights of the start, everything is measured as without variation.
  const Assignment fp32 = UniformAssignment(7, *ParseFormat("fp32"));
  EXPECT_EQ(SmallOracle(options)->Evaluate(fp32, Split::kSearch)->quality.loss,
            SmallOracle()->Evaluate(fp32, Split::kSearch)->quality.loss);
}

TEST_F(TrainingTest, AnImageThatVanishesEndsTheTrainingByName) {
  Dataset dataset = SquaresInFiles();
  const auto files = std::make_shared<SetFiles>(SquaresDataset().train);
  files->gone = 17;
  dataset.train.files = files;
  dataset.skipped_images = 3;
  const std::unique_ptr<Oracle> oracle =
      *MakeSupernetOracle(SmallGraph(), std::move(dataset), SmallOptions());
  absl::Status status;
  int64_t skipped = 0;
  for (int i = 0; i < 10 && status.ok(); ++i) {
    const absl::StatusOr<StepOutcome> outcome = oracle->TrainStep(UniformAssignment(7, *ParseFormat("int8")));
    status = outcome.status();
    if (!status.ok()) break;
    skipped = outcome->data.skipped_images;
    status = oracle->Evaluate(UniformAssignment(7, *ParseFormat("int8")), Split::kSearch).status();
  }
  EXPECT_EQ(skipped, 3);
  EXPECT_EQ(status, absl::DataLossError("'x.jpg' is gone"));
}

TEST(FashionMnistTraining, LossFallsWithinAFewBatches) {
  const DatasetInfo info = *FindDataset("fashion_mnist");
  const ModelGraph graph = *BuildModel("resnet8", {.channels = 1, .height = 28, .width = 28});
  OracleOptions options;
  options.training.steps = 30;
  options.training.batch_size = 64;
  options.training.warmup_share = 0.2;
  options.training.recalibration_images = 256;
  options.training.threads = 1;
  options.search_images = 500;
  const absl::StatusOr<std::unique_ptr<Oracle>> oracle =
      MakeSupernetOracle(graph, *LoadDataset(info, ""), options);
  ASSERT_TRUE(oracle.ok()) << oracle.status();
  const Assignment int8 = UniformAssignment(graph.Layers().size(), *ParseFormat("int8"));
  double first = 0;
  double last = 0;
  for (int i = 0; i < 30; ++i) {
    const absl::StatusOr<StepOutcome> outcome = (*oracle)->TrainStep(int8);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_TRUE(outcome->applied);
    if (i < 5) first += outcome->loss / 5;
    if (i >= 25) last += outcome->loss / 5;
  }
  EXPECT_LT(last, 0.6 * first);
  const absl::StatusOr<Evaluation> evaluation = (*oracle)->Evaluate(int8, Split::kSearch);
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_GT(evaluation->quality.accuracy, 0.5);
}

}  // namespace
}  // namespace precis
