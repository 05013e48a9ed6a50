// A moving average of logarithms.
#include "supernet/execution/gradient_watch.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace precis {
namespace {

constexpr double kRate = 0.05;
constexpr double kRefusedRate = 0.005;

}  // namespace

bool GradientWatch::Accepts(double norm) {
  if (!std::isfinite(norm)) return false;
  if (factor_ == 0) return true;
  const double log_norm = std::log(std::max(norm, DBL_MIN));
  const double log_factor = std::log(factor_);
  if (known_.steps > 0 && log_norm > known_.usual_log + log_factor && norm > factor_ * least_usual_) {
    if (++known_.refused_run < kLastingRun) {
      known_.usual_log += kRefusedRate * log_factor;
      return false;
    }
    known_ = {};
  }
  known_.refused_run = 0;
  ++known_.steps;
  // At first the plain mean, so that the first step does not weigh for long.
  known_.usual_log +=
      std::max(1.0 / static_cast<double>(known_.steps), kRate) * (log_norm - known_.usual_log);
  return true;
}

}  // namespace precis
