// REINFORCE: contract, gradient, schedules, and that it learns.
#include "search/controller/reinforce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/contract/controller_contract.h"

namespace precis::search {
namespace {

ReinforceOptions Options(int64_t warmup, int64_t steps, uint64_t seed = 1) {
  ReinforceOptions options;
  options.warmup_steps = warmup;
  options.search_steps = steps;
  options.seed = seed;
  return options;
}

ControllerFactory Factory(const std::string& name, LogProbReduction log_prob, EntropySchedule schedule) {
  return {name, [log_prob, schedule](const std::vector<int>& counts, uint64_t seed) {
            ReinforceOptions options = Options(kContractSteps / 4, kContractSteps, seed);
            options.spec.log_prob = log_prob;
            options.spec.entropy_schedule = schedule;
            return std::make_unique<ReinforceController>(counts, options);
          }};
}

INSTANTIATE_TEST_SUITE_P(
    Reinforce, ControllerContract,
    ::testing::Values(Factory("FliqsDefaults", LogProbReduction::kMean, EntropySchedule::kCosine),
                      Factory("SumLinear", LogProbReduction::kSum, EntropySchedule::kLinear),
                      Factory("SumConstant", LogProbReduction::kSum, EntropySchedule::kConstant)),
    ControllerFactoryName);

// The documented loss, written anew from the header.
double Loss(const std::vector<std::vector<double>>& logits, const Choices& choices, double advantage,
            double entropy_weight, LogProbReduction reduction) {
  double log_prob = 0, entropy = 0;
  for (size_t d = 0; d < logits.size(); ++d) {
    std::vector<double> p;
    double sum = 0, clamped_sum = 0;
    for (double logit : logits[d]) sum += std::exp(logit);
    for (double logit : logits[d]) {
      p.push_back(std::min(1.0, std::max(1e-8, std::exp(logit) / sum)));
      clamped_sum += p.back();
    }
    for (double& value : p) {
      value /= clamped_sum;
      entropy -= value * std::log(value);
    }
    log_prob += std::log(p[static_cast<size_t>(choices[d])]);
  }
  const double n = static_cast<double>(logits.size());
  return -advantage * log_prob / (reduction == LogProbReduction::kMean ? n : 1) +
         entropy_weight * entropy / n;
}

// A controller whose logits are as given, by way of Restore.
std::string WithLogits(const std::string& state, const std::vector<std::vector<double>>& logits) {
  const size_t begin = state.find("\nlogits") + 1;
  const size_t end = state.find('\n', begin);
  std::string line = "logits";
  for (const auto& row : logits) {
    for (double value : row) {
      char text[40];
      std::snprintf(text, sizeof text, " %.17g", value);
      line += text;
    }
  }
  return state.substr(0, begin) + line + state.substr(end);
}

TEST(Reinforce, TheGradientIsThatOfTheDocumentedLoss) {
  std::mt19937_64 generator(11);
  const auto uniform = [&generator] { return static_cast<double>(generator() >> 11) * 0x1.0p-53; };
  for (LogProbReduction reduction : {LogProbReduction::kMean, LogProbReduction::kSum}) {
    for (int round = 0; round < 60; ++round) {
      ReinforceOptions options = Options(0, 100);
      options.spec.log_prob = reduction;
      ReinforceController controller({3, 2, 4, 1}, options);
      // Some rounds go where probabilities are clamped: logits 25 apart.
      const double spread = round % 3 == 0 ? 50 : 4;
      std::vector<std::vector<double>> logits = {{0, 0, 0}, {0, 0}, {0, 0, 0, 0}, {0}};
      for (auto& row : logits) {
        for (double& value : row) value = spread * (uniform() - 0.5);
      }
      ASSERT_TRUE(controller.Restore(WithLogits(controller.Save(), logits)).ok());
      const Choices choices = {static_cast<int>(generator() % 3), static_cast<int>(generator() % 2),
                               static_cast<int>(generator() % 4), 0};
      const double advantage = 2 * uniform() - 1;
      const double weight = uniform();
      const auto gradient = controller.Gradient(choices, advantage, weight);
      for (size_t d = 0; d < logits.size(); ++d) {
        for (size_t i = 0; i < logits[d].size(); ++i) {
          const double h = 1e-5;
          auto up = logits, down = logits;
          up[d][i] += h;
          down[d][i] -= h;
          const double numeric = (Loss(up, choices, advantage, weight, reduction) -
                                  Loss(down, choices, advantage, weight, reduction)) /
                                 (2 * h);
          ASSERT_NEAR(gradient[d][i], numeric, 1e-7) << "round " << round << " " << d << " " << i;
        }
      }
    }
  }
}

TEST(Reinforce, WarmupSamplesUniformlyAndLearnsOnlyItsBaseline) {
  ReinforceController controller({4}, Options(40000, 40010));
  std::vector<int> counts(4, 0);
  for (int64_t step = 0; step < 40000; ++step) {
    const Choices choices = controller.Propose(step);
    ++counts[static_cast<size_t>(choices[0])];
    controller.Observe(choices, choices[0] == 2 ? 1 : 0);
  }
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
  const auto beliefs = controller.LogProbabilities();
  for (double value : beliefs[0]) EXPECT_DOUBLE_EQ(value, std::log(0.25));
  EXPECT_NE(controller.Save().find("\nbaseline 0."), std::string::npos);
}

// A bandit with a cost: three decisions of weights 1, 2, 3; each option b costs weight · b and is worth
// sensitivity · (1 - 4^-b). The best within the target is known.
TEST(Reinforce, ConvergesOnABanditWithACostTarget) {
  const double sensitivity[] = {3, 0.2, 0.2};
  const double weight[] = {1, 2, 3};
  const double target = 3 * 1 + 2 * 1 + 3 * 1;  // room for the first decision's best and the others' least
  std::mt19937_64 noise(5);
  const int64_t steps = 4000;
  ReinforceController controller({3, 3, 3}, Options(400, steps, 3));
  for (int64_t step = 0; step < steps; ++step) {
    const Choices choices = controller.Propose(step);
    double quality = 0, cost = 0;
    for (size_t d = 0; d < 3; ++d) {
      const int b = choices[d] + 1;
      quality += sensitivity[d] * (1 - std::pow(4.0, -b));
      cost += weight[d] * b;
    }
    quality += 0.06 * (static_cast<double>(noise() >> 11) * 0x1.0p-53 - 0.5);
    controller.Observe(choices, quality - 2 * std::abs(cost / target - 1));
  }
  Choices argmax;
  for (const auto& row : controller.LogProbabilities()) {
    argmax.push_back(static_cast<int>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  EXPECT_EQ(argmax, (Choices{2, 0, 0}));
  EXPECT_GT(controller.Summary().mean_max_probability, 0.95);
}

TEST(Reinforce, ThePenaltyMakesTheEntropyFall) {
  ReinforceOptions options = Options(100, 2000);
  options.spec.learning_rate = 0.02;
  options.spec.entropy_weight = 0.5;
  ReinforceController controller({4, 4, 4, 4}, options);
  std::mt19937_64 noise(9);
  std::vector<double> entropies;
  for (int64_t step = 0; step < 2000; ++step) {
    if (step % 500 == 0) entropies.push_back(controller.Summary().mean_entropy);
    const Choices choices = controller.Propose(step);
    controller.Observe(choices, static_cast<double>(noise() >> 11) * 0x1.0p-53);
  }
  entropies.push_back(controller.Summary().mean_entropy);
  EXPECT_NEAR(entropies.front(), std::log(4.0), 1e-12);
  EXPECT_LT(entropies.back(), 0.05);
  EXPECT_LT(entropies.back(), entropies[2]);
}

TEST(Reinforce, ProbabilitiesStayClampedHoweverLongItIsSure) {
  ReinforceOptions options = Options(0, 30000);
  options.spec.learning_rate = 5;
  ReinforceController controller({3, 2}, options);
  for (int64_t step = 0; step < 30000; ++step) {
    const Choices choices = controller.Propose(step);
    controller.Observe(choices, choices == Choices{1, 0} ? 1 : -1);
  }
  for (const auto& row : controller.LogProbabilities()) {
    for (double value : row) {
      EXPECT_TRUE(std::isfinite(value));
      EXPECT_GE(value, std::log(0.9e-8));
    }
  }
}

}  // namespace
}  // namespace precis::search
