// Moving averages and the share of work done.
#include "search/progress_meter.h"

#include <algorithm>
#include <cmath>

namespace precis::search {
namespace {

constexpr double kKeep = 1 - 1.0 / 50;

}  // namespace

void MovingAverage::Add(double value) {
  if (!std::isfinite(value)) return;
  sum_ = kKeep * sum_ + (1 - kKeep) * value;
  weight_ = kKeep * weight_ + (1 - kKeep);
}

ProgressMeter::ProgressMeter(const Plan& plan) {
  const JobSpec& spec = plan.spec;
  progress.total_steps = plan.total_steps;
  step_images_ = 3.0 * static_cast<double>(spec.training.batch_size);
  if (spec.reward.quality == QualitySource::kSearchAccuracy) {
    probe_images_ = static_cast<double>(spec.reward.probe_images);
  }
  const auto recalibration = static_cast<double>(spec.training.recalibration_images);
  search_images_ = recalibration + static_cast<double>(spec.data.search_images);
  test_images_ = recalibration + static_cast<double>(plan.dataset.test_images);
}

void ProgressMeter::Done(double images) {
  done_ += images;
  ahead_ = std::max(0.0, ahead_ - images);
  progress.fraction = std::max(progress.fraction, done_ / (done_ + ahead_));
}

void ProgressMeter::AddSample(double reward, double cost) {
  reward_.Add(reward);
  cost_.Add(cost);
  progress.reward = reward_.value();
  progress.cost = cost_.value();
}

void ProgressMeter::AddLoss(double loss, double accuracy) {
  loss_.Add(loss);
  accuracy_.Add(accuracy);
  progress.loss = loss_.value();
  progress.train_accuracy = accuracy_.value();
}

}  // namespace precis::search
