// Cost targets as people write them.
//
//   target   = factor "x" format | amount [unit]        "1.1x int4", "0.21 GBOPs", "40 KiB", "153000000"
//   unit     = for bops: BOPs, kBOPs, MBOPs, GBOPs, TBOPs; for model_size and accumulator_bits: bits, B, kB,
//              MB, KiB, MiB; for asic-energy and asic-area: FP8MACs, for fpga-lut: LUTcycles, each with k, M,
//              G or T; for table: the unit that the table names
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

// INVALID_ARGUMENT saying what is allowed. amount > 0 and finite. `table_unit`: of the metric "table".
absl::StatusOr<Target> ParseTarget(std::string_view text, std::string_view metric,
                                   std::string_view table_unit = "");

// INVALID_ARGUMENT, in words for people, if the target is relative to a format that the model has no price of
// in every layer, or that costs nothing.
absl::Status CheckTarget(const Target& target, const CostModel& model, size_t layer_count);

// In the metric's unit. Precondition: CheckTarget.
double ResolveTarget(const Target& target, const CostModel& model, size_t layer_count);

// "0.2143 GBOPs", "38.2 KiB": four significant digits, for people. Of a table: the number alone.
std::string CostText(std::string_view metric, double value);

// The same with a table's unit.
std::string CostText(const CostModel& model, double value);

// As CostText, but never below `value` when read back, so that it can be offered as a target.
std::string CostTextAtLeast(const CostModel& model, double value);

}  // namespace precis::search
