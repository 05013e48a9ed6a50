// Coordinate ascent under prices, then knapsacks of formats.
#include "search/joint_choice.h"

#include <algorithm>
#include <limits>
#include <memory>
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

using Shares = std::vector<double>;  // of each bound

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
    for (const Architecture& each : met_) ranked.emplace_back(-Relaxed(each, prices_), each);
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
    std::vector<size_t> decision_of(space_.layer_count, 0);
    for (size_t d = 0; d < formats_.decisions.size(); ++d) {
      for (const size_t layer : formats_.decisions[d].layers) decision_of[layer] = d;
    }
    for (size_t shape = 0; shape < shares_.size(); ++shape) {
      const Decision& decision = formats_.decisions[decision_of[network_.LayerOf(shape)]];
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
    moves_.assign(pairs.begin(), pairs.end());
  }

  int OptionsOf(size_t dimension) const {
    return static_cast<int>(network_.dimensions()[dimension].options.size());
  }

  // Calls run(changed) for every architecture one move away.
  template <typename Run>
  void ForEachNeighbour(const Architecture& from, const Run& run) const {
    for (const auto& [a, b] : moves_) {
      Architecture changed = from;
      for (int i = 0; i < OptionsOf(a); ++i) {
        for (int j = 0; j < (a == b ? 1 : OptionsOf(b)); ++j) {
          changed[a] = i;
          if (a != b) changed[b] = j;
          const bool is_move = changed[a] != from[a] && (a == b || changed[b] != from[b]);
          if (is_move) run(changed);
        }
      }
    }
  }

  // The architecture's value with the best formats under the prices; the shares they take go to `taken`.
  double Priced(const Architecture& architecture, const Shares& prices, Shares* taken = nullptr) const {
    const std::vector<size_t> shapes = network_.ShapesOf(architecture);
    double worth = ArchitectureValue(architecture);
    Shares here(bounds_.size());
    Shares best_here;
    for (size_t d = 0; d < formats_.decisions.size(); ++d) {
      const Decision& decision = formats_.decisions[d];
      double best = -kInfinity;
      for (size_t o = 0; o < decision.options.size(); ++o) {
        std::fill(here.begin(), here.end(), 0);
        for (const size_t layer : decision.layers) {
          if (shapes[layer] == ElasticNetwork::kAbsent) continue;
          for (size_t k = 0; k < here.size(); ++k) here[k] += shares_[shapes[layer]][o][k];
        }
        double value = values_[d][o];
        for (size_t k = 0; k < here.size(); ++k) value -= prices[k] * here[k];
        if (value <= best) continue;
        best = value;
        best_here = here;
      }
      worth += best;
      if (taken == nullptr) continue;
      for (size_t k = 0; k < here.size(); ++k) (*taken)[k] += best_here[k];
    }
    return worth;
  }

  // No solution of the architecture within the bounds is worth more.
  double Relaxed(const Architecture& architecture, const Shares& prices) const {
    double worth = Priced(architecture, prices);
    for (const double price : prices) worth += price;
    return worth;
  }

  Architecture Ascend(Architecture from, const Shares& prices) const {
    double worth = Priced(from, prices);
    for (bool moved = true; moved;) {
      moved = false;
      Architecture best = from;
      for (const auto& [a, b] : moves_) {
        Architecture changed = from;
        for (int i = 0; i < OptionsOf(a); ++i) {
          for (int j = 0; j < (a == b ? 1 : OptionsOf(b)); ++j) {
            changed[a] = i;
            if (a != b) changed[b] = j;
            const double value = Priced(changed, prices);
            if (value <= worth + 1e-12) continue;
            worth = value;
            best = changed;
            moved = true;
          }
        }
        from = best;
      }
    }
    return from;
  }

  // The lowest price in the direction of the weights whose solution fits; moves the weights towards the
  // bounds that are used up most.
  void Bisect(Shares& weights) {
    const auto prices_at = [&](double price) {
      Shares prices = weights;
      for (double& each : prices) each *= price;
      return prices;
    };
    Shares taken;
    const auto fits = [&](double price) {
      const Shares prices = prices_at(price);
      Architecture best;
      double worth = -kInfinity;
      for (const Architecture& start : {network_.Largest(), last_, network_.Smallest()}) {
        if (start.empty()) continue;
        const Architecture found = Ascend(start, prices);
        met_.insert(found);
        if (const double value = Priced(found, prices); value > worth) {
          worth = value;
          best = found;
        }
      }
      last_ = best;
      taken.assign(bounds_.size(), 0);
      Priced(best, prices, &taken);
      return *std::max_element(taken.begin(), taken.end()) <= 1;
    };
    double low = 0, high = 1e-3;
    if (fits(0)) {
      prices_ = Shares(bounds_.size(), 0);
      return;
    }
    for (int i = 0; i < 40 && !fits(high); ++i) high *= 4;
    for (int i = 0; i < kBisections && high - low > 1e-4 * high; ++i) {
      const double middle = low + (high - low) / 2;
      (fits(middle) ? high : low) = middle;
    }
    fits(high);
    prices_ = prices_at(high);
    for (size_t k = 0; k < weights.size(); ++k) weights[k] *= std::max(taken[k], 1e-3);
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
      ForEachNeighbour(architecture_, [&](const Architecture& changed) {
        const double most = Relaxed(changed, prices_);
        if (most > best_value_ + 1e-9 && !tried.contains(changed)) promising.emplace_back(-most, changed);
      });
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
  std::vector<std::pair<size_t, size_t>> moves_;
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
