// One sentence form for every number out of range.
#include "search/range_check.h"

#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace precis::search {

std::string NumberText(double value) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end);
}

bool RangeCheck::Refuse(const std::string& field, const std::string& value, const std::string& allowed,
                        const std::string& remedy) {
  failed_ = true;
  violations_.push_back({field, absl::StrCat(value, " is not allowed: give ", allowed, ". ", remedy)});
  return false;
}

bool RangeCheck::Real(const std::string& field, double value, const RealRange& range,
                      const std::string& remedy) {
  if (std::isfinite(value) && value > range.above && value >= range.least && value < range.below &&
      value <= range.most) {
    return true;
  }
  const std::string low = std::isfinite(range.above)   ? absl::StrCat("above ", NumberText(range.above))
                          : std::isfinite(range.least) ? absl::StrCat("from ", NumberText(range.least))
                                                       : "";
  const std::string high = std::isfinite(range.below)  ? absl::StrCat(" and below ", NumberText(range.below))
                           : std::isfinite(range.most) ? absl::StrCat(" up to ", NumberText(range.most))
                                                       : "";
  return Refuse(field, NumberText(value), absl::StrCat("a number ", low, high), remedy);
}

bool RangeCheck::Whole(const std::string& field, int64_t value, int64_t least, int64_t most,
                       const std::string& most_is, const std::string& remedy) {
  if (value >= least && value <= most) return true;
  std::string allowed = absl::StrCat("a whole number from ", least);
  if (most != kUnbounded) {
    absl::StrAppend(&allowed, " to ", most, most_is.empty() ? "" : absl::StrCat(" (", most_is, ")"));
  }
  return Refuse(field, absl::StrCat(value), allowed, remedy);
}

}  // namespace precis::search
