// Rounding errors of normal values, and of the options of a search space.
#include "search/format_error.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "supernet/formats/scalar.h"

namespace precis::search {
namespace {

constexpr double kReach = 4;  // standard deviations
constexpr int kPoints = 4000;

}  // namespace

double RelativeError(const Format& format) {
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
  std::map<Format, double> known;
  const auto error_of = [&known](const Format& format) {
    const auto [at, is_new] = known.emplace(format, 0);
    if (is_new) at->second = RelativeError(format);
    return at->second;
  };
  std::vector<std::vector<double>> all;
  for (const Decision& decision : space.decisions) {
    std::vector<double> errors;
    for (const LayerFormats& option : decision.options) {
      errors.push_back(error_of(option.weight) + error_of(option.activation));
    }
    const double largest = *std::max_element(errors.begin(), errors.end());
    for (double& error : errors) error = largest > 0 ? error / largest : 0;
    all.push_back(std::move(errors));
  }
  return all;
}

}  // namespace precis::search
