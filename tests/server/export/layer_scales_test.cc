// Scales and ranges, and every way in which weights may not fit the plan.
#include "server/export/layer_scales.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

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
  EXPECT_EQ(first.activation, 0.37f / 127.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(*first.activation_max), 0.37f);
  EXPECT_EQ(first.activation_min, -*first.activation_max);
}

TEST_F(LayerScalesTest, UnscaledFormatsHaveNoScales) {
  fixture_.candidate().assignment.layers[0] = {FormatNamed("bf16"), FormatNamed("fp16")};
  const auto scales = Compute();
  ASSERT_TRUE(scales.ok()) << scales.status();
  EXPECT_TRUE((*scales)[0].weight.empty());
  EXPECT_EQ((*scales)[0].activation, 1.0f);
  EXPECT_EQ((*scales)[0].activation_max, 65504.0);
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
