// Scales and ranges, and every way in which weights may not fit the plan.
#include "server/export/layer_scales.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "supernet/formats/range.h"
#include "supernet/formats/tensor_quantizer.h"
#include "tests/server/export/export_fixture.h"

namespace precis::server {
namespace {

using ::testing::HasSubstr;

class LayerScalesTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<LayerScales>> Compute() {
    return ComputeScales(fixture_.plan(), fixture_.candidate(), fixture_.weights());
  }
  WeightTensor& FirstWeight() {
    return fixture_.weights().tensors[fixture_.plan().layers[0].name + ".weight"];
  }

  ExportFixture fixture_;
};

TEST_F(LayerScalesTest, MapTheLargestMagnitudeToTheLargestCode) {
  WeightTensor& tensor = FirstWeight();
  const auto reduction = static_cast<size_t>(fixture_.plan().layers[0].reduction);
  std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
  tensor.values[0] = -12.7f;            // channel 0
  tensor.values[reduction + 2] = 0.5f;  // channel 1
  const auto scales = Compute();
  ASSERT_TRUE(scales.ok()) << scales.status();
  const LayerScales& first = (*scales)[0];  // int8 weight and input
  EXPECT_EQ(first.weight[0], 12.7f / 127.0f);
  EXPECT_EQ(first.weight[1], 0.5f / 127.0f);
  EXPECT_EQ(first.weight[2], 1.0f) << "an all-zero channel";
  EXPECT_EQ(first.activation.scale, 0.37f / 127.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(*first.activation.max), 0.37f);
  EXPECT_EQ(first.activation.min, -*first.activation.max);
}

TEST_F(LayerScalesTest, UnscaledFormatsHaveNoScales) {
  fixture_.candidate().assignment.layers[0] = {FormatNamed("bf16"), FormatNamed("fp16")};
  const auto scales = Compute();
  ASSERT_TRUE(scales.ok()) << scales.status();
  EXPECT_TRUE((*scales)[0].weight.empty());
  EXPECT_EQ((*scales)[0].activation.scale, 1.0f);
  EXPECT_EQ((*scales)[0].activation.max, 65504.0);
}

// Blocks run in the order kernel row, kernel column, input channel, which is not the file's.
TEST_F(LayerScalesTest, BlocksFollowTheChannelsOfAKernelPosition) {
  const size_t index = 1;
  WeightTensor& tensor = fixture_.weights().tensors[fixture_.plan().layers[index].name + ".weight"];
  ASSERT_EQ(tensor.shape, (std::vector<int64_t>{8, 72}));
  tensor.shape = {8, 8, 3, 3};
  for (const char* name : {"int4@e8m0:8", "nvint4", "mxint4+hadamard8"}) {
    SCOPED_TRACE(name);
    fixture_.candidate().assignment.layers[index].weight = FormatNamed(name);
    std::vector<float> in_order;
    for (size_t o = 0; o < 8; ++o) {
      for (size_t p = 0; p < 9; ++p) {
        for (size_t i = 0; i < 8; ++i) in_order.push_back(tensor.values[(o * 8 + i) * 9 + p]);
      }
    }
    const auto scales = Compute();
    ASSERT_TRUE(scales.ok()) << scales.status();
    // Groups of 8 divide a row of 72, so rotating along the row is rotating within each position.
    EXPECT_EQ((*scales)[index].weight, QuantizeTensor(FormatNamed(name), {}, in_order.data(), 8, 72).scales);
  }
}

TEST_F(LayerScalesTest, FollowTheRulesOfTheJob) {
  fixture_.candidate().assignment.layers[0].weight = FormatNamed("int3");
  const auto largest = Compute();
  const auto& values = FirstWeight().values;
  const auto reduction = static_cast<size_t>(fixture_.plan().layers[0].reduction);
  search::Plan plan = fixture_.plan();
  for (const RangeRule rule :
       {RangeRule::kPercentile, RangeRule::kMeanSquareError, RangeRule::kLearned, RangeRule::kMaxAbs}) {
    plan.spec.training.ranges = {.weights = rule, .percentile = 80};
    const auto scales = ComputeScales(plan, fixture_.candidate(), fixture_.weights());
    ASSERT_TRUE(scales.ok()) << scales.status();
    const ValueRange range = FindRange(FormatNamed("int3"), {rule, 80}, values.data(), reduction);
    EXPECT_EQ((*scales)[0].weight[0], range.high / 3);
    EXPECT_EQ(rule == RangeRule::kMaxAbs, (*scales)[0].weight == (*largest)[0].weight);
  }
}

TEST_F(LayerScalesTest, TakeLearnedRangesFromTheWeights) {
  search::Plan plan = fixture_.plan();
  const std::string name = plan.layers[0].name + ".weight_range.int8";
  const auto channels = static_cast<size_t>(plan.layers[0].output_channels);
  WeightTensor& learned = fixture_.weights().tensors[name];
  learned = {{plan.layers[0].output_channels}, std::vector<float>(channels, 0.254f)};
  plan.spec.training.ranges.weights = RangeRule::kLearned;
  const auto scales = ComputeScales(plan, fixture_.candidate(), fixture_.weights());
  ASSERT_TRUE(scales.ok()) << scales.status();
  EXPECT_EQ((*scales)[0].weight, std::vector<float>(channels, 0.254f / 127));
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity()}) {
    learned.values[1] = bad;
    const absl::Status status = ComputeScales(plan, fixture_.candidate(), fixture_.weights()).status();
    EXPECT_TRUE(absl::IsDataLoss(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
  learned.values.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(ComputeScales(plan, fixture_.candidate(), fixture_.weights()).status()));
}

TEST_F(LayerScalesTest, RefuseAMissingTensor) {
  const std::string name = fixture_.plan().layers[3].name + ".weight";
  fixture_.weights().tensors.erase(name);
  const absl::Status status = Compute().status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(name));
}

TEST_F(LayerScalesTest, RefuseATensorOfAnotherShape) {
  FirstWeight().shape[0] += 1;
  EXPECT_TRUE(absl::IsDataLoss(Compute().status()));
  FirstWeight().shape[0] -= 1;
  FirstWeight().values.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(Compute().status()));
  FirstWeight().shape.clear();
  EXPECT_TRUE(absl::IsDataLoss(Compute().status()));
}

TEST_F(LayerScalesTest, RefuseWeightsThatAreNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    FirstWeight().values[1] = bad;
    EXPECT_TRUE(absl::IsDataLoss(Compute().status()));
  }
}

TEST_F(LayerScalesTest, RefuseARangeThatIsNotFinite) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), HUGE_VAL, -1.0, 1e300}) {
    fixture_.candidate().activation_ranges[2] = {-bad, bad};
    const absl::Status status = Compute().status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr(fixture_.plan().layers[2].name));
  }
}

TEST_F(LayerScalesTest, RefuseACandidateWithoutCalibration) {
  fixture_.candidate().activation_ranges.clear();
  EXPECT_TRUE(absl::IsFailedPrecondition(Compute().status()));
}

}  // namespace
}  // namespace precis::server
