// The optimiser against LibTorch's own, and the schedule at its corners.
#include "supernet/execution/sgd.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace precis {
namespace {

TEST(LearningRate, RisesLinearlyThenFallsOnACosine) {
  TrainingOptions options;
  options.decay_share = 1;
  options.steps = 100;
  options.learning_rate = 0.4;
  options.warmup_share = 0.1;
  EXPECT_DOUBLE_EQ(LearningRateAt(0, options), 0.04);
  EXPECT_DOUBLE_EQ(LearningRateAt(4, options), 0.2);
  EXPECT_DOUBLE_EQ(LearningRateAt(9, options), 0.4);
  EXPECT_DOUBLE_EQ(LearningRateAt(10, options), 0.4);
  EXPECT_DOUBLE_EQ(LearningRateAt(55, options), 0.2);
  EXPECT_GT(LearningRateAt(99, options), 0);
  EXPECT_LT(LearningRateAt(99, options), 0.4 * 1e-3);
  EXPECT_EQ(LearningRateAt(100, options), 0);
  EXPECT_EQ(LearningRateAt(1000, options), 0);
  for (int64_t step = 10; step < 100; ++step) {
    EXPECT_LT(LearningRateAt(step + 1, options), LearningRateAt(step, options) + 1e-12);
  }
}

TEST(LearningRate, StaysUntilItsLastShare) {
  TrainingOptions options;
  options.steps = 100;
  options.learning_rate = 0.4;
  options.warmup_share = 0.1;
  options.decay_share = 0.4;
  for (int64_t step = 9; step <= 60; ++step) EXPECT_DOUBLE_EQ(LearningRateAt(step, options), 0.4);
  EXPECT_LT(LearningRateAt(61, options), 0.4);
  EXPECT_DOUBLE_EQ(LearningRateAt(80, options), 0.2);
  EXPECT_EQ(LearningRateAt(100, options), 0);
}

TEST(LearningRate, WithoutWarmUpStartsAtTheTop) {
  TrainingOptions options;
  options.steps = 10;
  options.warmup_share = 0;
  EXPECT_DOUBLE_EQ(LearningRateAt(0, options), options.learning_rate);
  options.steps = 1;
  options.warmup_share = 0.05;
  EXPECT_NEAR(LearningRateAt(0, options), options.learning_rate, 1e-12);
}

TEST(Sgd, IsWhatLibTorchCallsSgd) {
  for (const bool nesterov : {true, false}) {
    for (const double momentum : {0.9, 0.0}) {
      if (nesterov && momentum == 0) continue;
      SCOPED_TRACE(nesterov);
      TrainingOptions options;
      options.momentum = momentum;
      options.nesterov = nesterov;
      options.weight_decay = 0.01;
      const at::Tensor weight = torch::randn({4, 3});
      const at::Tensor bias = torch::randn({4});
      const at::Tensor reference_weight = weight.clone().requires_grad_(true);
      const at::Tensor reference_bias = bias.clone().requires_grad_(true);
      Sgd sgd({weight, bias}, {true, false}, options);
      auto with = [&](double decay) {
        return torch::optim::SGDOptions(0.1).momentum(momentum).nesterov(nesterov).weight_decay(decay);
      };
      torch::optim::SGD decaying({reference_weight}, with(0.01));
      torch::optim::SGD plain({reference_bias}, with(0));
      for (int step = 0; step < 4; ++step) {
        const at::Tensor weight_gradient = torch::randn({4, 3});
        const at::Tensor bias_gradient = torch::randn({4});
        reference_weight.mutable_grad() = weight_gradient.clone();
        reference_bias.mutable_grad() = bias_gradient.clone();
        decaying.step();
        plain.step();
        sgd.Step({weight_gradient, bias_gradient}, 0.1);
        EXPECT_TRUE(torch::allclose(weight, reference_weight, 1e-5, 1e-6));
        EXPECT_TRUE(torch::allclose(bias, reference_bias, 1e-5, 1e-6));
      }
    }
  }
}

TEST(Sgd, ResetForgetsTheMomentum) {
  TrainingOptions options;
  options.weight_decay = 0;
  const at::Tensor a = torch::ones({3});
  const at::Tensor b = torch::ones({3});
  Sgd used({a}, {true}, options);
  Sgd fresh({b}, {true}, options);
  used.Step({torch::randn({3})}, 0.1);
  a.fill_(1);
  const at::Tensor more = torch::zeros({2});
  used.Add(more);
  used.Step({torch::zeros({3}), torch::ones({2})}, 0.1);
  EXPECT_TRUE(more.lt(0).all().item<bool>());
  a.fill_(1);
  used.Truncate(1);
  used.Reset();
  used.Step({torch::ones({3})}, 0.1);
  fresh.Step({torch::ones({3})}, 0.1);
  EXPECT_TRUE(torch::equal(a, b));
}

TEST(GlobalNorm, SumsOverAllTensorsAndShowsDamage) {
  EXPECT_FLOAT_EQ(GlobalNorm({torch::tensor({3.0f}), torch::tensor({{0.0f, 4.0f}})}).item<float>(), 5);
  EXPECT_FALSE(std::isfinite(GlobalNorm({torch::ones({3}), torch::tensor({NAN})}).item<float>()));
  EXPECT_FALSE(std::isfinite(GlobalNorm({torch::ones({3}), torch::tensor({INFINITY})}).item<float>()));
}

}  // namespace
}  // namespace precis
