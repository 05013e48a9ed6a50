// Signal to noise, measured and modelled.
#include "supernet/formats/analysis.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "supernet/formats/check.h"

namespace precis {
namespace {

double NormalDensity(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }

double NormalDistribution(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

double Decibels(double noise_to_signal) { return -10 * std::log10(noise_to_signal); }

}  // namespace

std::optional<double> SignalToNoise(const float* x, const float* q, size_t count) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < count; ++i) {
    const double value = x[i], off = value - q[i];
    signal += value * value;
    noise += off * off;
  }
  if (!std::isfinite(signal) || !std::isfinite(noise) || signal == 0) return std::nullopt;
  return noise == 0 ? std::numeric_limits<double>::infinity() : Decibels(noise / signal);
}

double IntegerSignalToNoise(int bits, double crest, const CrestModel& model) {
  const double ideal = Decibels(std::pow(model.overhead * crest, 2) / (3 * std::ldexp(1.0, 2 * bits)));
  return model.block == 0 ? ideal : ideal + 10 * std::log10(model.block / (model.block - 1.0));
}

double FloatSignalToNoise(const ElementFormat& element, double crest, const CrestModel& model) {
  PRECIS_CHECK(element.kind == ElementKind::kFloat);
  const double reach = model.overhead * crest;
  const double largest = MaxFinite(element);
  const double alpha = 1 / (24 * std::ldexp(1.0, 2 * element.mantissa_bits));
  const double beta =
      std::ldexp(1.0, 2 * (1 - element.bias - element.mantissa_bits)) / (12 * largest * largest);
  const double edge = reach / largest * std::ldexp(1.0, 1 - element.bias);
  double normals = 2 * (edge * NormalDensity(edge) + 1 - NormalDistribution(edge));
  if (model.block != 0) normals -= crest * crest / model.block;
  const double subnormals = 2 * NormalDistribution(edge) - 1;
  return Decibels(alpha * normals + beta * reach * reach * subnormals);
}

std::optional<double> CrossoverCrest(int integer_bits, const ElementFormat& element,
                                     const CrestModel& model) {
  const auto lead = [&](double crest) {
    return IntegerSignalToNoise(integer_bits, crest, model) - FloatSignalToNoise(element, crest, model);
  };
  double low = 1, high = 64;
  // With an exact largest element the float's noise must stay positive: κ² < g · normals.
  if (model.block != 0) high = std::min(high, std::sqrt(static_cast<double>(model.block)) * 0.999);
  if (!(lead(low) > 0) || !(lead(high) < 0)) return std::nullopt;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (lead(middle) > 0 ? low : high) = middle;
  }
  return low;
}

int LongestSafeChain(int headroom_a, int headroom_b) {
  PRECIS_CHECK(headroom_a >= 0 && headroom_a <= 14 && headroom_b >= 0 && headroom_b <= 14);
  const int64_t largest_a = (int64_t{1} << (15 - headroom_a)) - 1;
  const int64_t largest_b = (int64_t{1} << (15 - headroom_b)) - 1;
  return static_cast<int>(std::numeric_limits<int32_t>::max() / (largest_a * largest_b));
}

}  // namespace precis
