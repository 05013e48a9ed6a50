// Down to the budget, then up to it.
#include "search/controller/near_budget.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace precis::search {
namespace {

// The option next in cost below or above; of equal ones the first.
std::optional<int> Next(const std::vector<double>& costs, int from, bool dearer) {
  std::optional<int> next;
  const double here = costs[static_cast<size_t>(from)];
  for (size_t o = 0; o < costs.size(); ++o) {
    if (dearer ? costs[o] <= here : costs[o] >= here) continue;
    if (!next || (dearer ? costs[o] < costs[static_cast<size_t>(*next)]
                         : costs[o] > costs[static_cast<size_t>(*next)])) {
      next = static_cast<int>(o);
    }
  }
  return next;
}

std::vector<size_t> RandomOrder(size_t count, std::mt19937_64& generator) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[UniformIndex(i, generator)]);
  return order;
}

}  // namespace

double TableCost(const CostTable& costs, const Choices& choices) {
  double total = 0;
  for (size_t d = 0; d < costs.size(); ++d) total += costs[d][static_cast<size_t>(choices[d])];
  return total;
}

double UniformUnit(std::mt19937_64& generator) { return static_cast<double>(generator() >> 11) * 0x1.0p-53; }

size_t UniformIndex(size_t count, std::mt19937_64& generator) {
  return std::min(static_cast<size_t>(UniformUnit(generator) * static_cast<double>(count)), count - 1);
}

Choices NearBudget(const CostTable& costs, const TotalCostOf& total, double budget,
                   std::mt19937_64& generator) {
  Choices choices;
  for (const auto& options : costs)
    choices.push_back(static_cast<int>(UniformIndex(options.size(), generator)));
  // A pass over all decisions in random order moves each a step at most, so that no decision bears it all.
  for (bool moved = true; moved && total(choices) > budget;) {
    moved = false;
    for (size_t d : RandomOrder(costs.size(), generator)) {
      if (total(choices) <= budget) break;
      if (const std::optional<int> cheaper = Next(costs[d], choices[d], false)) {
        choices[d] = *cheaper;
        moved = true;
      }
    }
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t d : RandomOrder(costs.size(), generator)) {
      const std::optional<int> dearer = Next(costs[d], choices[d], true);
      if (!dearer) continue;
      const int before = choices[d];
      choices[d] = *dearer;
      if (total(choices) <= budget) {
        moved = true;
      } else {
        choices[d] = before;
      }
    }
  }
  return choices;
}

Choices NearBudget(const CostTable& costs, double budget, std::mt19937_64& generator) {
  const TotalCostOf sum = [&costs](const Choices& choices) { return TableCost(costs, choices); };
  return NearBudget(costs, sum, budget, generator);
}

}  // namespace precis::search
