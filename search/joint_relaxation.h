// Architectures and formats under prices on the shares of the bounds that they use up. Internal to
// joint_choice.
//
// Threading: not thread-safe.
#pragma once

#include <span>
#include <vector>

#include "search/bounded_choice.h"
#include "supernet/graph/elastic_network.h"

namespace precis::search {

constexpr double kJointRounding = 1e-9;  // what sums of values may be off by

class JointRelaxation {
 public:
  using Shares = std::vector<double>;  // of each bound

  // Changes dimension a, or a and b at once.
  struct Move {
    size_t a = 0;
    size_t b = 0;
    std::vector<size_t> decisions;  // of formats, of layers whose shapes change
  };

  // All must outlive this.
  JointRelaxation(const SearchSpace& space, const std::vector<std::vector<double>>& values,
                  std::span<const CostBound> bounds);

  // One dimension, or two that one layer's shape depends on.
  const std::vector<Move>& moves() const { return moves_; }

  // One a bound, for all that follows.
  void SetPrices(Shares prices);

  // The values of the architecture's own choices and of the best formats under the prices, less what those
  // cost.
  double Priced(const Architecture& architecture) const;
  // No solution of the architecture within the bounds is worth more.
  double Relaxed(const Architecture& architecture) const;
  // What those formats use up.
  Shares SharesAt(const Architecture& architecture) const;
  // The part of Priced that a move can change.
  double PartWorth(const Move& move, const Architecture& architecture) const;
  // Where no move is worth more.
  Architecture Ascend(Architecture from) const;

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

 private:
  int OptionsOf(size_t dimension) const {
    return static_cast<int>(network_.dimensions()[dimension].options.size());
  }
  void FindShares(std::span<const CostBound> bounds);
  void FindMoves();
  double ArchitectureValue(const Architecture& architecture) const;
  double DecisionWorth(size_t d, const Architecture& architecture, Shares* taken) const;
  double WorthOf(size_t d, const Architecture& architecture) const;

  const ElasticNetwork& network_;
  const std::vector<std::vector<double>>& values_;
  const size_t bound_count_;
  SearchSpace formats_;
  std::vector<size_t> decision_of_;          // by layer
  std::vector<std::vector<Shares>> shares_;  // [shape][option of its decision]
  std::vector<Move> moves_;
  Shares prices_;
  std::vector<double> shape_worth_;  // under the prices, of the best format of the shape's decision
};

}  // namespace precis::search
