// Nothing is learned.
#include "search/controller/random.h"

#include <cmath>
#include <utility>

#include "supernet/formats/check.h"

namespace precis::search {

RandomController::RandomController(CostTable costs, std::vector<double> budgets, uint64_t seed,
                                   TotalCostOf total)
    : costs_(std::move(costs)),
      budgets_(std::move(budgets)),
      total_(total ? std::move(total)
                   : [this](const Choices& choices) { return TableCost(costs_, choices); }),
      generator_(seed) {
  PRECIS_CHECK(!costs_.empty() && !budgets_.empty());
}

Choices RandomController::Propose(int64_t step) {
  return NearBudget(costs_, total_, budgets_[static_cast<size_t>(step) % budgets_.size()], generator_);
}

std::vector<std::vector<double>> RandomController::LogProbabilities() const {
  return EqualLogProbabilities(costs_);
}

PolicySummary RandomController::Summary() const { return EqualSummary(costs_); }

std::string RandomController::Save() const {
  return "random 1\n" + OptionsLine(costs_) + GeneratorLine(generator_);
}

absl::Status RandomController::Restore(const std::string& text) {
  StateReader reader(text);
  if (reader.Words("random", 1).front() != "1") reader.Fail("the version is not 1");
  ExpectOptions(costs_, reader);
  const std::mt19937_64 generator = reader.Generator();
  reader.ExpectEnd();
  if (reader.status().ok()) generator_ = generator;
  return reader.status();
}

std::string OptionsLine(const CostTable& costs) {
  std::string line = "options";
  for (const auto& options : costs) absl::StrAppend(&line, " ", options.size());
  return line + "\n";
}

void ExpectOptions(const CostTable& costs, StateReader& reader) {
  const std::vector<std::string> counts = reader.Words("options", costs.size());
  for (size_t d = 0; d < costs.size(); ++d) reader.Whole<size_t>(counts[d], costs[d].size(), costs[d].size());
}

std::vector<std::vector<double>> EqualLogProbabilities(const CostTable& costs) {
  std::vector<std::vector<double>> equal;
  for (const auto& options : costs) {
    equal.emplace_back(options.size(), -std::log(static_cast<double>(options.size())));
  }
  return equal;
}

PolicySummary EqualSummary(const CostTable& costs) {
  PolicySummary summary;
  for (const auto& options : costs) {
    summary.mean_entropy += std::log(static_cast<double>(options.size()));
    summary.mean_max_probability += 1 / static_cast<double>(options.size());
  }
  summary.mean_entropy /= static_cast<double>(costs.size());
  summary.mean_max_probability /= static_cast<double>(costs.size());
  return summary;
}

}  // namespace precis::search
