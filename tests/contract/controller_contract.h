// What every Controller must do, however it learns. Instantiate with
//   INSTANTIATE_TEST_SUITE_P(Mine, ControllerContract, ::testing::Values(ControllerFactory{…}),
//                            ControllerFactoryName);
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "search/controller/controller.h"

namespace precis::search {

struct ControllerFactory {
  std::string name;  // letters and digits
  // A fresh controller for these option counts and a search of kContractSteps steps.
  std::function<std::unique_ptr<Controller>(const std::vector<int>&, uint64_t seed)> make;
};
constexpr int64_t kContractSteps = 200;

inline std::string ControllerFactoryName(const ::testing::TestParamInfo<ControllerFactory>& info) {
  return info.param.name;
}

class ControllerContract : public ::testing::TestWithParam<ControllerFactory> {
 protected:
  static const std::vector<int>& Counts() {
    static const std::vector<int> counts = {3, 1, 4, 2};
    return counts;
  }
  std::unique_ptr<Controller> Make(uint64_t seed = 7) const { return GetParam().make(Counts(), seed); }

  // Reward of a toy problem: the more last options, the better.
  static double Reward(const Choices& choices) {
    double reward = 0;
    for (size_t d = 0; d < choices.size(); ++d) reward += choices[d] == Counts()[d] - 1 ? 0.25 : 0;
    return reward;
  }

  static std::vector<Choices> Run(Controller& controller, int64_t from, int64_t to) {
    std::vector<Choices> all;
    for (int64_t step = from; step < to; ++step) {
      all.push_back(controller.Propose(step));
      controller.Observe(all.back(), Reward(all.back()));
    }
    return all;
  }
};

TEST_P(ControllerContract, ProposalsAreInRange) {
  const auto controller = Make();
  for (const Choices& choices : Run(*controller, 0, kContractSteps)) {
    ASSERT_EQ(choices.size(), Counts().size());
    for (size_t d = 0; d < choices.size(); ++d) {
      EXPECT_GE(choices[d], 0);
      EXPECT_LT(choices[d], Counts()[d]);
    }
  }
}

TEST_P(ControllerContract, EverythingIsTriedAtFirst) {
  const auto controller = Make();
  std::vector<std::vector<int>> seen;
  for (int count : Counts()) seen.emplace_back(static_cast<size_t>(count), 0);
  for (const Choices& choices : Run(*controller, 0, kContractSteps / 2)) {
    for (size_t d = 0; d < choices.size(); ++d) ++seen[d][static_cast<size_t>(choices[d])];
  }
  for (const auto& counts : seen) {
    for (int count : counts) EXPECT_GT(count, 0);
  }
}

TEST_P(ControllerContract, BeliefsAreProbabilities) {
  const auto controller = Make();
  for (int round = 0; round < 4; ++round) {
    const auto beliefs = controller->LogProbabilities();
    ASSERT_EQ(beliefs.size(), Counts().size());
    for (size_t d = 0; d < beliefs.size(); ++d) {
      ASSERT_EQ(static_cast<int>(beliefs[d].size()), Counts()[d]);
      double sum = 0;
      for (double value : beliefs[d]) {
        EXPECT_TRUE(std::isfinite(value));
        sum += std::exp(value);
      }
      EXPECT_NEAR(sum, 1, 1e-9);
    }
    const PolicySummary summary = controller->Summary();
    EXPECT_GE(summary.mean_entropy, 0);
    EXPECT_GT(summary.mean_max_probability, 0);
    EXPECT_LE(summary.mean_max_probability, 1);
    Run(*controller, round * kContractSteps / 4, (round + 1) * kContractSteps / 4);
  }
}

// A preference moves every belief by its share, or none where there is no policy.
TEST_P(ControllerContract, PreferencesTiltTheBeliefs) {
  const auto controller = Make();
  Run(*controller, 0, kContractSteps / 2);
  const auto before = controller->LogProbabilities();
  std::vector<std::vector<double>> preferences;
  for (int count : Counts()) preferences.emplace_back(static_cast<size_t>(count), 0.0);
  preferences[2] = {0, -1, -2, -0.5};
  controller->Prefer(preferences);
  const auto after = controller->LogProbabilities();
  const bool has_policy = after[2] != before[2];
  for (size_t d = 0; d < before.size(); ++d) {
    for (size_t o = 1; o < before[d].size(); ++o) {
      const double tilt = has_policy ? preferences[d][o] - preferences[d][0] : 0;
      EXPECT_NEAR((after[d][o] - after[d][0]) - (before[d][o] - before[d][0]), tilt, 1e-6) << d << " " << o;
    }
  }
}

TEST_P(ControllerContract, EqualSeedsActAlikeAndOthersDoNot) {
  const auto a = Make(1), b = Make(1), c = Make(2);
  const auto from_a = Run(*a, 0, kContractSteps);
  EXPECT_EQ(from_a, Run(*b, 0, kContractSteps));
  EXPECT_NE(from_a, Run(*c, 0, kContractSteps));
}

TEST_P(ControllerContract, ARewardThatIsNotFiniteTeachesNothing) {
  const auto controller = Make();
  int64_t step = 0;
  for (int64_t stop : {kContractSteps / 10, kContractSteps * 9 / 10}) {
    Run(*controller, step, stop);
    step = stop + 1;
    const Choices choices = controller->Propose(stop);
    const std::string before = controller->Save();
    for (double reward : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                          -std::numeric_limits<double>::infinity()}) {
      controller->Observe(choices, reward);
      EXPECT_EQ(controller->Save(), before);
    }
  }
}

TEST_P(ControllerContract, ARestoredControllerGoesOnBitForBit) {
  for (int64_t stop : {int64_t{0}, int64_t{1}, kContractSteps / 10, kContractSteps * 3 / 4}) {
    const auto original = Make();
    Run(*original, 0, stop);
    const auto restored = Make(99);
    ASSERT_TRUE(restored->Restore(original->Save()).ok());
    EXPECT_EQ(restored->Save(), original->Save());
    EXPECT_EQ(Run(*restored, stop, kContractSteps), Run(*original, stop, kContractSteps));
    EXPECT_EQ(restored->Save(), original->Save());
  }
}

// Between Propose and Observe, too: that is where a worker may be stopped.
TEST_P(ControllerContract, SavesBetweenProposalAndReward) {
  const auto original = Make();
  const int64_t stop = kContractSteps * 3 / 4;
  Run(*original, 0, stop);
  const Choices choices = original->Propose(stop);
  const auto restored = Make(99);
  ASSERT_TRUE(restored->Restore(original->Save()).ok());
  original->Observe(choices, Reward(choices));
  restored->Observe(choices, Reward(choices));
  EXPECT_EQ(restored->Save(), original->Save());
}

TEST_P(ControllerContract, DamagedTextIsDataLossAndChangesNothing) {
  const auto controller = Make();
  Run(*controller, 0, kContractSteps / 2);
  const std::string good = controller->Save();
  std::vector<std::string> bad = {
      "", "\n", "nonsense", good + "more\n", good + good, std::string(good.size(), ' ')};
  for (size_t cut = 1; cut < good.size(); cut += 1 + good.size() / 97) bad.push_back(good.substr(0, cut));
  bad.push_back(GetParam().make({3, 1, 4, 3}, 7)->Save());
  bad.push_back(GetParam().make({3, 1, 4}, 7)->Save());
  for (const std::string& text : bad) {
    const absl::Status status = controller->Restore(text);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text.substr(0, 60);
    EXPECT_FALSE(status.message().empty());
    EXPECT_EQ(controller->Save(), good);
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ControllerContract);

}  // namespace precis::search
