// formats, format show, quantize: what number formats do. Needs no server.
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/utf8.h"
#include "supernet/formats/analysis.h"
#include "supernet/formats/format.h"
#include "supernet/formats/scalar.h"
#include "supernet/formats/tensor_quantizer.h"

namespace precis::client {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMostValues = size_t{1} << 24;
constexpr size_t kMostFaults = 20;
constexpr size_t kLongestEcho = 40;
constexpr int kLargestCodeTable = 8;  // bits

std::string Number(double value) { return absl::StrFormat("%.6g", value); }

// Enough digits that reading it as FP32 gives the same number.
std::string ExactFloat(float value) { return absl::StrFormat("%.9g", value); }

const char* Specials(const ElementFormat& element) {
  return HasInfinity(element) ? "Inf, NaN" : HasNan(element) ? "NaN" : "";
}

ordered_json FiniteOrNull(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

// What a layer may store in the format.
const char* Operands(const Format& format) {
  return HoldsNegatives(format) ? "weights, activations" : "activations";
}

ordered_json FormatJson(const Format& format) {
  const ElementFormat& element = format.element;
  return {{"name", FormatName(format)},
          {"bits", element.bits},
          {"max_finite", MaxFinite(element)},
          {"smallest_step", SmallestStep(element)},
          {"has_nan", HasNan(element)},
          {"has_infinity", HasInfinity(element)},
          {"description", DescribeFormat(format)},
          {"min_finite", MinFinite(element)},
          {"storage_bits", BitsPerElement(format)},
          {"operands", Operands(format)},
          {"source", FormatSource(format)}};
}

std::string ValueText(double value) {
  return std::isnan(value) ? "NaN" : std::isinf(value) ? (value < 0 ? "-Inf" : "Inf") : Number(value);
}

std::string CodeText(uint32_t code, int bits) {
  std::string text;
  for (int bit = bits - 1; bit >= 0; --bit) text += (code >> bit) & 1 ? '1' : '0';
  return text;
}

bool IsUnused(const ElementFormat& element, uint32_t code) {
  return element.kind == ElementKind::kInteger && element.is_signed && element.narrow &&
         code == uint32_t{1} << (element.bits - 1);
}

std::string CodeTable(const ElementFormat& element) {
  Table table({{"CODE", true}, {"BITS"}, {"VALUE", true}});
  for (uint32_t code = 0; code >> element.bits == 0; ++code) {
    table.AddRow({absl::StrFormat("0x%02x", code), CodeText(code, element.bits),
                  IsUnused(element, code) ? "unused" : ValueText(Decode(element, code))});
  }
  return table.Text();
}

std::string LayoutText(const Format& format) {
  std::string text = absl::StrCat(FormatName(format), ": ", DescribeFormat(format), "\n");
  const ElementFormat& element = format.element;
  absl::StrAppend(&text, "range     ", Number(MinFinite(element)), " to ", Number(MaxFinite(element)),
                  " times the scale, smallest step ", Number(SmallestStep(element)), "\n");
  absl::StrAppend(&text, "storage   ", Number(BitsPerElement(format)), " bits an element");
  if (IsBlockScaled(format)) {
    absl::StrAppend(&text, ": ", format.scale.block, " elements of ", ElementBits(element), " bits and ",
                    ScaleBits(format), " bits of scale a block");
    if (format.scale.global) text += ", 32 bits a tensor";
  } else if (IsScaled(format)) {
    absl::StrAppend(
        &text, ", and ", ScaleBits(format), " bits of scale ",
        format.scale.extent == ScaleExtent::kTensor ? "a tensor" : "an output channel or activation tensor");
  }
  absl::StrAppend(&text, "\nfor       ", Operands(format), "\n");
  return text;
}

std::optional<float> ParseFloat(const std::string& word) {
  char* end = nullptr;
  const float value = std::strtof(word.c_str(), &end);
  if (word.empty() || end != word.c_str() + word.size() || absl::ascii_isspace(word[0])) return std::nullopt;
  return value;
}

// One number a line; blank lines are skipped. Every line that is none is a fault.
absl::StatusOr<std::vector<float>> ReadValues(std::istream& stream) {
  std::vector<float> values;
  std::string faults, line;
  size_t fault_count = 0;
  for (size_t number = 1; std::getline(stream, line); ++number) {
    const std::string word(absl::StripAsciiWhitespace(line));
    if (word.empty()) continue;
    const std::optional<float> value = ParseFloat(word);
    if (value.has_value()) {
      if (values.size() == kMostValues)
        return absl::InvalidArgumentError(absl::StrCat("more than ", kMostValues, " values: give fewer."));
      values.push_back(*value);
    } else if (++fault_count <= kMostFaults) {
      absl::StrAppend(&faults, faults.empty() ? "" : "\n", "line ", number, ": \"",
                      Printable(word, kLongestEcho), "\" is not a number.");
    }
  }
  if (fault_count > kMostFaults)
    absl::StrAppend(&faults, "\nand ", fault_count - kMostFaults, " more lines that are not numbers.");
  if (fault_count != 0) return absl::InvalidArgumentError(faults);
  return values;
}

absl::StatusOr<Format> FormatOf(const QuantizeOptions& options) {
  absl::StatusOr<Format> format = ParseFormat(options.format);
  if (!format.ok()) return format;
  if (!options.scale_rule.empty()) {
    if (format->scale.type != ScaleType::kE8M0)
      return absl::InvalidArgumentError(
          absl::StrCat("--scale-rule: ", options.format,
                       " has no power-of-two scale; it goes with mx… formats, dfp16 and …@e8m0."));
    format->scale.rule = options.scale_rule == "ceil"   ? PowerRule::kCeil
                         : options.scale_rule == "even" ? PowerRule::kEven
                                                        : PowerRule::kFloor;
  }
  if (options.rounding == "stochastic" && format->stochastic_bits == 0) format->stochastic_bits = 8;
  if (options.rounding == "nearest") format->stochastic_bits = 0;
  const absl::Status status = CheckFormat(*format);
  if (!status.ok())
    return absl::InvalidArgumentError(absl::StrCat("--rounding ", options.rounding, ": ", status.message()));
  return format;
}

// The scale that is asked for: none where the format finds its own.
absl::StatusOr<std::optional<float>> ScaleOf(const QuantizeOptions& options, const Format& format) {
  const bool own = IsBlockScaled(format) || !IsScaled(format);
  if (options.scale == "auto" || (options.scale.empty() && own)) return std::nullopt;
  if (own)
    return absl::InvalidArgumentError(absl::StrCat(
        "--scale ", options.scale, ": ", FormatName(format),
        IsScaled(format) ? " finds a scale for each of its blocks; leave --scale out." : " has no scale."));
  if (options.scale.empty()) return 1.0f;
  const std::optional<float> scale = ParseFloat(options.scale);
  if (!scale.has_value() || !std::isfinite(*scale) || *scale < std::numeric_limits<float>::min())
    return absl::InvalidArgumentError(
        absl::StrCat("--scale \"", options.scale, "\" is neither auto nor a positive normal FP32 number."));
  if (format.scale.type == ScaleType::kE8M0 && std::exp2(std::ilogb(*scale)) != *scale)
    return absl::InvalidArgumentError(absl::StrCat("--scale ", options.scale, ": the scale of ",
                                                   FormatName(format), " is a power of two."));
  return scale;
}

}  // namespace

absl::StatusOr<int> Formats(const Environment& environment, OutputFormat output) {
  const std::vector<Format> formats = CatalogueFormats();
  if (output == OutputFormat::kJson) {
    ordered_json json = ordered_json::array();
    for (const Format& format : formats) json.push_back(FormatJson(format));
    *environment.out << JsonDocument(json);
    return kExitOk;
  }
  if (output == OutputFormat::kCsv) {
    std::vector<Column> columns;
    const ordered_json first = FormatJson(formats[0]);
    for (const auto& [name, value] : first.items()) columns.push_back({name});
    Table table(columns);
    for (const Format& format : formats) {
      std::vector<std::string> cells;
      const ordered_json json = FormatJson(format);
      for (const auto& [name, value] : json.items())
        cells.push_back(value.is_string()         ? value.get<std::string>()
                        : value.is_number_float() ? ExactNumber(value.get<double>())
                                                  : value.dump());
      table.AddRow(cells);
    }
    *environment.out << table.Csv();
    return kExitOk;
  }
  Table table({{"FORMAT"},
               {"BITS", true},
               {"STORED", true},
               {"LOWEST", true},
               {"LARGEST", true},
               {"SMALLEST", true},
               {"SPECIALS"},
               {"FOR"},
               {"DESCRIPTION"}});
  for (const Format& format : formats) {
    const ElementFormat& element = format.element;
    table.AddRow({FormatName(format), absl::StrCat(element.bits), Number(BitsPerElement(format)),
                  Number(MinFinite(element)), Number(MaxFinite(element)), Number(SmallestStep(element)),
                  Specials(element), HoldsNegatives(format) ? "both" : "activations",
                  DescribeFormat(format)});
  }
  *environment.out << table.Text();
  return kExitOk;
}

absl::StatusOr<int> ShowFormat(const Environment& environment, const std::string& name, OutputFormat output) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  if (!format.ok()) return format.status();
  const ElementFormat& element = format->element;
  const bool lists_codes = element.bits <= kLargestCodeTable;
  if (output == OutputFormat::kJson) {
    ordered_json json = FormatJson(*format);
    json["scale_bits"] = ScaleBits(*format);
    json["block"] = IsBlockScaled(*format) ? ordered_json(format->scale.block) : ordered_json(nullptr);
    json["codes"] = ordered_json::array();
    for (uint32_t code = 0; lists_codes && code >> element.bits == 0; ++code) {
      const double value = Decode(element, code);
      json["codes"].push_back({{"code", code},
                               {"bits", CodeText(code, element.bits)},
                               {"value", FiniteOrNull(value)},
                               {"text", IsUnused(element, code) ? "unused" : ValueText(value)}});
    }
    *environment.out << JsonDocument(json);
    return kExitOk;
  }
  *environment.out << LayoutText(*format);
  if (lists_codes) *environment.out << "\n" << CodeTable(element);
  return kExitOk;
}

