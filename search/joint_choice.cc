// Coordinate ascent under prices, then knapsacks of formats.
#include "search/joint_choice.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "search/cost/elastic_cost.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kBisections = 40;
constexpr int kBalances = 6;      // of several bounds against each other
constexpr size_t kMostExact = 8;  // architectures of the relaxation whose formats are solved for
constexpr int kMostSteps = 24;    // exact solutions of neighbours

constexpr double kRounding = 1e-9;
constexpr double kPrecision = 1e-3;  // of prices

using Shares = std::vector<double>;  // of each bound

// Of dimension a, or of a and b.
struct Move {
  size_t a = 0;
  size_t b = 0;
  std::vector<size_t> decisions;  // of layers whose shapes change
};

class JointChoice {
 public:
  JointChoice(const SearchSpace& space, const std::vector<std::vector<double>>& values,
              std::span<const CostBound> bounds)
      : space_(space), network_(*space.network), values_(values), bounds_(bounds) {
    PRECIS_CHECK(values.size() == space.decisions.size());
    formats_.layer_count = space.layer_count;
    for (const Decision& decision : space.decisions) {
      if (!decision.IsArchitecture()) formats_.decisions.push_back(decision);
    }
    FindShares();
    FindMoves();
  }

  std::optional<Choices> Solve() {
    for (const Architecture& start : {network_.Smallest(), network_.Own(), network_.Largest()})
      met_.insert(start);
    Shares weights(bounds_.size(), 1);
    for (int i = 0; i < (bounds_.size() > 1 ? kBalances : 1); ++i) Bisect(weights);
    std::vector<std::pair<double, Architecture>> ranked;
    for (const Architecture& each : met_) ranked.emplace_back(-Relaxed(each), each);
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    size_t solved = 0;
    for (const auto& [worth, architecture] : ranked) {
      if (solved < kMostExact && SolveFormats(architecture)) ++solved;
    }
    if (!best_) SolveFormats(network_.Smallest());
    if (best_) Improve();
    return best_;
  }

 private:
  double ArchitectureValue(const Architecture& architecture) const {
    double value = 0;
    for (size_t d = 0; d < architecture.size(); ++d) {
      value += values_[formats_.decisions.size() + d][static_cast<size_t>(architecture[d])];
    }
    return value;
  }

  // Every shape in every format, by bound.
  void FindShares() {
    shares_.resize(network_.shapes().size());
    decision_of_.resize(space_.layer_count);
    for (size_t d = 0; d < formats_.decisions.size(); ++d) {
      for (const size_t layer : formats_.decisions[d].layers) decision_of_[layer] = d;
    }
    for (size_t shape = 0; shape < shares_.size(); ++shape) {
      const Decision& decision = formats_.decisions[decision_of_[network_.LayerOf(shape)]];
      for (const LayerFormats& option : decision.options) {
        shares_[shape].emplace_back();
        for (const CostBound& bound : bounds_) {
          shares_[shape].back().push_back(bound.model->LayerCost(shape, option) / bound.at_most);
        }
      }
    }
  }

  // One dimension, or two that one layer's shape depends on.
  void FindMoves() {
    std::set<std::pair<size_t, size_t>> pairs;
    for (size_t d = 0; d < network_.dimensions().size(); ++d) pairs.emplace(d, d);
    for (size_t layer = 0; layer < space_.layer_count; ++layer) {
      const std::vector<size_t>& dimensions = network_.DimensionsOf(layer);
      for (size_t i = 0; i < dimensions.size(); ++i) {
        for (size_t j = 0; j < i; ++j) pairs.emplace(dimensions[j], dimensions[i]);
      }
    }
    for (const auto& [a, b] : pairs) {
      std::set<size_t> decisions;
      for (size_t layer = 0; layer < space_.layer_count; ++layer) {
        for (const size_t d : network_.DimensionsOf(layer)) {
          if (d == a || d == b) decisions.insert(decision_of_[layer]);
        }
      }
      moves_.push_back({a, b, {decisions.begin(), decisions.end()}});
    }
  }

  int OptionsOf(size_t dimension) const {
    return static_cast<int>(network_.dimensions()[dimension].options.size());
  }

