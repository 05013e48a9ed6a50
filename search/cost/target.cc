// Reads and writes cost targets.
#include "search/cost/target.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "search/range_check.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::search {
namespace {

struct Unit {
  const char* base;  // the metric's own
  const char* name;
  double factor;  // of the base
};

constexpr std::array<Unit, 21> kUnits = {{
    {"BOPs", "BOPs", 1},
    {"BOPs", "kBOPs", 1e3},
    {"BOPs", "MBOPs", 1e6},
    {"BOPs", "GBOPs", 1e9},
    {"BOPs", "TBOPs", 1e12},
    {"bits", "bits", 1},
    {"bits", "B", 8},
    {"bits", "kB", 8e3},
    {"bits", "MB", 8e6},
    {"bits", "KiB", 8.0 * 1024},
    {"bits", "MiB", 8.0 * 1024 * 1024},
    {"FP8MACs", "FP8MACs", 1},
    {"FP8MACs", "kFP8MACs", 1e3},
    {"FP8MACs", "MFP8MACs", 1e6},
    {"FP8MACs", "GFP8MACs", 1e9},
    {"FP8MACs", "TFP8MACs", 1e12},
    {"LUTcycles", "LUTcycles", 1},
    {"LUTcycles", "kLUTcycles", 1e3},
    {"LUTcycles", "MLUTcycles", 1e6},
    {"LUTcycles", "GLUTcycles", 1e9},
    {"LUTcycles", "TLUTcycles", 1e12},
}};

struct MetricUnit {
  const char* metric;
  const char* base;
  const char* example;
};

// The first of a base names it to those who mix units up.
constexpr std::array<MetricUnit, 6> kMetrics = {{
    {"bops", "BOPs", "\"0.21 GBOPs\""},
    {"model_size", "bits", "\"40 KiB\""},
    {"accumulator_bits", "bits", "\"40 KiB\""},
    {"asic-energy", "FP8MACs", "\"2.5 MFP8MACs\""},
    {"asic-area", "FP8MACs", "\"2.5 MFP8MACs\""},
    {"fpga-lut", "LUTcycles", "\"0.8 GLUTcycles\""},
}};

const MetricUnit* FindMetric(const std::string& metric) {
  for (const MetricUnit& each : kMetrics) {
    if (metric == each.metric) return &each;
  }
  return nullptr;
}

std::string BaseOf(const std::string& metric) {
  const MetricUnit* known = FindMetric(metric);
  return known == nullptr ? "" : known->base;
}

std::string MetricOf(const std::string& base) {
  for (const MetricUnit& each : kMetrics) {
    if (base == each.base) return each.metric;
  }
  return "";
}

// Bytes and bits differ by the case of one letter, so that letter must be right.
bool Matches(const Unit& unit, const std::string& text) {
  if (!absl::EqualsIgnoreCase(text, unit.name)) return false;
  return unit.base != std::string("bits") || unit.name == std::string("bits") || text.back() == 'B';
}

// What the messages need to know of a metric.
struct Metric {
  std::string name;
  std::string table_unit;

