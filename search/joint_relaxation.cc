// Worths by shape, so that a move is priced by what it touches.
#include "search/joint_relaxation.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <utility>

#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

JointRelaxation::JointRelaxation(const SearchSpace& space, const std::vector<std::vector<double>>& values,
                                 std::span<const CostBound> bounds)
    : network_(*space.network), values_(values), bound_count_(bounds.size()) {
  PRECIS_CHECK(values.size() == space.decisions.size());
  formats_.layer_count = space.layer_count;
  for (const Decision& decision : space.decisions) {
    if (!decision.IsArchitecture()) formats_.decisions.push_back(decision);
  }
  FindShares(bounds);
  FindMoves();
  SetPrices(Shares(bound_count_, 0));
}

double JointRelaxation::ArchitectureValue(const Architecture& architecture) const {
  double value = 0;
  for (size_t d = 0; d < architecture.size(); ++d) {
    value += values_[formats_.decisions.size() + d][static_cast<size_t>(architecture[d])];
  }
  return value;
}

// Every shape in every format, by bound.
void JointRelaxation::FindShares(std::span<const CostBound> bounds) {
  shares_.resize(network_.shapes().size());
  decision_of_.resize(formats_.layer_count);
  for (size_t d = 0; d < formats_.decisions.size(); ++d) {
    for (const size_t layer : formats_.decisions[d].layers) decision_of_[layer] = d;
  }
  for (size_t shape = 0; shape < shares_.size(); ++shape) {
    const Decision& decision = formats_.decisions[decision_of_[network_.LayerOf(shape)]];
    for (const LayerFormats& option : decision.options) {
      shares_[shape].emplace_back();
      for (const CostBound& bound : bounds) {
        shares_[shape].back().push_back(bound.model->LayerCost(shape, option) / bound.at_most);
      }
    }
  }
}

void JointRelaxation::FindMoves() {
  std::set<std::pair<size_t, size_t>> pairs;
  for (size_t d = 0; d < network_.dimensions().size(); ++d) pairs.emplace(d, d);
  for (size_t layer = 0; layer < formats_.layer_count; ++layer) {
    const std::vector<size_t>& dimensions = network_.DimensionsOf(layer);
    for (size_t i = 0; i < dimensions.size(); ++i) {
      for (size_t j = 0; j < i; ++j) pairs.emplace(dimensions[j], dimensions[i]);
    }
  }
  for (const auto& [a, b] : pairs) {
    std::set<size_t> decisions;
    for (size_t layer = 0; layer < formats_.layer_count; ++layer) {
      for (const size_t d : network_.DimensionsOf(layer)) {
        if (d == a || d == b) decisions.insert(decision_of_[layer]);
      }
    }
    moves_.push_back({a, b, {decisions.begin(), decisions.end()}});
  }
}

// What the best format of a decision is worth under the prices, and the shares that it takes.
double JointRelaxation::DecisionWorth(size_t d, const Architecture& architecture, Shares* taken) const {
  const Decision& decision = formats_.decisions[d];
  double best = -kInfinity;
  Shares best_here;
  for (size_t o = 0; o < decision.options.size(); ++o) {
    Shares here(bound_count_, 0);
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
double JointRelaxation::WorthOf(size_t d, const Architecture& architecture) const {
  const Decision& decision = formats_.decisions[d];
  if (decision.layers.size() > 1) return DecisionWorth(d, architecture, nullptr);
  const size_t shape = network_.ShapeOf(decision.layers.front(), architecture);
  return shape == ElasticNetwork::kAbsent ? *std::max_element(values_[d].begin(), values_[d].end())
                                          : shape_worth_[shape];
}

void JointRelaxation::SetPrices(Shares prices) {
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

double JointRelaxation::Priced(const Architecture& architecture) const {
  double worth = ArchitectureValue(architecture);
  for (size_t d = 0; d < formats_.decisions.size(); ++d) worth += WorthOf(d, architecture);
  return worth;
}

JointRelaxation::Shares JointRelaxation::SharesAt(const Architecture& architecture) const {
  Shares taken(bound_count_, 0);
  for (size_t d = 0; d < formats_.decisions.size(); ++d) DecisionWorth(d, architecture, &taken);
  return taken;
}

double JointRelaxation::Relaxed(const Architecture& architecture) const {
  return Priced(architecture) + std::accumulate(prices_.begin(), prices_.end(), 0.0);
}

double JointRelaxation::PartWorth(const Move& move, const Architecture& architecture) const {
  const auto value = [&](size_t dimension) {
    return values_[formats_.decisions.size() + dimension][static_cast<size_t>(architecture[dimension])];
  };
  double worth = value(move.a) + (move.a == move.b ? 0 : value(move.b));
  for (const size_t d : move.decisions) worth += WorthOf(d, architecture);
  return worth;
}

Architecture JointRelaxation::Ascend(Architecture from) const {
  for (bool moved = true; moved;) {
    moved = false;
    for (const Move& move : moves_) {
      double worth = PartWorth(move, from) + kJointRounding;
      Architecture best = from;
      ForEachTarget(move, from, [&](const Architecture& changed) {
        const double value = PartWorth(move, changed);
        if (value <= worth) return;
        worth = value + kJointRounding;
        best = changed;
        moved = true;
      });
      from = std::move(best);
    }
  }
  return from;
}

}  // namespace precis::search
