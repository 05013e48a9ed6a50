// Coordinate ascent under prices, then knapsacks of formats.
#include "search/joint_choice.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "search/cost/elastic_cost.h"
#include "search/joint_relaxation.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kBisections = 40;
constexpr int kBalances = 6;      // of several bounds against each other
constexpr size_t kMostExact = 8;  // architectures of the relaxation whose formats are solved for
constexpr int kMostSteps = 24;    // exact solutions of neighbours

constexpr double kPrecision = 1e-3;  // of prices

using Shares = JointRelaxation::Shares;

class JointChoice {
 public:
  JointChoice(const SearchSpace& space, const std::vector<std::vector<double>>& values,
              std::span<const CostBound> bounds)
      : space_(space),
        network_(*space.network),
        values_(values),
        bounds_(bounds),
        relaxation_(space, values, bounds) {}

  std::optional<Choices> Solve() {
    for (const Architecture& start : {network_.Smallest(), network_.Own(), network_.Largest()})
      met_.insert(start);
    Shares weights(bounds_.size(), 1);
    for (int i = 0; i < (bounds_.size() > 1 ? kBalances : 1); ++i) Bisect(weights);
    std::vector<std::pair<double, Architecture>> ranked;
    for (const Architecture& each : met_) ranked.emplace_back(-relaxation_.Relaxed(each), each);
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
  // The lowest price in the direction of the weights whose solution fits; moves the weights towards the
  // bounds that are used up most.
  void Bisect(Shares& weights) {
    Shares taken;
    const auto fits = [&](double price) {
      Shares prices = weights;
      for (double& each : prices) each *= price;
      relaxation_.SetPrices(std::move(prices));
      double worth = -kInfinity;
      Architecture best;
      for (const Architecture& start : {network_.Largest(), last_, network_.Smallest()}) {
        if (start.empty()) continue;
        const Architecture found = relaxation_.Ascend(start);
        met_.insert(found);
        if (const double value = relaxation_.Priced(found); value > worth) {
          worth = value;
          best = found;
        }
      }
      last_ = best;
      taken = relaxation_.SharesAt(best);
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
    std::optional<Choices> all = FormatsWithin(space_, architecture, values_, bounds_);
    if (!all) return false;
    double value = 0;
    for (size_t d = 0; d < all->size(); ++d) value += values_[d][static_cast<size_t>((*all)[d])];
    if (best_ && value <= best_value_) return true;
    best_ = *std::move(all);
    best_value_ = value;
    architecture_ = architecture;
    return true;
  }

  void Improve() {
    std::set<Architecture> tried = {architecture_};
    for (int steps = 0; steps < kMostSteps;) {
      std::vector<std::pair<double, Architecture>> promising;
      const double here = relaxation_.Relaxed(architecture_);
      for (const JointRelaxation::Move& move : relaxation_.moves()) {
        const double part = relaxation_.PartWorth(move, architecture_);
        relaxation_.ForEachTarget(move, architecture_, [&](const Architecture& changed) {
          const double most = here - part + relaxation_.PartWorth(move, changed);
          if (most > best_value_ + kJointRounding && !tried.contains(changed))
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
  JointRelaxation relaxation_;
  std::set<Architecture> met_;
  Architecture last_;  // of the relaxation
  std::optional<Choices> best_;
  double best_value_ = -kInfinity;
  Architecture architecture_;  // of best_
};

}  // namespace

std::optional<Choices> FormatsWithin(const SearchSpace& space, const Architecture& architecture,
                                     const std::vector<std::vector<double>>& values,
                                     std::span<const CostBound> bounds) {
  SearchSpace formats = {.decisions = {}, .layer_count = space.layer_count};
  std::vector<std::vector<double>> format_values;
  for (size_t d = 0; d < space.decisions.size(); ++d) {
    if (space.decisions[d].IsArchitecture()) continue;
    formats.decisions.push_back(space.decisions[d]);
    format_values.push_back(values[d]);
  }
  std::vector<std::unique_ptr<CostAtArchitecture>> models;
  std::vector<CostBound> here;
  for (const CostBound& bound : bounds) {
    models.push_back(std::make_unique<CostAtArchitecture>(*bound.model, architecture));
    here.push_back({models.back().get(), bound.at_most});
  }
  std::optional<Choices> choices = MostProbableWithin(formats, format_values, here);
  if (!choices) return std::nullopt;
  choices->insert(choices->end(), architecture.begin(), architecture.end());
  const Assignment assignment = space.Apply(*choices);
  const bool fits = std::all_of(bounds.begin(), bounds.end(), [&](const CostBound& bound) {
    return TotalCost(*bound.model, assignment) <= bound.at_most;
  });
  return fits ? choices : std::nullopt;
}

std::optional<Choices> JointChoiceWithin(const SearchSpace& space,
                                         const std::vector<std::vector<double>>& values,
                                         std::span<const CostBound> bounds) {
  PRECIS_CHECK(!bounds.empty() && space.network != nullptr);
  return JointChoice(space, values, bounds).Solve();
}

}  // namespace precis::search
