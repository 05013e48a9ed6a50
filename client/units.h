// Figures as people read and write them: costs, shares, durations, lists of formats.
//
// A cost travels with its metric's own unit ("BOPs", "bits"); people get a unit that suits its size. The
// amounts that people type are those of a job's cost.target.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "precis/v1/candidate.pb.h"

namespace precis::client {

// A unit that people read costs in: "GBOPs", 1e9 of the metric's own.
struct CostScale {
  std::string name;
  double factor = 1;
};

// The one that suits `value`; the metric's own unit for a metric this program does not know.
CostScale ScaleFor(absl::string_view unit, double value);

// "0.2143 GBOPs", "38.2 KiB": four significant digits.
std::string CostText(double value, absl::string_view unit);

// "0.2143": the same without the unit, for a column in one unit.
std::string CostNumber(double value, const CostScale& scale);

// An amount of cost: absolute in the metric's own unit, or a multiple of what a uniform format costs.
struct Amount {
  double value = 0;
  std::string times_format;  // "int4" for "1.1x int4"; "" = absolute
};

// "153000000", "0.21 GBOPs", "40 KiB", "1.1x int4". INVALID_ARGUMENT saying what is allowed.
absl::StatusOr<Amount> ParseAmount(absl::string_view text, absl::string_view unit);

// "91.25%" for 0.9125.
std::string AccuracyText(double share);
// "97.6%": of a target and the like.
std::string PercentText(double share);

// "8s", "1m12s", "3h05m". Negative or not finite: "?".
std::string DurationText(double seconds);

// Runs of layers with the same formats: "int8 int4×6 int8"; "int4/int8" is weight/activation where they
// differ.
std::string FormatsSummary(const v1::Candidate& candidate);

// The candidate's cost in `metric`; nullptr if it has none.
const v1::Cost* FindCost(const v1::Candidate& candidate, absl::string_view metric);

// "17" of "jobs/abc/candidates/17"; what follows the last slash.
std::string LastPart(absl::string_view resource_name);

}  // namespace precis::client
