// Isotonic regression over levels of cost.
#include "search/effects.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

#include "search/format_error.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

// Off for an option as coarse as its decision has, in nats of loss or shares of accuracy.
constexpr double kCoarseness = 0.002;

// Non-decreasing values nearest to `values` in least squares.
std::vector<double> Isotonic(const std::vector<double>& values) {
  struct Pool {
    double sum = 0;
    size_t count = 0;
    double mean() const { return sum / static_cast<double>(count); }
  };
  std::vector<Pool> pools;
  for (double value : values) {
    pools.push_back({value, 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() > pools.back().mean()) {
      const Pool last = pools.back();
      pools.pop_back();
      pools.back().sum += last.sum;
      pools.back().count += last.count;
    }
  }
  std::vector<double> fitted;
  for (const Pool& pool : pools) fitted.insert(fitted.end(), pool.count, pool.mean());
  return fitted;
}

}  // namespace

std::vector<std::vector<size_t>> CostLevels(const SearchSpace& space, const CostModel& model) {
  std::vector<std::vector<size_t>> levels;
  for (const Decision& decision : space.decisions) {
    std::vector<double> costs;
    for (size_t o = 0; o < decision.variants.size(); ++o) costs.push_back(static_cast<double>(o));
    for (size_t o = 0; o < decision.options.size(); ++o) costs.push_back(OptionCost(model, decision, o));
    const std::set<double> ranks(costs.begin(), costs.end());
    levels.emplace_back();
    for (double cost : costs) {
      levels.back().push_back(static_cast<size_t>(std::distance(ranks.begin(), ranks.find(cost))));
    }
  }
  return levels;
}

Effects SmoothedEffects(const SearchSpace& space, const CostModel& model, const Effects& measured) {
  PRECIS_CHECK(measured.size() == space.decisions.size());
  const std::vector<std::vector<size_t>> levels = CostLevels(space, model);
  const std::vector<std::vector<double>> errors = OptionErrors(space);
  Effects smoothed = measured;
  for (size_t d = 0; d < measured.size(); ++d) {
    if (space.decisions[d].IsArchitecture()) {
      for (size_t o = 0; o < measured[d].size(); ++o) smoothed[d][o] -= kCoarseness * errors[d][o];
      continue;
    }
    const size_t count = *std::max_element(levels[d].begin(), levels[d].end()) + 1;
    std::vector<double> best(count, -std::numeric_limits<double>::infinity());
    for (size_t o = 0; o < measured[d].size(); ++o) {
      best[levels[d][o]] = std::max(best[levels[d][o]], measured[d][o]);
    }
    const std::vector<double> fitted = Isotonic(best);
    for (size_t o = 0; o < measured[d].size(); ++o) {
      smoothed[d][o] += fitted[levels[d][o]] - best[levels[d][o]] - kCoarseness * errors[d][o];
    }
  }
  return smoothed;
}

}  // namespace precis::search
