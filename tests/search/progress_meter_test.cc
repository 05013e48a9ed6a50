// Moving averages and the share done.
#include "search/progress_meter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

TEST(MovingAverage, HasNoBiasTowardsItsStart) {
  MovingAverage average;
  EXPECT_EQ(average.value(), 0);
  average.Add(5);
  EXPECT_DOUBLE_EQ(average.value(), 5);
  for (int i = 0; i < 30; ++i) average.Add(5);
  EXPECT_DOUBLE_EQ(average.value(), 5);
  average.Add(std::nan(""));
  EXPECT_DOUBLE_EQ(average.value(), 5);
  for (int i = 0; i < 500; ++i) average.Add(7);
  EXPECT_NEAR(average.value(), 7, 1e-3);
}

TEST(ProgressMeter, CountsImages) {
  const auto plan = PlanOf(SampleJob());
  const ProgressMeter meter(*plan);
  EXPECT_EQ(meter.step_images(), 3 * 128);
  EXPECT_EQ(meter.probe_images(), 128);
  EXPECT_EQ(meter.evaluation_images(false), 2048 + 6000);
  EXPECT_EQ(meter.evaluation_images(true), 2048 + 10000);
  JobSpec by_loss = SampleJob();
  by_loss.reward.quality = QualitySource::kTrainLoss;
  EXPECT_EQ(ProgressMeter(*PlanOf(by_loss)).probe_images(), 0);
}

TEST(ProgressMeter, TheFractionNeverFallsAndEndsAtOne) {
  ProgressMeter meter(*PlanOf(SampleJob()));
  meter.SetAhead(100);
  meter.Done(50);
  EXPECT_DOUBLE_EQ(meter.progress.fraction, 0.5);
  meter.SetAhead(200);  // more than was thought
  meter.Done(10);
  EXPECT_DOUBLE_EQ(meter.progress.fraction, 0.5);
  meter.SetAhead(40);
  meter.Done(40);
  EXPECT_EQ(meter.progress.fraction, 1);
}

}  // namespace
}  // namespace precis::search
