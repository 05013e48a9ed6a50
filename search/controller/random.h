// Random search: proposes configurations near the budgets in turn and learns nothing. The rival that every
// other search must beat (Li and Talwalkar 2019).
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "search/controller/controller.h"
#include "search/controller/near_budget.h"
#include "search/controller/state_text.h"

namespace precis::search {

class RandomController final : public Controller {
 public:
  // One decision or more, one budget or more (checked). total: where it is not the sum of `costs`.
  RandomController(CostTable costs, std::vector<double> budgets, uint64_t seed, TotalCostOf total = {});

  Choices Propose(int64_t step) override;
  void Observe(const Choices& /*choices*/, double /*reward*/) override {}
  void Prefer(const std::vector<std::vector<double>>& /*preferences*/) override {}
  std::vector<std::vector<double>> LogProbabilities() const override;
  PolicySummary Summary() const override;
  std::string Save() const override;
  absl::Status Restore(const std::string& text) override;

 private:
  const CostTable costs_;
  const std::vector<double> budgets_;
  const TotalCostOf total_;
  std::mt19937_64 generator_;
};

// Of a controller that prefers nothing.
// "options 4 4 4\n", and whether the next line of a state is that of these costs.
std::string OptionsLine(const CostTable& costs);
void ExpectOptions(const CostTable& costs, StateReader& reader);

std::vector<std::vector<double>> EqualLogProbabilities(const CostTable& costs);
PolicySummary EqualSummary(const CostTable& costs);

}  // namespace precis::search
