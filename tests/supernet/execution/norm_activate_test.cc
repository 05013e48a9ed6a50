// The fused batch norm against ATen's operations, forward and backward.
#include "supernet/execution/norm_activate.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

namespace precis {
namespace {

struct Case {
  std::vector<int64_t> shape;
  bool residual;
  std::optional<ActivationKind> activation;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{5, 16, 7, 7},
                                                                             {3, 24, 5, 5},
                                                                             {6, 1, 4, 4},
                                                                             {4, 700, 3, 1},
                                                                             {7, 10},
                                                                             {1, 3, 2, 2},
                                                                             {9, 16, 28, 28},
                                                                             {2, 300, 1, 1}}) {
    for (const bool residual : {false, true}) {
      for (const std::optional<ActivationKind> activation :
           {std::optional<ActivationKind>(), {ActivationKind::kRelu}, {ActivationKind::kRelu6}}) {
        cases.push_back({shape, residual, activation});
      }
    }
  }
  return cases;
}

// Leaves with gradients; values far from 0 mean and unit deviation.
NormInputs MakeInputs(const Case& c, bool channels_last = true) {
  at::manual_seed(3);
  auto leaf = [&](at::Tensor tensor) {
    if (channels_last && tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
    return tensor.detach().requires_grad_(true);
  };
  NormInputs inputs;
  inputs.x = leaf(at::randn(c.shape) * 3 + 20);
  inputs.weight = leaf(at::rand({c.shape[1]}) * 3 - 0.5);
  inputs.bias = leaf(at::randn({c.shape[1]}));
  if (c.residual) inputs.residual = leaf(at::randn(c.shape));
  inputs.activation = c.activation;
  return inputs;
}

std::vector<at::Tensor> Gradients(const NormInputs& inputs, const at::Tensor& y,
                                  const at::Tensor& direction) {
  std::vector<at::Tensor> leaves = {inputs.x, inputs.weight, inputs.bias};
  if (inputs.residual.defined()) leaves.push_back(inputs.residual);
  return torch::autograd::grad({y}, leaves, {direction});
}

::testing::AssertionResult Close(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  const double scale = std::max(1.0, b.abs().max().item<double>());
  const double difference = (a - b).abs().max().item<double>();
  if (difference <= tolerance * scale) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "differ by " << difference << " at a scale of " << scale;
}

TEST(NormActivate, IsWhatAtenComputesForwardAndBackward) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(::testing::PrintToString(c.shape) + (c.residual ? " residual" : "") +
                 (c.activation.has_value() ? " activation" : ""));
    const NormInputs inputs = MakeInputs(c);
    // Of two pixels, some lie so close together that 1/deviation magnifies the rounding of either path.
    const double tolerance = inputs.x.numel() / c.shape[1] > 2 ? 2e-5 : 1e-3;
    const NormOutputs fused = NormActivate(inputs, true);
    const NormOutputs aten = NormActivateAten(inputs, true);
    EXPECT_TRUE(Close(fused.y, aten.y, tolerance));
    EXPECT_TRUE(Close(fused.mean, aten.mean, tolerance));
    EXPECT_TRUE(Close(fused.inverse_deviation, aten.inverse_deviation, tolerance));
    EXPECT_EQ(fused.max_abs.item<float>(), fused.y.abs().max().item<float>());
    EXPECT_EQ(fused.y.strides(), inputs.x.strides());
    const at::Tensor direction = at::randn_like(fused.y);
    const std::vector<at::Tensor> fused_gradients = Gradients(inputs, fused.y, direction);
    const std::vector<at::Tensor> aten_gradients = Gradients(inputs, aten.y, direction);
    for (size_t i = 0; i < fused_gradients.size(); ++i) {
      EXPECT_TRUE(Close(fused_gradients[i], aten_gradients[i], tolerance)) << "gradient " << i;
    }
  }
}

TEST(NormActivate, LayoutAndGradientModeChangeNothing) {
  const Case c = {{9, 16, 28, 28}, true, ActivationKind::kRelu};
  const NormInputs rows = MakeInputs(c);
  const NormInputs planes = MakeInputs(c, /*channels_last=*/false);
  const at::Tensor y = NormActivate(rows, false).y;
  EXPECT_TRUE(at::equal(NormActivate(planes, false).y, y));
  const at::Tensor direction = at::randn({9, 16, 28, 28});
  const std::vector<at::Tensor> a = Gradients(rows, y, direction.contiguous(at::MemoryFormat::ChannelsLast));
  const std::vector<at::Tensor> b = Gradients(planes, NormActivate(planes, false).y, direction);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << i;
  const c10::NoGradGuard no_gradients;
  EXPECT_TRUE(at::equal(NormActivate(rows, false).y, y));
  EXPECT_FALSE(NormActivate(rows, false).max_abs.defined());
}

TEST(NormActivate, TheThreadCountChangesNothing) {
  const NormInputs inputs = MakeInputs({{9, 16, 28, 28}, true, ActivationKind::kRelu});
  const at::Tensor direction = at::randn_like(inputs.x);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor y = NormActivate(inputs, false).y;
  const std::vector<at::Tensor> gradients = Gradients(inputs, y, direction);
  at::set_num_threads(2);
  const at::Tensor other = NormActivate(inputs, false).y;
  EXPECT_TRUE(at::equal(other, y));
  const std::vector<at::Tensor> others = Gradients(inputs, other, direction);
  for (size_t i = 0; i < gradients.size(); ++i) EXPECT_TRUE(at::equal(gradients[i], others[i])) << i;
  at::set_num_threads(threads);
}

TEST(NormActivate, ConstantChannelsAndNanStayWhatTheyAre) {
  Case c = {{4, 8, 3, 3}, false, ActivationKind::kRelu};
  NormInputs inputs = MakeInputs(c);
  {
    const c10::NoGradGuard no_gradients;
    inputs.x.select(1, 2).fill_(5);
    inputs.x.select(1, 3)[0][0][0] = std::numeric_limits<float>::quiet_NaN();
  }
  const NormOutputs outputs = NormActivate(inputs, true);
  EXPECT_TRUE(at::allclose(outputs.y.select(1, 2), inputs.bias[2].relu().expand({4, 3, 3})));
  EXPECT_TRUE(outputs.y.select(1, 3).isnan().all().item<bool>());
  EXPECT_FALSE(outputs.y.select(1, 4).isnan().any().item<bool>());
  EXPECT_TRUE(std::isnan(outputs.max_abs.item<float>()));
}

}  // namespace
}  // namespace precis
