// Best samples, and samples over the range of costs.
#include "search/sample_choice.h"

#include <algorithm>
#include <cmath>

namespace precis::search {
namespace {

void SortByQuality(std::span<const PricedSample> samples, std::vector<size_t>& indices) {
  std::sort(indices.begin(), indices.end(), [&](size_t a, size_t b) {
    if (samples[a].quality != samples[b].quality) return samples[a].quality > samples[b].quality;
    if (samples[a].cost != samples[b].cost) return samples[a].cost < samples[b].cost;
    return a < b;
  });
}

}  // namespace

std::vector<size_t> BestWithin(std::span<const PricedSample> samples, double target, size_t count) {
  std::vector<size_t> within;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (samples[i].cost <= target) within.push_back(i);
  }
  SortByQuality(samples, within);
  if (within.size() > count) within.resize(count);
  return within;
}

std::vector<size_t> SpreadOverCosts(std::span<const PricedSample> samples, size_t count) {
  std::vector<size_t> chosen;
  if (samples.empty() || count == 0) return chosen;
  double low = samples.front().cost, high = low;
  for (const PricedSample& sample : samples) {
    low = std::min(low, sample.cost);
    high = std::max(high, sample.cost);
  }
  const double span = std::log(high / low);
  std::vector<std::vector<size_t>> bins(count);
  for (size_t i = 0; i < samples.size(); ++i) {
    const double place = span > 0 ? std::log(samples[i].cost / low) / span : 0;
    bins[std::min(static_cast<size_t>(place * static_cast<double>(count)), count - 1)].push_back(i);
  }
  size_t longest = 0;
  for (auto& bin : bins) {
    SortByQuality(samples, bin);
    longest = std::max(longest, bin.size());
  }
  for (size_t rank = 0; rank < longest; ++rank) {
    for (const auto& bin : bins) {
      if (rank >= bin.size() || samples[bin[rank]].taken) continue;
      chosen.push_back(bin[rank]);
      if (chosen.size() == count) return chosen;
    }
  }
  return chosen;
}

}  // namespace precis::search
