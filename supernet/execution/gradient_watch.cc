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
  if (steps_ > 0 && log_norm > usual_log_ + log_factor && norm > factor_ * least_usual_) {
    usual_log_ += kRefusedRate * log_factor;
    return false;
  }
  ++steps_;
  // At first the plain mean, so that the first step does not weigh for long.
  usual_log_ += std::max(1.0 / static_cast<double>(steps_), kRate) * (log_norm - usual_log_);
  return true;
}

}  // namespace precis
