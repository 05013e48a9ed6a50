// REINFORCE on independent categorical policies: one logit vector a decision, plain doubles, analytic
// gradient, Adam. FLIQS' open code and TuNAS are its presets (SetAlgorithmDefaults). As FLIQS has it: uniform
// sampling during warm-up, a moving-average baseline updated before the advantage is taken (and during
// warm-up too), and a penalty on entropy that grows on a cosine and so forces the policy to decide.
//
// Loss of a step: -(r - b)·reduce_d log p_d[choice] + beta_H(t)·mean_d H(p_d), reduce = mean or sum.
// beta_H(t) for t in [0, 1] of the steps after warm-up: cosine: w·(1 - cos(pi·t))/2; linear: w·t;
// constant: w. Probabilities are clamped to [1e-8, 1] and renormalised before any logarithm.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "search/controller/controller.h"
#include "search/job_spec.h"

namespace precis::search {

struct ReinforceOptions {
  ControllerSpec spec;
  int64_t warmup_steps = 0;
  int64_t search_steps = 0;  // warm-up included
  uint64_t seed = 1;
};

class ReinforceController final : public Controller {
 public:
  // option_counts[d] >= 1 options for decision d. Logits start equal.
  ReinforceController(const std::vector<int>& option_counts, const ReinforceOptions& options);

  Choices Propose(int64_t step) override;
  void Observe(const Choices& choices, double reward) override;
  void Prefer(const std::vector<std::vector<double>>& preferences) override;
  std::vector<std::vector<double>> LogProbabilities() const override;
  PolicySummary Summary() const override;
  std::string Save() const override;
  absl::Status Restore(const std::string& text) override;

  // d loss / d logits for one observation: what Observe feeds to Adam. Exposed for its gradient test.
  std::vector<std::vector<double>> Gradient(const Choices& choices, double advantage,
                                            double entropy_weight) const;

 private:
  std::vector<std::vector<double>> Probabilities() const;
  double PolicyProgress(int64_t step) const;  // 0…1 over the steps after the warm-up
  double EntropyWeight(int64_t step) const;
  double LearningRate(int64_t step) const;

  ReinforceOptions options_;
  std::vector<std::vector<double>> logits_;
  std::vector<std::vector<double>> first_moment_;
  std::vector<std::vector<double>> second_moment_;
  int64_t updates_ = 0;
  int64_t step_ = 0;
  double baseline_ = 0;         // times its weight
  double baseline_weight_ = 0;  // 0: no reward yet
  std::mt19937_64 generator_;
};

}  // namespace precis::search
