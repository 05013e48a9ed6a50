// A multiple-choice knapsack over log-probabilities: a Lagrangian bound first, then exact dynamic programming
// over undominated partial choices that the bound leaves.
#include "search/final_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kMostStates = 100000;  // in one layer of the dynamic programme; beyond it the bound must do

struct Option {
  double cost = 0;
  double value = 0;
};
using Table = std::vector<std::vector<Option>>;  // [decision][option]

struct Solution {
  Choices choices;
  double cost = 0;
  double value = 0;
};

Solution Evaluate(const Table& table, Choices choices) {
  Solution solution;
  for (size_t d = 0; d < table.size(); ++d) {
    const Option& option = table[d][static_cast<size_t>(choices[d])];
    solution.cost += option.cost;
    solution.value += option.value;
  }
  solution.choices = std::move(choices);
  return solution;
}

bool Better(const Solution& a, const Solution& b) {
  return a.value != b.value ? a.value > b.value : a.cost < b.cost;
}

// The best of every decision under a price on cost; equal ones go to the cheaper.
Solution Priced(const Table& table, double price) {
  Choices choices(table.size(), 0);
  for (size_t d = 0; d < table.size(); ++d) {
    const auto worth = [&](size_t o) { return table[d][o].value - price * table[d][o].cost; };
    size_t best = 0;
    for (size_t o = 1; o < table[d].size(); ++o) {
      if (worth(o) > worth(best) || (worth(o) == worth(best) && table[d][o].cost < table[d][best].cost))
        best = o;
    }
    choices[d] = static_cast<int>(best);
  }
  return Evaluate(table, std::move(choices));
}

Solution Cheapest(const Table& table) {
  Choices choices(table.size(), 0);
  for (size_t d = 0; d < table.size(); ++d) {
    for (size_t o = 1; o < table[d].size(); ++o) {
      const Option& best = table[d][static_cast<size_t>(choices[d])];
      const Option& option = table[d][o];
      if (option.cost < best.cost || (option.cost == best.cost && option.value > best.value)) {
        choices[d] = static_cast<int>(o);
      }
    }
  }
  return Evaluate(table, std::move(choices));
}

// Spends what is left of the budget: the best single change that fits, until none improves.
Solution Refill(const Table& table, Solution solution, double budget) {
  for (;;) {
    Solution best = solution;
    for (size_t d = 0; d < table.size(); ++d) {
      for (size_t o = 0; o < table[d].size(); ++o) {
        Choices changed = solution.choices;
        changed[d] = static_cast<int>(o);
        Solution candidate = Evaluate(table, std::move(changed));
        if (candidate.cost <= budget && Better(candidate, best)) best = std::move(candidate);
      }
    }
    if (!Better(best, solution)) return solution;
    solution = std::move(best);
  }
}

// The lowest price found whose solution fits: its relaxation bounds every solution from above.
double FittingPrice(const Table& table, double budget) {
  double high = 1.0 / budget;
  for (int i = 0; i < 200 && Priced(table, high).cost > budget; ++i) high *= 2;
  double low = 0;
  for (int i = 0; i < 80; ++i) {
    const double middle = low + (high - low) / 2;
    (Priced(table, middle).cost > budget ? low : high) = middle;
  }
  return high;
}

// One undominated partial choice.
struct State {
  double cost = 0;
  double value = 0;
  size_t parent = 0;
  int option = 0;
};

// Exact, unless more than kMostStates stay alive; then `incumbent` is returned.
Solution Improve(const Table& table, double budget, double price, const Solution& incumbent) {
  const size_t n = table.size();
  std::vector<double> bound(n + 1, 0), least(n + 1, 0);
  for (size_t d = n; d-- > 0;) {
    double worth = -kInfinity, cost = kInfinity;
    for (const Option& option : table[d]) {
      worth = std::max(worth, option.value - price * option.cost);
      cost = std::min(cost, option.cost);
    }
    bound[d] = bound[d + 1] + worth;
    least[d] = least[d + 1] + cost;
  }
  const double slack = 1e-9 * (1 + std::abs(incumbent.value));

  std::vector<std::vector<State>> layers = {{State{}}};
  for (size_t d = 0; d < n; ++d) {
    std::vector<State> next;
    for (size_t s = 0; s < layers[d].size(); ++s) {
      const State& from = layers[d][s];
      for (size_t o = 0; o < table[d].size(); ++o) {
        const double cost = from.cost + table[d][o].cost;
        const double value = from.value + table[d][o].value;
        if (cost + least[d + 1] > budget * (1 + 1e-12)) continue;
        if (value + bound[d + 1] + price * (budget - cost) < incumbent.value - slack) continue;
        next.push_back({cost, value, s, static_cast<int>(o)});
      }
    }
    std::stable_sort(next.begin(), next.end(), [](const State& a, const State& b) {
      return a.cost != b.cost ? a.cost < b.cost : a.value > b.value;
    });
    std::vector<State> kept;
    for (const State& state : next) {
      if (kept.empty() || state.value > kept.back().value) kept.push_back(state);
    }
    if (kept.size() > kMostStates) return incumbent;
    layers.push_back(std::move(kept));
  }

  Solution best = incumbent;
  for (size_t s = 0; s < layers[n].size(); ++s) {
    if (layers[n][s].cost > budget) continue;
    Choices choices(n, 0);
    for (size_t d = n, at = s; d-- > 0;) {
      choices[d] = layers[d + 1][at].option;
      at = layers[d + 1][at].parent;
    }
    Solution solution = Evaluate(table, std::move(choices));
    if (Better(solution, best)) best = std::move(solution);
  }
  return best;
}

Choices Solve(const Table& table, double budget) {
  Solution best = Priced(table, 0);
  if (best.cost <= budget) return best.choices;
  best = Refill(table, Cheapest(table), budget);
  const double price = FittingPrice(table, budget);
  const Solution priced = Priced(table, price);
  if (priced.cost <= budget) {
    Solution filled = Refill(table, priced, budget);
    if (Better(filled, best)) best = std::move(filled);
  }
  return Improve(table, budget, price, best).choices;
}

}  // namespace

Choices MostProbableWithin(const SearchSpace& space,
                           const std::vector<std::vector<double>>& log_probabilities, const CostModel& model,
                           double target) {
  PRECIS_CHECK(log_probabilities.size() == space.decisions.size());
  Table table(space.decisions.size());
  for (size_t d = 0; d < table.size(); ++d) {
    const Decision& decision = space.decisions[d];
    PRECIS_CHECK(log_probabilities[d].size() == decision.options.size());
    for (size_t o = 0; o < decision.options.size(); ++o) {
      table[d].push_back({OptionCost(model, decision, o), log_probabilities[d][o]});
    }
  }
  Choices cheapest = Cheapest(table).choices;
  PRECIS_CHECK(TotalCost(model, space.Apply(cheapest)) <= target);

  // Costs that are no whole numbers may sum a last bit differently by layer than by decision; by layer
  // decides.
  double budget = target;
  for (int i = 0; i < 4; ++i) {
    Choices choices = Solve(table, budget);
    if (TotalCost(model, space.Apply(choices)) <= target) return choices;
    budget -= std::abs(budget) * 1e-12;
  }
  return cheapest;
}

}  // namespace precis::search