absl::StatusOr<int> Quantize(const Environment& environment, const QuantizeOptions& options) {
  const absl::StatusOr<Format> format = FormatOf(options);
  if (!format.ok()) return format.status();
  const absl::StatusOr<std::optional<float>> scale = ScaleOf(options, *format);
  if (!scale.ok()) return scale.status();
  const absl::StatusOr<std::vector<float>> values = ReadValues(*environment.in);
  if (!values.ok()) return values.status();
  const QuantizedTensor result =
      QuantizeTensor(*format, {.seed = options.seed, .scale = *scale}, values->data(), 1, values->size());
  if (options.output != OutputFormat::kJson) {
    std::string text;
    for (const float value : result.values) absl::StrAppend(&text, ExactFloat(value), "\n");
    *environment.out << text;
    return kExitOk;
  }
  ordered_json json = {{"format", FormatName(*format)},
                       {"values", ordered_json::array()},
                       {"scales", ordered_json::array()},
                       {"zero_points", result.zero_points},
                       {"global_scale", nullptr}};
  for (const float value : result.values) json["values"].push_back(FiniteOrNull(value));
  for (const float each : result.scales) json["scales"].push_back(FiniteOrNull(each));
  if (format->scale.global) json["global_scale"] = result.global_scale;
  const std::optional<double> quality = SignalToNoise(values->data(), result.values.data(), values->size());
  json["qsnr_db"] = quality.has_value() ? FiniteOrNull(*quality) : ordered_json(nullptr);
  json["exact"] = quality.has_value() && std::isinf(*quality);
  *environment.out << JsonDocument(json);
  return kExitOk;
}

}  // namespace precis::client
