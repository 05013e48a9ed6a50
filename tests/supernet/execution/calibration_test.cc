// Calibrated statistics are those of all images together, and average ranges.
#include "supernet/execution/calibration.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

class CalibrationTest : public ::testing::Test {
 protected:
  CalibrationTest()
      : dataset_(SquaresDataset()),
        images_(dataset_, dataset_.train, at::kCPU),
        net_(SmallGraph(), 3, at::kCPU),
        float_(UniformAssignment(net_.layer_count(), *ParseFormat("fp32"))),
        indices_(50) {
    std::iota(indices_.begin(), indices_.end(), 10);
  }

  Dataset dataset_;
  ImageStore images_;
  Supernet net_;
  Assignment float_;
  std::vector<int64_t> indices_;
};

// The stem's batch norm sees the same values in every batching, so its pooled moments must be those of one
// batch of everything; batches of 7 do not divide 50.
TEST_F(CalibrationTest, MomentsAreThoseOfAllImagesTogether) {
  const Calibration calibration = *Calibrate(net_, float_, images_, indices_, 7);
  const at::Tensor x = at::conv2d(images_.Get(indices_).images, net_.Weight(1), {}, 1, 1).detach();
  EXPECT_TRUE(at::allclose(calibration.mean[2], x.mean({0, 2, 3}), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(calibration.variance[2], x.var({0, 2, 3}, /*unbiased=*/false), 1e-4, 1e-5));
  EXPECT_FALSE(calibration.mean[1].defined());
}

TEST_F(CalibrationTest, RangesAreTheMeanOfEachBatchsMaxAbs) {
  const Calibration calibration = *Calibrate(net_, float_, images_, indices_, 25);
  const std::span<const int64_t> all(indices_);
  const float first = images_.Get(all.first(25)).images.abs().max().item<float>();
  const float second = images_.Get(all.last(25)).images.abs().max().item<float>();
  EXPECT_EQ(calibration.activation_ranges.size(), net_.layer_count());
  EXPECT_FLOAT_EQ(calibration.activation_ranges[0].item<float>(), (first + second) / 2);
}

TEST_F(CalibrationTest, DependsOnTheAssignment) {
  const Assignment int2 = UniformAssignment(net_.layer_count(), *ParseFormat("int2"));
  const Calibration a = *Calibrate(net_, float_, images_, indices_, 25);
  const Calibration b = *Calibrate(net_, int2, images_, indices_, 25);
  const Calibration c = *Calibrate(net_, float_, images_, indices_, 25);
  EXPECT_FALSE(at::equal(a.mean[2], b.mean[2]));
  EXPECT_TRUE(at::equal(a.mean[2], c.mean[2]));
  for (size_t i = 0; i < a.activation_ranges.size(); ++i) {
    EXPECT_TRUE(at::equal(a.activation_ranges[i], c.activation_ranges[i]));
  }
}

}  // namespace
}  // namespace precis
