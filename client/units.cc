// Figures as people read and write them.
#include "client/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/utf8.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::client {
namespace {

struct Unit {
  absl::string_view base;  // the metric's own
  absl::string_view name;
  double factor;
  double shown_from;  // costs of this size and more are shown in it; infinity: read only
};

constexpr double kReadOnly = HUGE_VAL;
constexpr double kKibibyte = 8.0 * 1024;
constexpr double kMebibyte = kKibibyte * 1024;

// Largest first. The literature speaks of GBOPs, so they serve from 0.01 on.
constexpr std::array<Unit, 21> kUnits = {{
    {"BOPs", "TBOPs", 1e12, 1e13},
    {"BOPs", "GBOPs", 1e9, 1e7},
    {"BOPs", "MBOPs", 1e6, 1e4},
    {"BOPs", "kBOPs", 1e3, kReadOnly},
    {"BOPs", "BOPs", 1, 0},
    {"bits", "MiB", kMebibyte, kMebibyte},
    {"bits", "KiB", kKibibyte, kKibibyte},
    {"bits", "MB", 8e6, kReadOnly},
    {"bits", "kB", 8e3, kReadOnly},
    {"bits", "B", 8, kReadOnly},
    {"bits", "bits", 1, 0},
    {"FP8MACs", "TFP8MACs", 1e12, 1e12},
    {"FP8MACs", "GFP8MACs", 1e9, 1e9},
    {"FP8MACs", "MFP8MACs", 1e6, 1e6},
    {"FP8MACs", "kFP8MACs", 1e3, 1e3},
    {"FP8MACs", "FP8MACs", 1, 0},
    {"LUTcycles", "TLUTcycles", 1e12, 1e12},
    {"LUTcycles", "GLUTcycles", 1e9, 1e9},
    {"LUTcycles", "MLUTcycles", 1e6, 1e6},
    {"LUTcycles", "kLUTcycles", 1e3, 1e3},
    {"LUTcycles", "LUTcycles", 1, 0},
}};

std::vector<std::string> UnitNames(absl::string_view base) {
  std::vector<std::string> names;
  for (const Unit& unit : kUnits)
    if (unit.base == base) names.emplace_back(unit.name);
  if (names.empty()) names.emplace_back(base);
  return names;
}

// Bits and bytes differ by the case of one letter, so that letter must be right.
bool Matches(const Unit& unit, absl::string_view text) {
  if (!absl::EqualsIgnoreCase(unit.name, text)) return false;
  return unit.base != "bits" || unit.name == "bits" || text.back() == 'B';
}

std::string FormatsText(const v1::LayerFormats& layer) {
  if (layer.weight() == layer.activation()) return layer.weight();
  return absl::StrCat(layer.weight(), "/", layer.activation());
}

}  // namespace

CostScale ScaleFor(absl::string_view unit, double value) {
  for (const Unit& known : kUnits)
    if (known.base == unit && value >= known.shown_from) return {std::string(known.name), known.factor};
  return {std::string(unit), 1};
}

std::string CostNumber(double value, const CostScale& scale) {
  const double scaled = value / scale.factor;
  // Past four digits %g would turn to powers of ten.
  if (std::isfinite(scaled) && std::abs(scaled) >= 9999.5) return absl::StrFormat("%.0f", scaled);
  return absl::StrFormat("%.4g", scaled);
}

std::string CostText(double value, absl::string_view unit) {
  const CostScale scale = ScaleFor(unit, value);
  return absl::StrCat(CostNumber(value, scale), " ", scale.name);
}

absl::StatusOr<Amount> ParseAmount(absl::string_view text, absl::string_view unit) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Printable(text), "\" ", why, ". Give an amount above 0 in ",
                     absl::StrJoin(UnitNames(unit), ", "), ", such as \"",
                     unit == "bits"   ? "40 KiB"
                     : unit == "BOPs" ? "0.21 GBOPs"
                                      : absl::StrCat("10 ", unit),
                     "\", or a multiple of a uniform format, such as \"1.1x int4\"."));
  };
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  Amount amount;
  const auto [end, error] = std::from_chars(trimmed.data(), trimmed.data() + trimmed.size(), amount.value);
  if (error == std::errc::result_out_of_range) return refuse("is out of range");
  if (error != std::errc()) return refuse("does not begin with a number");
  if (!std::isfinite(amount.value) || amount.value <= 0) return refuse("is not a finite amount above 0");
  absl::string_view rest =
      absl::StripLeadingAsciiWhitespace(trimmed.substr(static_cast<size_t>(end - trimmed.data())));
  if (rest.empty()) return amount;
  if (rest == unit) return amount;
  for (const Unit& known : kUnits) {
    if (known.base != unit || !Matches(known, rest)) continue;
    amount.value *= known.factor;
    if (!std::isfinite(amount.value)) return refuse("is out of range");
    return amount;
  }
  if (absl::ConsumePrefix(&rest, "x") || absl::ConsumePrefix(&rest, "X") || absl::ConsumePrefix(&rest, "×")) {
    amount.times_format = absl::AsciiStrToLower(absl::StripAsciiWhitespace(rest));
    if (amount.times_format.empty()) return refuse("names no format after the x");
    return amount;
  }
  return refuse(absl::StrCat("has an unknown unit \"", Printable(rest), "\""));
}

std::string AccuracyText(double share) { return absl::StrFormat("%.2f%%", share * 100); }

std::string PercentText(double share) { return absl::StrFormat("%.1f%%", share * 100); }

std::string DurationText(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "?";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return absl::StrCat(whole, "s");
  if (whole < 3600) return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  return absl::StrFormat("%dh%02dm", whole / 3600, whole % 3600 / 60);
}

std::string FormatsSummary(const v1::Candidate& candidate) {
  std::string summary;
  for (int i = 0; i < candidate.layers_size();) {
    const std::string formats = FormatsText(candidate.layers(i));
    int end = i + 1;
    while (end < candidate.layers_size() && FormatsText(candidate.layers(end)) == formats) ++end;
    absl::StrAppend(&summary, summary.empty() ? "" : " ", formats);
    if (end - i > 1) absl::StrAppend(&summary, "×", end - i);
    i = end;
  }
  return summary;
}

const v1::Cost* FindCost(const v1::Candidate& candidate, absl::string_view metric) {
  for (const v1::Cost& cost : candidate.costs())
    if (cost.metric() == metric) return &cost;
  return nullptr;
}

std::string LastPart(absl::string_view resource_name) {
  const size_t slash = resource_name.rfind('/');
  return std::string(slash == absl::string_view::npos ? resource_name : resource_name.substr(slash + 1));
}

}  // namespace precis::client
