// The gradient is written out: it is two matrix products.
#include "supernet/execution/learned_rounding.h"

#include <ATen/ATen.h>

#include <cmath>

#include "supernet/execution/gptq.h"

namespace precis {
namespace {

constexpr double kStretch = 1.2;  // ζ - γ
constexpr double kShift = -0.1;   // γ
constexpr double kWarmUp = 0.2;
constexpr double kFirstPower = 20;
constexpr double kLastPower = 2;

class Adam {
 public:
  explicit Adam(double rate) : rate_(rate) {}

  // Kingma and Ba 2015, with their constants.
  void Step(at::Tensor& value, const at::Tensor& gradient) {
    if (!mean_.defined()) {
      mean_ = at::zeros_like(value);
      square_ = at::zeros_like(value);
    }
    ++steps_;
    mean_.mul_(0.9).add_(gradient, 0.1);
    square_.mul_(0.999).addcmul_(gradient, gradient, 0.001);
    const double mean_weight = 1 - std::pow(0.9, steps_);
    const double square_weight = 1 - std::pow(0.999, steps_);
    value.sub_((mean_ / mean_weight) / ((square_ / square_weight).sqrt_().add_(1e-8)), rate_);
  }

 private:
  double rate_;
  int steps_ = 0;
  at::Tensor mean_;
  at::Tensor square_;
};

}  // namespace

at::Tensor LearnRounding(const WeightGrid& grid, const at::Tensor& second, const at::Tensor& cross,
                         const LearnedRoundingOptions& options) {
  const at::Tensor& weights = grid.weights();
  const auto [lower, upper] = grid.NeighboursOf(weights, 0);
  const at::Tensor gap = upper - lower;
  const at::Tensor free = gap.gt(0);
  const at::Tensor share = at::where(free, (weights - lower) / gap, at::zeros_like(gap)).clamp_(0, 1);

  const at::Tensor plain = weights.to(at::kDouble);
  const at::Tensor energy = (at::bmm(plain, second) * plain).sum(2, /*keepdim=*/true);
  const at::Tensor unit = at::where(energy.gt(0), energy.reciprocal(), at::zeros_like(energy));
  const at::Tensor unit_f = unit.to(at::kFloat);
  const at::Tensor second_f = second.to(at::kFloat);
  const at::Tensor aim = at::bmm(plain, cross).to(at::kFloat);

  at::Tensor v = -at::log(kStretch / (share - kShift) - 1);
  Adam adam(options.rate);
  const double warm_up = kWarmUp * static_cast<double>(options.steps);
  for (int64_t step = 0; step < options.steps; ++step) {
    const at::Tensor sigmoid = at::sigmoid(v);
    const at::Tensor stretched = sigmoid * kStretch + kShift;
    const at::Tensor h = stretched.clamp(0, 1);
    at::Tensor slope = (at::bmm(lower + h * gap, second_f) - aim) * unit_f * gap * 2;
    if (static_cast<double>(step) >= warm_up) {
      const double done =
          (static_cast<double>(step) - warm_up) / (static_cast<double>(options.steps) - warm_up);
      const double power = kFirstPower + (kLastPower - kFirstPower) * done;
      const at::Tensor side = h * 2 - 1;
      slope.sub_(side.abs().pow(power - 1) * side.sign(), 2 * options.lambda * power);
    }
    const at::Tensor inside = stretched.gt(0).logical_and(stretched.lt(1)).logical_and(free);
    adam.Step(v, at::where(inside, slope * sigmoid * (1 - sigmoid) * kStretch, at::zeros_like(slope)));
  }
  at::Tensor chosen = at::where(v.gt(0), upper, lower);  // h > 0.5 where V > 0
  if (grid.pinned().defined()) chosen = at::where(grid.pinned(), grid.Nearest(weights, 0), chosen);
  return BetterRows(grid, chosen, second, cross);
}

}  // namespace precis
