// Fronts, crowding, tournaments.
#include "search/controller/evolution.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "search/controller/random.h"
#include "search/controller/state_text.h"
#include "search/range_check.h"
#include "supernet/formats/check.h"

namespace precis::search {

EvolutionController::EvolutionController(CostTable costs, const std::vector<double>& budgets, uint64_t seed,
                                         TotalCostOf total)
    : costs_(std::move(costs)),
      total_(total ? std::move(total)
                   : [this](const Choices& choices) { return TableCost(costs_, choices); }),
      generator_(seed) {
  PRECIS_CHECK(!costs_.empty() && !budgets.empty());
  least_budget_ = *std::min_element(budgets.begin(), budgets.end());
  most_budget_ = *std::max_element(budgets.begin(), budgets.end());
}

bool EvolutionController::Dominates(const Individual& a, const Individual& b) const {
  const bool fits_a = a.cost <= most_budget_, fits_b = b.cost <= most_budget_;
  if (fits_a != fits_b) return fits_a;
  if (!fits_a) return a.cost < b.cost;
  return a.cost <= b.cost && a.reward >= b.reward && (a.cost < b.cost || a.reward > b.reward);
}

void EvolutionController::Sort(std::vector<Individual>& all) const {
  std::vector<Individual> sorted, left = std::move(all);
  for (size_t rank = 0; !left.empty(); ++rank) {
    std::vector<Individual> front, rest;
    for (const Individual& each : left) {
      const bool beaten = std::any_of(left.begin(), left.end(),
                                      [&](const Individual& other) { return Dominates(other, each); });
      (beaten ? rest : front).push_back(each);
    }
    for (Individual& each : front) {
      each.rank = rank;
      each.crowding = 0;
    }
    const auto crowd = [&front](double Individual::*aim) {
      std::stable_sort(front.begin(), front.end(),
                       [aim](const Individual& a, const Individual& b) { return a.*aim < b.*aim; });
      const double span = front.back().*aim - front.front().*aim;
      front.front().crowding = front.back().crowding = std::numeric_limits<double>::infinity();
      for (size_t i = 1; i + 1 < front.size() && span > 0; ++i) {
        front[i].crowding += (front[i + 1].*aim - front[i - 1].*aim) / span;
      }
    };
    crowd(&Individual::reward);
    crowd(&Individual::cost);
    std::stable_sort(front.begin(), front.end(),
                     [](const Individual& a, const Individual& b) { return a.crowding > b.crowding; });
    sorted.insert(sorted.end(), front.begin(), front.end());
    left = std::move(rest);
  }
  all = std::move(sorted);
}

const EvolutionController::Individual& EvolutionController::Tournament() {
  // Parents are sorted, so the lower index wins.
  const size_t a = UniformIndex(parents_.size(), generator_);
  const size_t b = UniformIndex(parents_.size(), generator_);
  return parents_[std::min(a, b)];
}

Choices EvolutionController::Offspring() {
  const Individual& a = Tournament();
  const Individual& b = Tournament();
  Choices child;
  const double mutation = 1 / static_cast<double>(costs_.size());
  for (size_t d = 0; d < costs_.size(); ++d) {
    const bool first = UniformUnit(generator_) < 0.5;
    int choice = first ? a.choices[d] : b.choices[d];
    if (UniformUnit(generator_) < mutation)
      choice = static_cast<int>(UniformIndex(costs_[d].size(), generator_));
    child.push_back(choice);
  }
  return child;
}

Choices EvolutionController::Propose(int64_t /*step*/) {
  if (!parents_.empty()) return Offspring();
  const double share = static_cast<double>(offspring_.size()) / static_cast<double>(kPopulation - 1);
  const double budget = least_budget_ * std::pow(most_budget_ / least_budget_, std::min(share, 1.0));
  return NearBudget(costs_, total_, budget, generator_);
}

void EvolutionController::Observe(const Choices& choices, double reward) {
  if (!std::isfinite(reward)) return;
  offspring_.push_back({choices, reward, total_(choices), 0, 0});
  if (offspring_.size() < kPopulation) return;
  parents_.insert(parents_.end(), offspring_.begin(), offspring_.end());
  offspring_.clear();
  Sort(parents_);
  parents_.resize(kPopulation);
}

std::vector<std::vector<double>> EvolutionController::LogProbabilities() const {
  return EqualLogProbabilities(costs_);
}

PolicySummary EvolutionController::Summary() const { return EqualSummary(costs_); }

// evolution 1, options, counts PARENTS OFFSPRING, then each one's choices and reward, and the generator.
// Parents are in order; rank and crowding are worked out again.
std::string EvolutionController::Save() const {
  std::string text = absl::StrCat("evolution 1\n", OptionsLine(costs_), "counts ", parents_.size(), " ",
                                  offspring_.size(), "\n");
  for (const auto* group : {&parents_, &offspring_}) {
    for (const Individual& each : *group) {
      absl::StrAppend(&text, "individual ", NumberText(each.reward));
      for (int choice : each.choices) absl::StrAppend(&text, " ", choice);
      absl::StrAppend(&text, "\n");
    }
  }
  return text + GeneratorLine(generator_);
}

absl::Status EvolutionController::Restore(const std::string& text) {
  StateReader reader(text);
  if (reader.Words("evolution", 1).front() != "1") reader.Fail("the version is not 1");
  ExpectOptions(costs_, reader);
  const std::vector<std::string> counts = reader.Words("counts", 2);
  const auto parents = reader.Whole<size_t>(counts[0], 0, kPopulation);
  const auto offspring = reader.Whole<size_t>(counts[1], 0, kPopulation - 1);
  if (parents != 0 && parents != kPopulation) reader.Fail("the parents are no whole population");
  std::vector<Individual> all;
  for (size_t i = 0; i < parents + offspring && reader.status().ok(); ++i) {
    const std::vector<std::string> words = reader.Words("individual", costs_.size() + 1);
    Individual each;
    each.reward = reader.Real(words[0]);
    for (size_t d = 0; d < costs_.size(); ++d) {
      each.choices.push_back(reader.Whole<int>(words[d + 1], 0, static_cast<int>(costs_[d].size()) - 1));
    }
    each.cost = reader.status().ok() ? total_(each.choices) : 0;
    all.push_back(std::move(each));
  }
  const std::mt19937_64 generator = reader.Generator();
  reader.ExpectEnd();
  if (!reader.status().ok()) return reader.status();
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(parents);
  parents_.assign(all.begin(), middle);
  offspring_.assign(middle, all.end());
  generator_ = generator;
  return absl::OkStatus();
}

}  // namespace precis::search
