// Oracles that begin with weights from elsewhere, and measure against what those give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "supernet/graph/weight_file.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

class OwnWeightsTest : public ::testing::Test {
 protected:
  static Assignment Uniform(const char* format) {
    return UniformAssignment(SmallGraph().Layers().size(), *ParseFormat(format));
  }
  static Evaluation Evaluated(Oracle& oracle, const char* format, Split split) {
    const absl::StatusOr<Evaluation> evaluation = oracle.Evaluate(Uniform(format), split);
    EXPECT_TRUE(evaluation.ok()) << evaluation.status();
    return evaluation.ok() ? *evaluation : Evaluation{};
  }

  // Those of a small network that was trained a little.
  OwnWeightsTest() {
    const std::unique_ptr<Oracle> teacher = SmallOracle();
    for (int i = 0; i < 30; ++i) EXPECT_TRUE(teacher->TrainStep(Uniform("fp32")).ok());
    test_ = Evaluated(*teacher, "fp32", Split::kTest).quality;
    const std::string path = folder_.path() + "/weights";
    EXPECT_TRUE(teacher->SaveWeights(Uniform("fp32"), path).ok());
    options_.weights = std::make_shared<const WeightFile>(*ReadWeightFile(path));
    options_.training.steps = 0;
    options_.training.ranges = {.weights = RangeRule::kMeanSquareError,
                                .activations = RangeRule::kMeanSquareError};
  }

  TempDir folder_;
  Quality test_;
  OracleOptions options_ = SmallOptions();
};

TEST_F(OwnWeightsTest, FloatIsTheModelAsItWasGiven) {
  options_.against_float = true;
  const std::unique_ptr<Oracle> oracle = SmallOracle(options_);
  const Quality test = Evaluated(*oracle, "fp32", Split::kTest).quality;
  EXPECT_EQ(test.accuracy, test_.accuracy);
  EXPECT_NEAR(test.loss, test_.loss, 1e-5);
  const Quality search = Evaluated(*oracle, "fp32", Split::kSearch).quality;
  EXPECT_EQ(search.accuracy, 1);
  EXPECT_NEAR(search.loss, 0, 1e-6);
  EXPECT_EQ(search.images, 40);
}

TEST_F(OwnWeightsTest, WhatRoundsMoreAgreesLess) {
  for (const bool keep : {false, true}) {
    options_.against_float = true;
    options_.keep_statistics = keep;
    const std::unique_ptr<Oracle> oracle = SmallOracle(options_);
    const Evaluation int8 = Evaluated(*oracle, "int8", Split::kSearch);
    const Evaluation int2 = Evaluated(*oracle, "int2", Split::kSearch);
    EXPECT_GT(int8.quality.loss, 0);
    EXPECT_LT(int8.quality.loss, int2.quality.loss);
    EXPECT_EQ(Evaluated(*oracle, "int8", Split::kSearch).quality.loss, int8.quality.loss) << "A, B, A";
    const absl::StatusOr<Quality> probe = oracle->Probe(Uniform("int8"), 40, ProbeImages::kSame);
    ASSERT_TRUE(probe.ok());
    EXPECT_LT(probe->loss, int2.quality.loss);
    // Test images are judged by their labels.
    EXPECT_NEAR(Evaluated(*oracle, "int8", Split::kTest).quality.accuracy, test_.accuracy, 0.1);
  }
}

TEST_F(OwnWeightsTest, AFineFormatHardlyMovesTheStatistics) {
  options_.against_float = true;
  const std::unique_ptr<Oracle> oracle = SmallOracle(options_);
  const std::string path = folder_.path() + "/saved";
  ASSERT_TRUE(oracle->SaveWeights(Uniform("int16"), path).ok());
  const WeightFile saved = *ReadWeightFile(path);
  for (const auto& [name, tensor] : options_.weights->tensors) {
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      EXPECT_NEAR(saved.tensors.at(name).values[i], tensor.values[i], 0.05 + 0.3 * std::abs(tensor.values[i]))
          << name;
    }
  }
}

TEST_F(OwnWeightsTest, TrainingGoesOnFromThem) {
  options_.training.steps = 60;
  const std::unique_ptr<Oracle> oracle = SmallOracle(options_);
  const absl::StatusOr<StepOutcome> first = oracle->TrainStep(Uniform("int8"));
  ASSERT_TRUE(first.ok());
  EXPECT_LT(first->loss, std::log(4.0));
  EXPECT_NE(Evaluated(*oracle, "fp32", Split::kSearch).quality.loss, 0) << "by labels";
}

TEST_F(OwnWeightsTest, WhatDoesNotFitIsRefused) {
  WeightFile file = *options_.weights;
  file.tensors.erase("stem.conv.weight");
  options_.weights = std::make_shared<const WeightFile>(std::move(file));
  const absl::Status status = MakeSupernetOracle(SmallGraph(), SquaresDataset(), options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("stem.conv.weight is missing"));
  options_.weights = nullptr;
  options_.against_float = true;
  EXPECT_THAT(std::string(MakeSupernetOracle(SmallGraph(), SquaresDataset(), options_).status().message()),
              ::testing::HasSubstr("need weights"));
}

}  // namespace
}  // namespace precis
