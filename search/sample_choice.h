// Which samples of a search are worth a counted evaluation.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace precis::search {

struct PricedSample {
  double cost = 0;     // > 0
  double quality = 0;  // estimated
  bool taken = false;  // is a candidate already
};

// Indices of the `count` best samples of cost at most `target`, best first, taken ones included (equal
// quality: the cheaper, then the earlier).
std::vector<size_t> BestWithin(std::span<const PricedSample> samples, double target, size_t count);

// Indices of up to `count` samples over the range of costs: the range is cut into `count` bins of equal
// ratio; the best of every bin is chosen, cheapest bin first, then every second best, and so on. Taken
// samples hold their place but are neither returned nor counted.
std::vector<size_t> SpreadOverCosts(std::span<const PricedSample> samples, size_t count);

}  // namespace precis::search
