// The grammar of format names, and descriptions.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "supernet/formats/check.h"
#include "supernet/formats/did_you_mean.h"
#include "supernet/formats/format.h"

namespace precis {
namespace {

constexpr int kSmallestFloatBits = 3;
constexpr int kLargestFloatBits = 8;
constexpr size_t kLongestEcho = 64;  // characters of a wrong name that its error message repeats

struct WideFloat {
  const char* name;
  int exponent_bits;
  int mantissa_bits;
  const char* description;
};
constexpr WideFloat kWideFloats[] = {
    {"bf16", 8, 7, "bfloat16: the upper half of an FP32"},
    {"fp16", 5, 10, "IEEE 754 binary16"},
    {"fp32", 8, 23, "IEEE 754 binary32"},
};

// What other tools call our formats.
constexpr std::pair<const char*, const char*> kOtherNames[] = {
    {"fp4", "\"e2m1\""},
    {"float4", "\"e2m1\""},
    {"float4_e2m1fn", "\"e2m1\""},
    {"fp6", "\"e2m3\" or \"e3m2\""},
    {"float6", "\"e2m3\" or \"e3m2\""},
    {"float6_e2m3fn", "\"e2m3\""},
    {"float6_e3m2fn", "\"e3m2\""},
    {"fp8", "\"e4m3fn\" or \"e5m2\""},
    {"float8", "\"e4m3fn\" or \"e5m2\""},
    {"float8_e4m3", "\"e4m3ieee\""},
    {"float8_e4m3fn", "\"e4m3fn\""},
    {"float8_e5m2", "\"e5m2\""},
    {"bfloat16", "\"bf16\""},
    {"half", "\"fp16\""},
    {"float16", "\"fp16\""},
    {"float", "\"fp32\""},
    {"float32", "\"fp32\""},
    {"e8m7", "\"bf16\""},
    {"e5m10", "\"fp16\""},
    {"e8m23", "\"fp32\""},
};

constexpr const char* kAllowed =
    "Allowed: int2 to int8 and int16 (\"_full\" adds the lowest code), eXmY floats of 3 to 8 bits (alone, "
    "or with fn, ieee or sat), bf16, fp16, fp32.";

bool IsIntegerWidth(int bits) { return (bits >= 2 && bits <= 8) || bits == 16; }

bool AllowsIeee(int exponent_bits, int mantissa_bits) { return exponent_bits >= 2 && mantissa_bits >= 1; }

bool IsE5M2(int exponent_bits, int mantissa_bits) { return exponent_bits == 5 && mantissa_bits == 2; }

// What a name without an ending means.
Specials DefaultSpecials(int exponent_bits, int mantissa_bits) {
  return IsE5M2(exponent_bits, mantissa_bits) ? Specials::kIeee : Specials::kNone;
}

Format Scaled(const ElementFormat& element) { return {element, ScaleFormat{}}; }

Format Unscaled(const WideFloat& wide) {
  return {FloatElement(wide.exponent_bits, wide.mantissa_bits, Specials::kIeee),
          ScaleFormat{.type = ScaleType::kNone}};
}

const WideFloat* FindWideFloat(const Format& format) {
  for (const WideFloat& wide : kWideFloats) {
    if (Unscaled(wide) == format) return &wide;
  }
  return nullptr;
}

bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Takes a number of one to four digits without a leading zero off the front of `text`.
std::optional<int> ConsumeNumber(std::string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  if (digits == 0 || digits > 4 || (digits > 1 && text[0] == '0')) return std::nullopt;
  int number = 0;
  for (size_t i = 0; i < digits; ++i) number = number * 10 + (text[i] - '0');
  text.remove_prefix(digits);
  return number;
}

std::optional<Specials> ParseEnding(std::string_view ending, Specials without) {
  if (ending.empty()) return without;
  if (ending == "sat") return Specials::kNone;
  if (ending == "fn") return Specials::kNanOnly;
  if (ending == "ieee") return Specials::kIeee;
  return std::nullopt;
}

// The three below: a format; or why `text`, which has that shape of name, is none; or nullopt if the name
// is of another shape.
using Parsed = std::optional<absl::StatusOr<Format>>;

Parsed ParseInteger(std::string_view text) {
  if (!ConsumePrefix(text, "int")) return std::nullopt;
  const std::optional<int> bits = ConsumeNumber(text);
  const bool full = ConsumePrefix(text, "_full");
  if (!bits.has_value() || !text.empty()) return std::nullopt;
  if (!IsIntegerWidth(*bits)) {
    return absl::InvalidArgumentError(absl::StrCat("integers have 2 to 8 or 16 bits, not ", *bits, "."));
  }
  return Scaled(IntegerElement(*bits, /*narrow=*/!full));
}

Parsed ParseMinifloat(std::string_view text) {
  if (!ConsumePrefix(text, "e")) return std::nullopt;
  const std::optional<int> exponent = ConsumeNumber(text);
  if (!exponent.has_value() || !ConsumePrefix(text, "m")) return std::nullopt;
  const std::optional<int> mantissa = ConsumeNumber(text);
  if (!mantissa.has_value()) return std::nullopt;
  const std::optional<Specials> specials = ParseEnding(text, DefaultSpecials(*exponent, *mantissa));
  if (!specials.has_value()) return std::nullopt;
  if (*exponent < 1) return absl::InvalidArgumentError("a float has at least one exponent bit.");
  const int bits = 1 + *exponent + *mantissa;
  if (bits < kSmallestFloatBits || bits > kLargestFloatBits) {
    return absl::InvalidArgumentError(absl::StrCat("floats named eXmY have 3 to 8 bits, and a sign, ",
                                                   *exponent, " exponent and ", *mantissa,
                                                   " mantissa bits make ", bits, "."));
  }
  if (*specials == Specials::kIeee && !AllowsIeee(*exponent, *mantissa)) {
    return absl::InvalidArgumentError(
        "\"ieee\" needs at least 2 exponent bits and 1 mantissa bit, to tell infinity from NaN.");
  }
  return Scaled(FloatElement(*exponent, *mantissa, *specials));
}

Parsed ParseWideFloat(std::string_view text) {
  for (const WideFloat& wide : kWideFloats) {
    std::string_view rest = text;
    if (ConsumePrefix(rest, wide.name) && (rest.empty() || rest == "ieee")) return Unscaled(wide);
  }
  return std::nullopt;
}

std::string Suggestion(const std::string& text) {
  for (const auto& [other, ours] : kOtherNames) {
    if (text == other) return absl::StrCat(" Did you mean ", ours, "?");
  }
  std::vector<std::string> known;
  for (const Format& format : AllFormats()) known.push_back(FormatName(format));
  return DidYouMean(text, known);
}

std::string FloatSource(const ElementFormat& element) {
  const std::string layout = absl::StrCat("e", element.exponent_bits, "m", element.mantissa_bits);
  switch (element.specials) {
    case Specials::kNone:
      if (layout == "e2m1") return "OCP MX 1.0 FP4";
      if (layout == "e2m3" || layout == "e3m2") return "OCP MX 1.0 FP6";
      return "Aggarwal 2023, arXiv 2311.12359";
    case Specials::kNanOnly:
      return layout == "e4m3" ? "OCP OFP8 and MX 1.0" : "specials as in OCP OFP8 E4M3";
    case Specials::kIeee:
      return layout == "e5m2" ? "OCP OFP8 and MX 1.0" : "specials as in IEEE 754";
  }
  PRECIS_CHECK(false);
}

const char* SpecialsText(Specials specials) {
  switch (specials) {
    case Specials::kNone:
      return "no infinity or NaN";
    case Specials::kNanOnly:
      return "NaN, no infinity";
    case Specials::kIeee:
      return "infinity and NaN";
  }
  PRECIS_CHECK(false);
}

std::string IntegerName(const ElementFormat& element) {
  return absl::StrCat("int", element.bits, element.narrow ? "" : "_full");
}

std::string FloatName(const ElementFormat& element) {
  std::string layout = absl::StrCat("e", element.exponent_bits, "m", element.mantissa_bits);
  if (element.specials == DefaultSpecials(element.exponent_bits, element.mantissa_bits)) return layout;
  switch (element.specials) {
    case Specials::kNone:
      return layout + "sat";
    case Specials::kNanOnly:
      return layout + "fn";
    case Specials::kIeee:
      return layout + "ieee";
  }
  PRECIS_CHECK(false);
}

}  // namespace

std::string FormatName(const Format& format) {
  if (const WideFloat* wide = FindWideFloat(format)) return wide->name;
  return format.element.kind == ElementKind::kInteger ? IntegerName(format.element)
                                                      : FloatName(format.element);
}

absl::StatusOr<Format> ParseFormat(std::string_view name) {
  const std::string text = absl::AsciiStrToLower(std::string(name.substr(0, kLongestEcho)));
  std::string reason = ".";
  if (name.size() <= kLongestEcho) {
    for (const auto parse : {ParseInteger, ParseMinifloat, ParseWideFloat}) {
      const Parsed parsed = parse(text);
      if (!parsed.has_value()) continue;
      if (parsed->ok()) return **parsed;
      reason = absl::StrCat(": ", parsed->status().message());
    }
  }
  const std::string echo = absl::CHexEscape(std::string(name.substr(0, kLongestEcho)));
  return absl::InvalidArgumentError(absl::StrCat("\"", echo, name.size() > kLongestEcho ? "…" : "",
                                                 "\" is not a number format", reason, Suggestion(text), " ",
                                                 kAllowed));
}

std::vector<Format> AllFormats() {
  std::vector<Format> formats;
  for (const bool narrow : {true, false}) {
    for (int bits = 2; bits <= 16; ++bits) {
      if (IsIntegerWidth(bits)) formats.push_back(Scaled(IntegerElement(bits, narrow)));
    }
  }
  for (int bits = kSmallestFloatBits; bits <= kLargestFloatBits; ++bits) {
    for (int exponent = 1; exponent < bits; ++exponent) {
      const int mantissa = bits - 1 - exponent;
      for (const Specials specials : {Specials::kNone, Specials::kNanOnly, Specials::kIeee}) {
        if (specials == Specials::kIeee && !AllowsIeee(exponent, mantissa)) continue;
        formats.push_back(Scaled(FloatElement(exponent, mantissa, specials)));
      }
    }
  }
  for (const WideFloat& wide : kWideFloats) formats.push_back(Unscaled(wide));
  return formats;
}

std::string DescribeFormat(const Format& format) {
  const ElementFormat& element = format.element;
  const char* scale = IsScaled(format) ? ", FP32 scale" : ", no scale";
  if (element.kind == ElementKind::kInteger) {
    return absl::StrFormat("%d-bit two's complement integer, %g to %g%s", element.bits, MinFinite(element),
                           MaxFinite(element), scale);
  }
  const WideFloat* wide = FindWideFloat(format);
  return absl::StrFormat(
      "%d-bit float, %d exponent and %d mantissa bits, largest %.6g, smallest %.6g, %s%s (%s)", element.bits,
      element.exponent_bits, element.mantissa_bits, MaxFinite(element), SmallestStep(element),
      SpecialsText(element.specials), scale, wide != nullptr ? wide->description : FloatSource(element));
}

}  // namespace precis
