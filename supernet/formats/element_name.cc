// Integers, minifloats and wide floats by name.
#include "supernet/formats/element_name.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"

namespace precis::names {
namespace {

constexpr int kSmallestFloatBits = 3;
constexpr int kLargestFloatBits = 8;

struct WideFloat {
  const char* name;
  int exponent_bits;
  int mantissa_bits;
  const char* description;
};
constexpr WideFloat kWideFloats[] = {
    {"bf16", 8, 7, "bfloat16: the upper half of an FP32"},
    {"fp16", 5, 10, "IEEE 754 binary16"},
    {"tf32", 8, 10, "NVIDIA TensorFloat-32, held as FP32 in memory"},
    {"fp32", 8, 23, "IEEE 754 binary32"},
};

bool IsIntegerWidth(int bits) { return (bits >= 2 && bits <= 8) || bits == 16; }

bool AllowsIeee(int exponent_bits, int mantissa_bits) { return exponent_bits >= 2 && mantissa_bits >= 1; }

bool IsE5M2(int exponent_bits, int mantissa_bits) { return exponent_bits == 5 && mantissa_bits == 2; }

// What a name without an ending means.
Specials DefaultSpecials(int exponent_bits, int mantissa_bits) {
  return IsE5M2(exponent_bits, mantissa_bits) ? Specials::kIeee : Specials::kNone;
}

Format Scaled(const ElementFormat& element, bool zero_point = false) {
  return {.element = element, .scale = {.zero_point = zero_point}};
}

Format Unscaled(const WideFloat& wide) {
  return {.element = FloatElement(wide.exponent_bits, wide.mantissa_bits, Specials::kIeee),
          .scale = {.type = ScaleType::kNone}};
}

const WideFloat* FindWideFloat(const ElementFormat& element) {
  for (const WideFloat& wide : kWideFloats) {
    if (Unscaled(wide).element == element) return &wide;
  }
  return nullptr;
}

std::optional<Specials> ParseEnding(std::string_view ending, Specials without) {
  if (ending.empty()) return without;
  if (ending == "sat") return Specials::kNone;
  if (ending == "fn") return Specials::kNanOnly;
  if (ending == "ieee") return Specials::kIeee;
  return std::nullopt;
}

using Parsed = std::optional<absl::StatusOr<Format>>;

Parsed ParseInteger(std::string_view text) {
  const bool is_unsigned = ConsumePrefix(text, "u");
  if (!ConsumePrefix(text, "int")) return std::nullopt;
  const std::optional<int> bits = ConsumeNumber(text);
  const bool affine = ConsumePrefix(text, "_affine");
  const bool full = !affine && !is_unsigned && ConsumePrefix(text, "_full");
  if (!bits.has_value() || !text.empty()) return std::nullopt;
  if (!IsIntegerWidth(*bits)) {
    return absl::InvalidArgumentError(absl::StrCat("integers have 2 to 8 or 16 bits, not ", *bits, "."));
  }
  if (is_unsigned) return Scaled(UnsignedElement(*bits), affine);
  return Scaled(IntegerElement(*bits, /*narrow=*/!full && !affine), affine);
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

bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<int> ConsumeNumber(std::string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  if (digits == 0 || digits > 4 || (digits > 1 && text[0] == '0')) return std::nullopt;
  int number = 0;
  for (size_t i = 0; i < digits; ++i) number = number * 10 + (text[i] - '0');
  text.remove_prefix(digits);
  return number;
}

std::optional<absl::StatusOr<Format>> ParseElement(std::string_view text) {
  for (const auto parse : {ParseInteger, ParseMinifloat, ParseWideFloat}) {
    if (Parsed parsed = parse(text); parsed.has_value()) return parsed;
  }
  return std::nullopt;
}

std::string ElementName(const ElementFormat& element, bool zero_point) {
  if (const WideFloat* wide = FindWideFloat(element)) return wide->name;
  if (element.kind == ElementKind::kFloat) return FloatName(element);
  const std::string name = absl::StrCat(element.is_signed ? "int" : "uint", element.bits);
  if (zero_point) return name + "_affine";
  return element.is_signed && !element.narrow ? name + "_full" : name;
}

const char* DescribeWideFloat(const ElementFormat& element) {
  const WideFloat* wide = FindWideFloat(element);
  return wide == nullptr ? nullptr : wide->description;
}

std::vector<Format> SignedElements() {
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

std::vector<Format> OtherIntegers() {
  std::vector<Format> formats;
  for (int bits = 2; bits <= 16; ++bits) {
    if (IsIntegerWidth(bits)) formats.push_back(Scaled(UnsignedElement(bits)));
  }
  for (const bool is_signed : {true, false}) {
    for (int bits = 2; bits <= 16; ++bits) {
      if (!IsIntegerWidth(bits)) continue;
      const ElementFormat element = is_signed ? IntegerElement(bits, false) : UnsignedElement(bits);
      formats.push_back(Scaled(element, /*zero_point=*/true));
    }
  }
  return formats;
}

}  // namespace precis::names