  // What the best format of a decision is worth under the prices, and the shares that it takes.
  double DecisionWorth(size_t d, const Architecture& architecture, Shares* taken) const {
    const Decision& decision = formats_.decisions[d];
    double best = -kInfinity;
    Shares best_here;
    for (size_t o = 0; o < decision.options.size(); ++o) {
      Shares here(bounds_.size(), 0);
      for (const size_t layer : decision.layers) {
        const size_t shape = network_.ShapeOf(layer, architecture);
        if (shape == ElasticNetwork::kAbsent) continue;
        for (size_t k = 0; k < here.size(); ++k) here[k] += shares_[shape][o][k];
      }
      double value = values_[d][o];
      for (size_t k = 0; k < here.size(); ++k) value -= prices_[k] * here[k];
      if (value <= best) continue;
      best = value;
      best_here = here;
    }
    for (size_t k = 0; taken != nullptr && k < best_here.size(); ++k) (*taken)[k] += best_here[k];
    return best;
  }

  // The same, from what is known of each shape where a decision has one layer.
  double WorthOf(size_t d, const Architecture& architecture) const {
    const Decision& decision = formats_.decisions[d];
    if (decision.layers.size() > 1) return DecisionWorth(d, architecture, nullptr);
    const size_t shape = network_.ShapeOf(decision.layers.front(), architecture);
    return shape == ElasticNetwork::kAbsent ? *std::max_element(values_[d].begin(), values_[d].end())
                                            : shape_worth_[shape];
  }

  void SetPrices(Shares prices) {
    prices_ = std::move(prices);
    shape_worth_.assign(shares_.size(), -kInfinity);
    for (size_t shape = 0; shape < shares_.size(); ++shape) {
      const size_t d = decision_of_[network_.LayerOf(shape)];
      for (size_t o = 0; o < shares_[shape].size(); ++o) {
        double value = values_[d][o];
        for (size_t k = 0; k < prices_.size(); ++k) value -= prices_[k] * shares_[shape][o][k];
        shape_worth_[shape] = std::max(shape_worth_[shape], value);
      }
    }
  }

  // The architecture's value with the best formats under the prices.
  double Priced(const Architecture& architecture) const {
    double worth = ArchitectureValue(architecture);
    for (size_t d = 0; d < formats_.decisions.size(); ++d) worth += WorthOf(d, architecture);
    return worth;
  }

  Shares SharesAt(const Architecture& architecture) const {
    Shares taken(bounds_.size(), 0);
    for (size_t d = 0; d < formats_.decisions.size(); ++d) DecisionWorth(d, architecture, &taken);
    return taken;
  }

  // No solution of the architecture within the bounds is worth more.
  double Relaxed(const Architecture& architecture) const {
    return Priced(architecture) + std::accumulate(prices_.begin(), prices_.end(), 0.0);
  }

  // What a move touches: its own values, and the decisions of layers that it shapes.
  double PartWorth(const Move& move, const Architecture& architecture) const {
    const auto value = [&](size_t dimension) {
      return values_[formats_.decisions.size() + dimension][static_cast<size_t>(architecture[dimension])];
    };
    double worth = value(move.a) + (move.a == move.b ? 0 : value(move.b));
    for (const size_t d : move.decisions) worth += WorthOf(d, architecture);
    return worth;
  }

  // Calls run(changed) for every architecture that the move leads to.
  template <typename Run>
  void ForEachTarget(const Move& move, const Architecture& from, const Run& run) const {
    Architecture changed = from;
    for (int i = 0; i < OptionsOf(move.a); ++i) {
      changed[move.a] = i;
      for (int j = 0; j < (move.a == move.b ? 1 : OptionsOf(move.b)); ++j) {
        if (move.a != move.b) changed[move.b] = j;
        if (changed != from) run(changed);
      }
    }
  }

  Architecture Ascend(Architecture from) const {
    for (bool moved = true; moved;) {
      moved = false;
      for (const Move& move : moves_) {
        double worth = PartWorth(move, from) + kRounding;
        Architecture best = from;
        ForEachTarget(move, from, [&](const Architecture& changed) {
          const double value = PartWorth(move, changed);
          if (value <= worth) return;
          worth = value + kRounding;
          best = changed;
          moved = true;
        });
        from = std::move(best);
      }
    }
    return from;
  }

