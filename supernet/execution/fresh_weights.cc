// Random numbers from sums and products alone, so that no platform's logarithm has a say.
#include "supernet/execution/fresh_weights.h"

#include <ATen/ATen.h>

#include <cmath>
#include <variant>

#include "absl/strings/match.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr double kEmbeddingDeviation = 0.02;

// In (0, 1), from the generator's upper 53 bits.
double Uniform(std::mt19937_64& generator) {
  return (static_cast<double>(generator() >> 11) + 0.5) * 0x1p-53;
}

// Twelve uniforms have the variance of one normal; cut at two deviations.
double NearNormal(std::mt19937_64& generator) {
  while (true) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform(generator);
    if (std::fabs(sum) <= 2) return sum;
  }
}

template <typename Draw>
at::Tensor Drawn(const Shape& shape, const Draw& draw) {
  at::Tensor values = at::empty(shape, at::kFloat);
  float* data = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) data[i] = static_cast<float>(draw());
  return values;
}

// Uniform in (-bound, bound).
at::Tensor UniformTensor(const Shape& shape, double variance, std::mt19937_64& generator) {
  const double bound = std::sqrt(3 * variance);
  return Drawn(shape, [&] { return bound * (2 * Uniform(generator) - 1); });
}

bool IsBias(const ParameterInfo& parameter) { return absl::EndsWith(parameter.name, ".bias"); }

}  // namespace

at::Tensor FreshParameter(const NodeOp& op, const ParameterInfo& parameter, std::mt19937_64& generator) {
  const Shape& shape = parameter.shape;
  if (IsBias(parameter)) return at::zeros(shape);
  if (std::holds_alternative<Conv2dNode>(op)) {
    const auto fan_in = static_cast<double>(shape[1] * shape[2] * shape[3]);
    return UniformTensor(shape, 2 / fan_in, generator).contiguous(at::MemoryFormat::ChannelsLast);
  }
  if (std::holds_alternative<LinearNode>(op)) {
    return UniformTensor(shape, 1 / static_cast<double>(shape[1]), generator);
  }
  if (std::holds_alternative<BatchNormNode>(op) || std::holds_alternative<LayerNormNode>(op) ||
      std::holds_alternative<GainNode>(op)) {
    return at::ones(shape);
  }
  if (std::holds_alternative<OffsetNode>(op)) return at::zeros(shape);
  PRECIS_CHECK(std::holds_alternative<ClassTokenNode>(op) ||
               std::holds_alternative<PositionEmbeddingNode>(op));
  return Drawn(shape, [&] { return kEmbeddingDeviation * NearNormal(generator); });
}

bool Decays(const NodeOp& op, const ParameterInfo& parameter) {
  const bool is_layer = std::holds_alternative<Conv2dNode>(op) || std::holds_alternative<LinearNode>(op);
  return is_layer && !IsBias(parameter);
}

}  // namespace precis
