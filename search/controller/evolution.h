// NSGA-II (Deb, Pratap, Agarwal and Meyarivan 2002) over choices: cost and reward are the two aims, so that
// one population serves all targets; whoever exceeds the largest budget is beaten by whoever does not (the
// paper's constraint domination).
//
// The first kPopulation proposals are random configurations near budgets spread by equal ratios over the
// targets' range; then, generation by generation, as many offspring: two parents by binary tournaments (rank,
// then crowding distance), uniform crossover, every decision changed at random with probability 1 /
// decisions. Parents and offspring together are sorted into fronts, of which the best kPopulation survive.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "search/controller/controller.h"
#include "search/controller/near_budget.h"

namespace precis::search {

class EvolutionController final : public Controller {
 public:
  static constexpr size_t kPopulation = 32;

  // One decision or more, one budget or more (checked). total: where it is not the sum of `costs`.
  EvolutionController(CostTable costs, const std::vector<double>& budgets, uint64_t seed,
                      TotalCostOf total = {});

  Choices Propose(int64_t step) override;
  // The reward is the quality alone; the cost is known here.
  void Observe(const Choices& choices, double reward) override;
  void Prefer(const std::vector<std::vector<double>>& /*preferences*/) override {}
  std::vector<std::vector<double>> LogProbabilities() const override;
  PolicySummary Summary() const override;
  std::string Save() const override;
  absl::Status Restore(const std::string& text) override;

 private:
  struct Individual {
    Choices choices;
    double reward = 0;
    double cost = 0;
    size_t rank = 0;  // of its front, 0 is best; the next two are kept for the parents alone
    double crowding = 0;
  };

  bool Dominates(const Individual& a, const Individual& b) const;
  // Orders by front and crowding distance, and sets both.
  void Sort(std::vector<Individual>& all) const;
  const Individual& Tournament();
  Choices Offspring();

  const CostTable costs_;
  const TotalCostOf total_;
  double least_budget_ = 0;
  double most_budget_ = 0;
  std::vector<Individual> parents_;    // sorted; empty until the first generation is complete
  std::vector<Individual> offspring_;  // observed so far
  std::mt19937_64 generator_;
};

}  // namespace precis::search
