// Reads and writes cost targets.
#include "search/cost/target.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::search {
namespace {

struct Unit {
  const char* metric;
  const char* name;
  double factor;  // of the metric's own unit
};

constexpr std::array<Unit, 11> kUnits = {{
    {"bops", "BOPs", 1},
    {"bops", "kBOPs", 1e3},
    {"bops", "MBOPs", 1e6},
    {"bops", "GBOPs", 1e9},
    {"bops", "TBOPs", 1e12},
    {"model_size", "bits", 1},
    {"model_size", "B", 8},
    {"model_size", "kB", 8e3},
    {"model_size", "MB", 8e6},
    {"model_size", "KiB", 8.0 * 1024},
    {"model_size", "MiB", 8.0 * 1024 * 1024},
}};

// Bytes and bits differ by the case of one letter, so that letter must be right.
bool Matches(const Unit& unit, const std::string& text) {
  if (!absl::EqualsIgnoreCase(text, unit.name)) return false;
  return unit.metric == std::string("bops") || unit.name == std::string("bits") || text.back() == 'B';
}

std::vector<std::string> UnitNames(const std::string& metric) {
  std::vector<std::string> names;
  for (const Unit& unit : kUnits) {
    if (unit.metric == metric) names.emplace_back(unit.name);
  }
  return names;
}

std::string Allowed(const std::string& metric) {
  return absl::StrCat("Give a multiple of a uniform format, such as \"1.1x int4\", or an amount above 0 in ",
                      absl::StrJoin(UnitNames(metric), ", "), ", such as ",
                      metric == "model_size" ? "\"40 KiB\"."
                      : metric == "bops"     ? "\"0.21 GBOPs\"."
                                             : "\"1000\".");
}

absl::Status Refuse(const std::string& text, const std::string& why, const std::string& metric,
                    const std::string& hint = "") {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" ", why, ".", hint, " ", Allowed(metric)));
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view text_view, std::string_view metric_view) {
  const std::string metric(metric_view);
  const std::string text(absl::StripAsciiWhitespace(std::string(text_view)));
  if (text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("a target is required. ", Allowed(metric)));
  }
  Target target;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target.amount);
  if (error == std::errc::result_out_of_range) return Refuse(text, "is out of range", metric);
  if (error != std::errc()) {
    if (ParseFormat(text).ok()) {
      return Refuse(text, absl::StrCat("lacks a number: write \"1x ", text, "\""), metric);
    }
    return Refuse(text, "does not begin with a number", metric);
  }
  if (!std::isfinite(target.amount) || target.amount <= 0) {
    return Refuse(text, "is not a finite amount above 0", metric);
  }
  const std::string number = text.substr(0, static_cast<size_t>(end - text.data()));
  std::string rest(absl::StripAsciiWhitespace(text.substr(number.size())));
  if (rest.empty()) return target;

  for (const char* sign : {"x", "X", "×"}) {
    if (!absl::StartsWith(rest, sign)) continue;
    rest = std::string(absl::StripAsciiWhitespace(rest.substr(std::string(sign).size())));
    if (rest.empty()) return Refuse(text, "names no format after the x", metric);
    const absl::StatusOr<Format> format = ParseFormat(rest);
    if (!format.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": ", format.status().message()));
    }
    target.relative_to = *format;
    return target;
  }

  for (const Unit& unit : kUnits) {
    if (!Matches(unit, rest)) continue;
    if (unit.metric != metric) {
      return Refuse(text, absl::StrCat("has a unit of the metric ", unit.metric, ", not of ", metric),
                    metric);
    }
    target.amount *= unit.factor;
    if (!std::isfinite(target.amount)) return Refuse(text, "is out of range", metric);
    return target;
  }
  if (ParseFormat(rest).ok()) {
    return Refuse(text, absl::StrCat("lacks an x before the format: write \"", number, "x ", rest, "\""),
                  metric);
  }
  return Refuse(text, absl::StrCat("has an unknown unit \"", rest, "\""), metric,
                DidYouMean(rest, UnitNames(metric)));
}

double ResolveTarget(const Target& target, const CostModel& model, size_t layer_count) {
  if (!target.relative_to.has_value()) return target.amount;
  return target.amount * TotalCost(model, UniformAssignment(layer_count, *target.relative_to));
}

std::string CostText(std::string_view metric, double value) {
  const auto in = [value](double factor, const char* unit) {
    return absl::StrFormat("%.4g %s", value / factor, unit);
  };
  // The literature speaks of GBOPs; smaller units serve where GBOPs would begin with zeros.
  if (metric == "bops") {
    if (value >= 9999.5e12) return absl::StrFormat("%.0f TBOPs", value / 1e12);
    if (value >= 9999.5e9) return in(1e12, "TBOPs");
    if (value >= 0.01e9) return in(1e9, "GBOPs");
    if (value >= 9999.5) return in(1e6, "MBOPs");
    return in(1, "BOPs");
  }
  if (metric == "model_size") {
    if (value >= 9999.5 * 8 * 1024 * 1024) return absl::StrFormat("%.0f MiB", value / (8.0 * 1024 * 1024));
    if (value >= 8.0 * 1024 * 1024) return in(8.0 * 1024 * 1024, "MiB");
    if (value >= 8.0 * 1024) return in(8.0 * 1024, "KiB");
    return in(1, "bits");
  }
  return absl::StrFormat("%.4g", value);
}

}  // namespace precis::search