  std::vector<std::string> UnitNames() const {
    if (!table_unit.empty()) return {table_unit};
    std::vector<std::string> names;
    for (const Unit& unit : kUnits) {
      if (unit.base == BaseOf(name)) names.emplace_back(unit.name);
    }
    return names;
  }
  std::string Example() const {
    if (!table_unit.empty()) return absl::StrCat("\"1000 ", table_unit, "\"");
    const MetricUnit* known = FindMetric(name);
    return known == nullptr ? "\"1000\"" : known->example;
  }
  std::string Allowed() const {
    const std::vector<std::string> units = UnitNames();
    return absl::StrCat("Give a multiple of a uniform format, such as \"1.1x int4\", or an amount above 0",
                        units.empty() ? "" : " in ", absl::StrJoin(units, ", "), ", such as ", Example(),
                        ".");
  }
};

absl::Status Refuse(const std::string& text, const std::string& why, const Metric& metric,
                    const std::string& hint = "") {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" ", why, ".", hint, " ", metric.Allowed()));
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view text_view, std::string_view metric_view,
                                   std::string_view table_unit) {
  const Metric metric = {.name = std::string(metric_view),
                         .table_unit = metric_view == "table" ? std::string(table_unit) : ""};
  const std::string text(absl::StripAsciiWhitespace(std::string(text_view)));
  if (text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("a target is required. ", metric.Allowed()));
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

  if (!metric.table_unit.empty() && rest == metric.table_unit) return target;
  for (const Unit& unit : kUnits) {
    if (!Matches(unit, rest)) continue;
    if (unit.base != BaseOf(metric.name)) {
      return Refuse(text,
                    absl::StrCat("has a unit of the metric ", MetricOf(unit.base), ", not of ", metric.name),
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
                DidYouMean(rest, metric.UnitNames()));
}

absl::Status CheckTarget(const Target& target, const CostModel& model, size_t layer_count) {
  if (!target.relative_to.has_value()) return absl::OkStatus();
  const Format& format = *target.relative_to;
  if (!PricesUniform(model, layer_count, {format, format})) {
    return absl::InvalidArgumentError(
        absl::StrCat("the table has no cost of ", FormatName(format),
                     " in every layer to take a multiple of: add rows for it, or give an amount such as \"",
                     "1000 ", model.unit(), "\"."));
  }
  if (ResolveTarget(target, model, layer_count) > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a network that is ", FormatName(format),
                                                 " everywhere costs 0 by the table, and so does every "
                                                 "multiple: give an amount such as \"1000 ",
                                                 model.unit(), "\"."));
}

double ResolveTarget(const Target& target, const CostModel& model, size_t layer_count) {
  if (!target.relative_to.has_value()) return target.amount;
  return target.amount * TotalCost(model, UniformAssignment(layer_count, *target.relative_to));
}

std::string CostText(std::string_view metric, double value) {
  const std::string base = BaseOf(std::string(metric));
  const auto in = [value](double factor, const char* unit) {
    return absl::StrFormat("%.4g %s", value / factor, unit);
  };
  // The literature speaks of GBOPs; smaller units serve where GBOPs would begin with zeros.
  if (base == "BOPs") {
    if (value >= 9999.5e12) return absl::StrFormat("%.0f TBOPs", value / 1e12);
    if (value >= 9999.5e9) return in(1e12, "TBOPs");
    if (value >= 0.01e9) return in(1e9, "GBOPs");
    if (value >= 9999.5) return in(1e6, "MBOPs");
    return in(1, "BOPs");
  }
  if (base == "bits") {
    if (value >= 9999.5 * 8 * 1024 * 1024) return absl::StrFormat("%.0f MiB", value / (8.0 * 1024 * 1024));
    if (value >= 8.0 * 1024 * 1024) return in(8.0 * 1024 * 1024, "MiB");
    if (value >= 8.0 * 1024) return in(8.0 * 1024, "KiB");
    return in(1, "bits");
  }
  if (!base.empty()) {
    if (value >= 9999.5e12) return absl::StrFormat("%.0f T%s", value / 1e12, base);
    for (const auto& [factor, prefix] : {std::pair{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}) {
      if (value >= factor) return absl::StrFormat("%.4g %s%s", value / factor, prefix, base);
    }
    return absl::StrFormat("%.4g %s", value, base);
  }
  return absl::StrFormat("%.4g", value);
}

std::string CostText(const CostModel& model, double value) {
  const std::string text = CostText(model.name(), value);
  return model.name() == "table" ? absl::StrCat(text, " ", model.unit()) : text;
}

std::string CostTextAtLeast(const CostModel& model, double value) {
  const std::string table_unit = model.name() == "table" ? model.unit() : "";
  double shown = value;
  for (int i = 0; i < 100; ++i) {
    std::string text = CostText(model, shown);
    const absl::StatusOr<Target> parsed = ParseTarget(text, model.name(), table_unit);
    if (parsed.ok() && parsed->amount >= value) return text;
    shown += value * 1e-4;
  }
  return NumberText(value);
}

}  // namespace precis::search
