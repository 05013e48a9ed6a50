// Relaxation, repair, and branch and bound over shares of the bounds.
#include "search/bounded_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "search/final_choice.h"
#include "search/joint_choice.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kRelaxations = 400;
constexpr int64_t kMostNodes = 1'000'000;
constexpr double kRounding = 1e-9;  // what sums of shares may be off by; totals decide

using Shares = std::vector<double>;  // of each bound

struct Option {
  double value = 0;
  Shares shares;
};

double Dot(const Shares& a, const Shares& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

class Knapsack {
 public:
  Knapsack(const SearchSpace& space, const std::vector<std::vector<double>>& values,
           std::span<const CostBound> bounds)
      : space_(space), bounds_(bounds), table_(space.decisions.size()) {
    PRECIS_CHECK(values.size() == space.decisions.size());
    for (size_t d = 0; d < table_.size(); ++d) {
      const Decision& decision = space.decisions[d];
      PRECIS_CHECK(values[d].size() == decision.options.size());
      for (size_t o = 0; o < decision.options.size(); ++o) {
        Option option = {.value = values[d][o], .shares = {}};
        for (const CostBound& bound : bounds) {
          option.shares.push_back(OptionCost(*bound.model, decision, o) / bound.at_most);
        }
        table_[d].push_back(std::move(option));
      }
    }
  }

  std::optional<Choices> Solve() {
    Offer(Priced(Shares(bounds_.size(), 0)));
    if (best_) return best_;
    Relax();
    Branch();
    return best_;
  }

 private:
  const Option& At(size_t d, int o) const { return table_[d][static_cast<size_t>(o)]; }

  Option Sum(const Choices& choices) const {
    Option sum = {.value = 0, .shares = Shares(bounds_.size(), 0)};
    for (size_t d = 0; d < table_.size(); ++d) {
      const Option& option = At(d, choices[d]);
      sum.value += option.value;
      for (size_t k = 0; k < bounds_.size(); ++k) sum.shares[k] += option.shares[k];
    }
    return sum;
  }

  static double Total(const Shares& shares) { return std::accumulate(shares.begin(), shares.end(), 0.0); }

  // How far the shares are beyond their bounds, all together.
  static double Excess(const Shares& shares) {
    double excess = 0;
    for (const double share : shares) excess += std::max(0.0, share - 1);
    return excess;
  }

  static bool Better(const Option& a, const Option& b) {
    return a.value != b.value ? a.value > b.value : Total(a.shares) < Total(b.shares);
  }

  bool Fits(const Choices& choices) const {
    const Assignment assignment = space_.Apply(choices);
    return std::all_of(bounds_.begin(), bounds_.end(), [&](const CostBound& bound) {
      return TotalCost(*bound.model, assignment) <= bound.at_most;
    });
  }

  // Keeps the choices if they fit and are better than the best yet.
  void Offer(const Choices& choices) {
    Option sum = Sum(choices);
    if ((best_ && !Better(sum, best_sum_)) || !Fits(choices)) return;
    best_ = choices;
    best_sum_ = std::move(sum);
  }

  // The best of every decision under a price on each share; equal ones go to the cheaper.
  Choices Priced(const Shares& prices) const {
    Choices choices(table_.size(), 0);
    for (size_t d = 0; d < table_.size(); ++d) {
      const auto rank = [&](int o) {
        const Option& option = At(d, o);
        return std::pair(option.value - Dot(prices, option.shares), -Total(option.shares));
      };
      for (int o = 1; o < static_cast<int>(table_[d].size()); ++o) {
        if (rank(o) > rank(choices[d])) choices[d] = o;
      }
    }
    return choices;
  }

  // Brings choices within the bounds by the single changes that lose least value for what they relieve, then
  // spends what is left by those that gain most. Offers the result.
  void Repair(Choices choices) {
    Option sum = Sum(choices);
    const auto after = [&](size_t d, int o) {
      Option changed = sum;
      const Option& from = At(d, choices[d]);
      const Option& to = At(d, o);
      changed.value += to.value - from.value;
      for (size_t k = 0; k < bounds_.size(); ++k) changed.shares[k] += to.shares[k] - from.shares[k];
      return changed;
    };
    const auto change_best = [&](const auto& score) {
      double best = 0;
      size_t at = table_.size();
      int option = 0;
      for (size_t d = 0; d < table_.size(); ++d) {
        for (int o = 0; o < static_cast<int>(table_[d].size()); ++o) {
          if (o == choices[d]) continue;
          const double found = score(after(d, o));
          if (found <= best) continue;
          best = found;
          at = d;
          option = o;
        }
      }
      if (at == table_.size()) return false;
      sum = after(at, option);
      choices[at] = option;
      return true;
    };
    while (Excess(sum.shares) > 0) {
      const bool relieved = change_best([&](const Option& changed) {
        const double relief = Excess(sum.shares) - Excess(changed.shares);
        if (relief <= kRounding) return 0.0;
        return relief / (kRounding + std::max(0.0, sum.value - changed.value));
      });
      if (!relieved) return;
    }
    Offer(choices);
    while (change_best([&](const Option& changed) {
      return Excess(changed.shares) > 0 ? 0.0 : changed.value - sum.value;
    })) {
      Offer(choices);
    }
  }

  // The subgradient method on the prices of the bounds; keeps those with the lowest upper limit on any value.
  void Relax() {
    double spread = 0;
    for (const auto& options : table_) {
      const auto [low, high] = std::minmax_element(
          options.begin(), options.end(), [](const Option& a, const Option& b) { return a.value < b.value; });
      spread += high->value - low->value;
    }
    Shares prices(bounds_.size(), 0);
    double lowest = kInfinity;
    for (int i = 0; i < kRelaxations; ++i) {
      const Choices choices = Priced(prices);
      const Option sum = Sum(choices);
      const double limit = sum.value - Dot(prices, sum.shares) + Total(prices);
      if (limit < lowest) {
        lowest = limit;
        prices_ = prices;
        Repair(choices);
      }
      const double step = (spread + kRounding) / (4.0 + i);
      for (size_t k = 0; k < prices.size(); ++k) {
        prices[k] = std::max(0.0, prices[k] + step * (sum.shares[k] - 1));
      }
    }
  }

  // Depth first over the decisions, most is at stake first, best options first.
  void Branch() {
    order_.resize(table_.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    const auto worth = [&](const Option& option) { return option.value - Dot(prices_, option.shares); };
    std::vector<double> stakes(table_.size()), most(table_.size());
    ranked_.resize(table_.size());
    for (size_t d = 0; d < table_.size(); ++d) {
      ranked_[d].resize(table_[d].size());
      std::iota(ranked_[d].begin(), ranked_[d].end(), 0);
      std::stable_sort(ranked_[d].begin(), ranked_[d].end(),
                       [&](int a, int b) { return worth(At(d, a)) > worth(At(d, b)); });
      most[d] = worth(At(d, ranked_[d].front()));
      stakes[d] = most[d] - worth(At(d, ranked_[d].back()));
    }
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return stakes[a] > stakes[b]; });
    rest_worth_.assign(table_.size() + 1, 0);
    rest_shares_.assign(table_.size() + 1, Shares(bounds_.size(), 0));
    for (size_t at = table_.size(); at-- > 0;) {
      const size_t d = order_[at];
      rest_worth_[at] = rest_worth_[at + 1] + most[d];
      for (size_t k = 0; k < bounds_.size(); ++k) {
        double least = kInfinity;
        for (const Option& option : table_[d]) least = std::min(least, option.shares[k]);
        rest_shares_[at][k] = rest_shares_[at + 1][k] + least;
      }
    }
    nodes_ = 0;
    Choices choices(table_.size(), 0);
    Visit(0, {.value = 0, .shares = Shares(bounds_.size(), 0)}, choices);
  }

  void Visit(size_t at, const Option& sum, Choices& choices) {
    if (++nodes_ > kMostNodes) return;
    if (at == table_.size()) return Offer(choices);
    const size_t d = order_[at];
    for (const int o : ranked_[d]) {
      const Option& option = At(d, o);
      Option next = {.value = sum.value + option.value, .shares = sum.shares};
      bool within = true;
      for (size_t k = 0; k < bounds_.size(); ++k) {
        next.shares[k] += option.shares[k];
        within = within && next.shares[k] + rest_shares_[at + 1][k] <= 1 + kRounding;
      }
      if (!within) continue;
      if (best_) {
        const double slack = kRounding * (1 + std::abs(best_sum_.value));
        const double limit = next.value - Dot(prices_, next.shares) + rest_worth_[at + 1] + Total(prices_);
        if (limit < best_sum_.value - slack) continue;
        const double least = Total(next.shares) + Total(rest_shares_[at + 1]);
        if (limit <= best_sum_.value + slack && least >= Total(best_sum_.shares)) continue;
      }
      choices[d] = o;
      Visit(at + 1, next, choices);
    }
  }

  const SearchSpace& space_;
  const std::span<const CostBound> bounds_;
  std::vector<std::vector<Option>> table_;  // [decision][option]
  std::optional<Choices> best_;
  Option best_sum_;
  Shares prices_;
  std::vector<size_t> order_;             // of decisions
  std::vector<std::vector<int>> ranked_;  // options of each decision
  std::vector<double> rest_worth_;        // of the decisions from a place in the order on
  std::vector<Shares> rest_shares_;       // the least they take
  int64_t nodes_ = 0;
};

}  // namespace

std::optional<Choices> MostProbableWithin(const SearchSpace& space,
                                          const std::vector<std::vector<double>>& values,
                                          std::span<const CostBound> bounds) {
  PRECIS_CHECK(!bounds.empty());
  for (const CostBound& bound : bounds) {
    if (ReachableCost(*bound.model, space).min > bound.at_most) return std::nullopt;
  }
  if (space.network != nullptr) return JointChoiceWithin(space, values, bounds);
  if (bounds.size() == 1) return MostProbableWithin(space, values, *bounds[0].model, bounds[0].at_most);
  return Knapsack(space, values, bounds).Solve();
}

Choices MostProbableWithin(const Plan& plan, const std::vector<std::vector<double>>& values, double target) {
  std::vector<CostBound> bounds;
  for (const CostLimit& limit : plan.limits) bounds.push_back({plan.costs[limit.cost].get(), limit.amount});
  PRECIS_CHECK(!bounds.empty());
  bounds.front().at_most = target;
  if (std::optional<Choices> choices = MostProbableWithin(plan.space, values, bounds))
    return *std::move(choices);
  if (target >= plan.target) return plan.fitting;
  bounds.resize(1);
  return *MostProbableWithin(plan.space, values, bounds);
}

}  // namespace precis::search