  // The lowest price in the direction of the weights whose solution fits; moves the weights towards the
  // bounds that are used up most.
  void Bisect(Shares& weights) {
    Shares taken;
    const auto fits = [&](double price) {
      Shares prices = weights;
      for (double& each : prices) each *= price;
      SetPrices(std::move(prices));
      double worth = -kInfinity;
      Architecture best;
      for (const Architecture& start : {network_.Largest(), last_, network_.Smallest()}) {
        if (start.empty()) continue;
        const Architecture found = Ascend(start);
        met_.insert(found);
        if (const double value = Priced(found); value > worth) {
          worth = value;
          best = found;
        }
      }
      last_ = best;
      taken = SharesAt(best);
      return *std::max_element(taken.begin(), taken.end()) <= 1;
    };
    if (fits(0)) return;
    double low = 0, high = 1e-3;
    for (int i = 0; i < kBisections && !fits(high); ++i) high *= 4;
    for (int i = 0; i < kBisections && high - low > kPrecision * high; ++i) {
      const double middle = low + (high - low) / 2;
      (fits(middle) ? high : low) = middle;
    }
    fits(high);
    for (size_t k = 0; k < weights.size(); ++k) weights[k] *= std::max(taken[k], kPrecision);
  }

  // Exact for this architecture; false if nothing fits.
  bool SolveFormats(const Architecture& architecture) {
    std::vector<std::unique_ptr<CostAtArchitecture>> models;
    std::vector<CostBound> bounds;
    for (const CostBound& bound : bounds_) {
      models.push_back(std::make_unique<CostAtArchitecture>(*bound.model, architecture));
      bounds.push_back({models.back().get(), bound.at_most});
    }
    const std::vector<std::vector<double>> values(
        values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(formats_.decisions.size()));
    const std::optional<Choices> choices = MostProbableWithin(formats_, values, bounds);
    if (!choices) return false;
    double value = ArchitectureValue(architecture);
    for (size_t d = 0; d < choices->size(); ++d) value += values[d][static_cast<size_t>((*choices)[d])];
    if (best_ && value <= best_value_) return true;
    Choices all = *choices;
    all.insert(all.end(), architecture.begin(), architecture.end());
    const Assignment assignment = space_.Apply(all);
    const bool fits = std::all_of(bounds_.begin(), bounds_.end(), [&](const CostBound& bound) {
      return TotalCost(*bound.model, assignment) <= bound.at_most;
    });
    if (!fits) return false;
    best_ = std::move(all);
    best_value_ = value;
    architecture_ = architecture;
    return true;
  }

  void Improve() {
    std::set<Architecture> tried = {architecture_};
    for (int steps = 0; steps < kMostSteps;) {
      std::vector<std::pair<double, Architecture>> promising;
      const double here = Relaxed(architecture_);
      for (const Move& move : moves_) {
        const double part = PartWorth(move, architecture_);
        ForEachTarget(move, architecture_, [&](const Architecture& changed) {
          const double most = here - part + PartWorth(move, changed);
          if (most > best_value_ + kRounding && !tried.contains(changed))
            promising.emplace_back(-most, changed);
        });
      }
      if (promising.empty()) return;
      std::stable_sort(promising.begin(), promising.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      const Architecture before = architecture_;
      for (const auto& [worth, changed] : promising) {
        if (++steps > kMostSteps) return;
        tried.insert(changed);
        SolveFormats(changed);
        if (architecture_ != before) break;
      }
      if (architecture_ == before) return;
    }
  }

  const SearchSpace& space_;
  const ElasticNetwork& network_;
  const std::vector<std::vector<double>>& values_;
  const std::span<const CostBound> bounds_;
  SearchSpace formats_;                      // the space's decisions of formats
  std::vector<std::vector<Shares>> shares_;  // [shape][option of its decision]
  std::vector<size_t> decision_of_;          // by layer
  std::vector<Move> moves_;
  std::vector<double> shape_worth_;  // under the prices, of the best format of the shape's decision
  std::set<Architecture> met_;
  Architecture last_;  // of the relaxation
  Shares prices_;
  std::optional<Choices> best_;
  double best_value_ = -kInfinity;
  Architecture architecture_;  // of best_
};

}  // namespace

std::optional<Choices> JointChoiceWithin(const SearchSpace& space,
                                         const std::vector<std::vector<double>>& values,
                                         std::span<const CostBound> bounds) {
  PRECIS_CHECK(!bounds.empty() && space.network != nullptr);
  return JointChoice(space, values, bounds).Solve();
}

}  // namespace precis::search
