// Edit distance for did-you-mean suggestions.
#include "supernet/formats/did_you_mean.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace precis {
namespace {

// Longer words are not typing errors of any name, and the distance costs the product of the lengths.
constexpr size_t kLongestWord = 100;

// Insertions, deletions, replacements and swaps of two neighbours, each counted once.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({replace, last[j] + 1, current[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before_last[j - 2] + 1);
      }
    }
    before_last.swap(last);
    last.swap(current);
  }
  return last[b.size()];
}

}  // namespace

std::string ClosestName(std::string_view name, std::span<const std::string> known) {
  if (name.empty() || name.size() > kLongestWord) return "";
  const std::string wanted = absl::AsciiStrToLower(std::string(name));
  size_t best_distance = std::max<size_t>(1, wanted.size() / 3) + 1;
  std::string best;
  for (const std::string& candidate : known) {
    if (candidate.size() > kLongestWord) continue;
    const size_t distance = EditDistance(wanted, absl::AsciiStrToLower(candidate));
    // A distance of the whole word would suggest a name that has no letter in common with it.
    if (distance < best_distance && distance < std::max(wanted.size(), candidate.size())) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view name, std::span<const std::string> known) {
  const std::string closest = ClosestName(name, known);
  return closest.empty() ? "" : absl::StrCat(" Did you mean \"", closest, "\"?");
}

}  // namespace precis
