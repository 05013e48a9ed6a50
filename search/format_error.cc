// Rounding errors of normal values, and of the options of a search space.
#include "search/format_error.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <random>
#include <utility>

#include "supernet/formats/scalar.h"
#include "supernet/formats/tensor_quantizer.h"

namespace precis::search {
namespace {

constexpr double kReach = 4;  // standard deviations
constexpr int kPoints = 4000;
constexpr size_t kSamples = 8192;

// Normal, by Box and Muller, from a generator that gives the same numbers everywhere.
std::vector<float> NormalSamples() {
  std::mt19937_64 generator(1);
  const auto uniform = [&] { return (static_cast<double>(generator() >> 11) + 0.5) * 0x1p-53; };
  std::vector<float> samples;
  while (samples.size() < kSamples) {
    const double radius = std::sqrt(-2 * std::log(uniform())), angle = 2 * std::numbers::pi * uniform();
    samples.push_back(static_cast<float>(radius * std::cos(angle)));
    samples.push_back(static_cast<float>(radius * std::sin(angle)));
  }
  return samples;
}

double ErrorOfSamples(const Format& format, Values values) {
  std::vector<float> samples = NormalSamples();
  if (values == Values::kMagnitudes || !HoldsNegatives(format)) {
    for (float& sample : samples) sample = std::fabs(sample);
  }
  const QuantizedTensor quantized = QuantizeTensor(format, {}, samples.data(), 1, samples.size());
  double error = 0, square = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double off = static_cast<double>(samples[i]) - quantized.values[i];
    error += off * off;
    square += static_cast<double>(samples[i]) * samples[i];
  }
  return error / square;
}

}  // namespace

double RelativeError(const Format& format, Values values) {
  if (IsBlockScaled(format) || format.hadamard != 0 || format.stochastic_bits != 0 ||
      format.scale.zero_point || !HoldsNegatives(format)) {
    return ErrorOfSamples(format, values);
  }
  const float scale = ScaleForMaxAbs(format, static_cast<float>(kReach));
  double error = 0, square = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double x = kReach * (2 * (i + 0.5) / kPoints - 1);
    const double weight = std::exp(-x * x / 2);
    const double off = x - QuantizeScaled(format.element, static_cast<float>(x), scale);
    error += weight * off * off;
    square += weight * x * x;
  }
  return error / square;
}

std::vector<std::vector<double>> OptionErrors(const SearchSpace& space) {
  std::map<std::pair<Format, Values>, double> known;
  const auto error_of = [&known](const Format& format, Values values) {
    const auto [at, is_new] = known.emplace(std::pair(format, values), 0);
    if (is_new) at->second = RelativeError(format, values);
    return at->second;
  };
  std::vector<std::vector<double>> all;
  for (const Decision& decision : space.decisions) {
    std::vector<double> errors;
    for (size_t o = decision.variants.size(); o-- > 0;) {
      errors.push_back(static_cast<double>(o) / static_cast<double>(decision.variants.size() - 1));
    }
    const Values inputs = decision.nonnegative_input ? Values::kMagnitudes : Values::kNormal;
    for (const LayerFormats& option : decision.options) {
      errors.push_back(error_of(option.weight, Values::kNormal) + error_of(option.activation, inputs));
    }
    const double largest = *std::max_element(errors.begin(), errors.end());
    for (double& error : errors) error = largest > 0 ? error / largest : 0;
    all.push_back(std::move(errors));
  }
  return all;
}

}  // namespace precis::search
