// Cost targets as people write them.
//
//   target   = factor "x" format | amount [unit]        "1.1x int4", "0.21 GBOPs", "40 KiB", "153000000"
//   unit     = for bops: BOPs, kBOPs, MBOPs, GBOPs, TBOPs; for model_size: bits, B, kB, MB, KiB, MiB
// Units ignore case, but B (bytes) must be upper case; an amount without unit is in the metric's own
// (operations, bits).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "search/cost/cost_model.h"
#include "supernet/formats/format.h"

namespace precis::search {

struct Target {
  double amount = 0;                  // absolute, or the factor
  std::optional<Format> relative_to;  // the uniform assignment that `amount` multiplies
};

// INVALID_ARGUMENT saying what is allowed. amount > 0 and finite.
absl::StatusOr<Target> ParseTarget(std::string_view text, std::string_view metric);

// In the metric's unit.
double ResolveTarget(const Target& target, const CostModel& model, size_t layer_count);

// "0.2143 GBOPs", "38.2 KiB": four significant digits, for people.
std::string CostText(std::string_view metric, double value);

}  // namespace precis::search
