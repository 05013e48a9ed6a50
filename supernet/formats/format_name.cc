// The grammar of format names: parsing and printing. Elements' names are in element_name.h.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/formats/did_you_mean.h"
#include "supernet/formats/element_name.h"
#include "supernet/formats/format.h"

namespace precis {
namespace {

using names::ConsumeNumber;
using names::ConsumePrefix;

constexpr size_t kLongestEcho = 64;  // characters of a wrong name that its error message repeats

struct NamedFormat {
  const char* name;
  const char* element;
  ScaleFormat scale;
};
constexpr ScaleFormat kMx = {.type = ScaleType::kE8M0, .extent = ScaleExtent::kBlock, .block = 32};
constexpr ScaleFormat kNv = {
    .type = ScaleType::kE4M3, .extent = ScaleExtent::kBlock, .block = 16, .global = true};
constexpr ScaleFormat kDynamicFixedPoint = {.type = ScaleType::kE8M0, .extent = ScaleExtent::kTensor};
constexpr NamedFormat kNamedFormats[] = {
    {"mxint8", "int8", kMx},
    {"mxint6", "int6", kMx},
    {"mxint4", "int4", kMx},
    {"mxfp8", "e4m3fn", kMx},
    {"mxfp8_e5m2", "e5m2", kMx},
    {"mxfp6", "e2m3", kMx},
    {"mxfp6_e3m2", "e3m2", kMx},
    {"mxfp4", "e2m1", kMx},
    {"nvfp4", "e2m1", kNv},
    {"nvint4", "int4", kNv},
    {"dfp16", "int16", kDynamicFixedPoint},
};

struct NamedScale {
  const char* name;
  ScaleType type;
  bool tall;
};
constexpr NamedScale kNamedScales[] = {
    {"fp32", ScaleType::kFloat32, false}, {"e8m0", ScaleType::kE8M0, false},
    {"e4m3", ScaleType::kE4M3, false},    {"ue5m3", ScaleType::kUe5m3, false},
    {"ue5m3x", ScaleType::kUe5m3, true},
};

constexpr std::pair<const char*, PowerRule> kRules[] = {
    {"floor", PowerRule::kFloor}, {"ceil", PowerRule::kCeil}, {"even", PowerRule::kEven}};

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
    {"tensorfloat32", "\"tf32\""},
    {"e8m7", "\"bf16\""},
    {"e5m10", "\"fp16\""},
    {"e8m10", "\"tf32\""},
    {"e8m23", "\"fp32\""},
    {"mxfp8_e4m3", "\"mxfp8\""},
    {"mxfp6_e2m3", "\"mxfp6\""},
    {"mxfp4_e2m1", "\"mxfp4\""},
};

constexpr const char* kAllowed =
    "Allowed: int2 to int8 and int16 (\"_full\" adds the lowest code, \"_affine\" a zero point), uint2 to "
    "uint16, eXmY floats of 3 to 8 bits (alone, or with fn, ieee or sat), bf16, fp16, tf32, fp32; mxint8, "
    "mxint6, mxint4, mxfp8, mxfp8_e5m2, mxfp6, mxfp6_e3m2, mxfp4, nvfp4, nvint4, dfp16; or "
    "ELEMENT@SCALE:BLOCK with the scale fp32, e8m0, e4m3, ue5m3 or ue5m3x, as in int4@e8m0:16. After them "
    ":ceil, :even, +hadamard and +sr8, for instance.";

// What the name says about itself, beyond the format so far.
struct Seen {
  bool scale = false;  // it has an "@": a block may follow
  bool extent = false;
  bool rule = false;
};

// nullopt: `text` has not the shape of a name.
using Parsed = std::optional<absl::StatusOr<Format>>;

Parsed Refuse(const std::string& reason) { return absl::InvalidArgumentError(reason); }

const NamedFormat* FindNamed(const Format& format) {
  for (const NamedFormat& named : kNamedFormats) {
    ScaleFormat scale = format.scale;
    scale.rule = named.scale.rule;
    scale.headroom = named.scale.headroom;
    if (scale == named.scale && names::ElementName(format.element, false) == named.element) return &named;
  }
  return nullptr;
}

// "int4", "mxfp4", "int4@e8m0".
Parsed ParseBase(std::string_view text, Seen& seen) {
  for (const NamedFormat& named : kNamedFormats) {
    if (text == named.name) return Format{(*names::ParseElement(named.element))->element, named.scale};
  }
  const size_t at = text.find('@');
  Parsed element = names::ParseElement(text.substr(0, at));
  if (!element.has_value() || !element->ok() || at == std::string_view::npos) return element;
  seen.scale = true;
  const std::string_view scale = text.substr(at + 1);
  for (const NamedScale& named : kNamedScales) {
    if (scale != named.name) continue;
    (*element)->scale.type = named.type;
    (*element)->scale.tall = named.tall;
    return element;
  }
  return Refuse(absl::StrCat("\"", absl::CHexEscape(std::string(scale)),
                             "\" is no scale: it is fp32, e8m0, e4m3, ue5m3 or ue5m3x."));
}

bool ParseExtent(std::string_view text, ScaleFormat& scale) {
  if (text == "tensor") {
    scale.extent = ScaleExtent::kTensor;
    return true;
  }
  const std::optional<int> block = ConsumeNumber(text);
  if (!block.has_value() || !text.empty()) return false;
  scale.extent = ScaleExtent::kBlock;
  scale.block = *block;
  return true;
}

// The reason why not, or "".
std::string ParseOption(std::string_view text, Seen& seen, ScaleFormat& scale) {
  const auto once = [](bool& already, const char* what) {
    return std::exchange(already, true) ? absl::StrCat(what, " is given twice.") : "";
  };
  for (const auto& [name, rule] : kRules) {
    if (text != name) continue;
    scale.rule = rule;
    if (scale.type != ScaleType::kE8M0) return "only an e8m0 scale has a rule.";
    return once(seen.rule, "the rule");
  }
  if (text == "global") return once(scale.global, "\"global\"");
  std::string_view shift = text;
  if (ConsumePrefix(shift, "shift")) {
    const std::optional<int> bits = ConsumeNumber(shift);
    if (bits.has_value() && *bits > 0 && shift.empty()) {
      if (scale.headroom != 0) return "the shift is given twice.";
      scale.headroom = *bits;
      return "";
    }
  }
  if (ParseExtent(text, scale)) {
    if (!seen.scale) return "a block or \":tensor\" follows the scale, as in int4@e8m0:16.";
    return once(seen.extent, "the block");
  }
  return absl::StrCat("\"", absl::CHexEscape(std::string(text)),
                      "\" is no option: they are a block, tensor, floor, ceil, even, global, shiftN.");
}

// "hadamard", "hadamard64", "sr8". The reason why not, or "".
std::string ParseModifier(std::string_view text, Format& format) {
  std::string_view rest = text;
  if (ConsumePrefix(rest, "hadamard")) {
    if (format.hadamard != 0) return "\"hadamard\" is given twice.";
    const std::optional<int> size = rest.empty() ? format.scale.block : ConsumeNumber(rest);
    if (size.has_value() && rest.empty()) {
      if (text == "hadamard" && *size == 0) {
        return "without blocks, hadamard needs a size, as in int4+hadamard32.";
      }
      if (*size == 0) return "hadamard rotates at least 2 elements.";
      format.hadamard = *size;
      return "";
    }
  } else if (ConsumePrefix(rest, "sr")) {
    if (format.stochastic_bits != 0) return "\"sr\" is given twice.";
    const std::optional<int> bits = ConsumeNumber(rest);
    if (bits == 0) return "stochastic rounding takes 1 to 16 random bits, not 0.";
    if (bits.has_value() && rest.empty()) {
      format.stochastic_bits = *bits;
      return "";
    }
  }
  return absl::StrCat("\"+", absl::CHexEscape(std::string(text)), "\" is neither +hadamard nor +srR.");
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Parsed ParseText(std::string_view text) {
  const std::vector<std::string_view> modifiers = Split(text, '+');
  const std::vector<std::string_view> options = Split(modifiers[0], ':');
  Seen seen;
  Parsed base = ParseBase(options[0], seen);
  if (!base.has_value() || !base->ok()) return base;
  Format format = **base;
  for (size_t i = 1; i < options.size(); ++i) {
    if (const std::string reason = ParseOption(options[i], seen, format.scale); !reason.empty()) {
      return Refuse(reason);
    }
  }
  if (const absl::Status status = CheckFormat(format); !status.ok()) return status;
  for (size_t i = 1; i < modifiers.size(); ++i) {
    if (const std::string reason = ParseModifier(modifiers[i], format); !reason.empty())
      return Refuse(reason);
  }
  if (const absl::Status status = CheckFormat(format); !status.ok()) return status;
  return format;
}

std::string Suggestion(const std::string& text) {
  for (const auto& [other, ours] : kOtherNames) {
    if (text == other) return absl::StrCat(" Did you mean ", ours, "?");
  }
  std::vector<std::string> known;
  for (const Format& format : CatalogueFormats()) known.push_back(FormatName(format));
  return DidYouMean(text, known);
}

const char* ScaleName(const ScaleFormat& scale) {
  for (const NamedScale& named : kNamedScales) {
    if (named.type == scale.type && named.tall == scale.tall) return named.name;
  }
  PRECIS_CHECK(false);
}

std::string BaseName(const Format& format) {
  const ScaleFormat& scale = format.scale;
  if (const NamedFormat* named = FindNamed(format)) return named->name;
  std::string name = names::ElementName(format.element, scale.zero_point);
  const bool plain = scale.type == ScaleType::kFloat32 && scale.extent == ScaleExtent::kOperand;
  if (scale.type == ScaleType::kNone || plain) return name;
  absl::StrAppend(&name, "@", ScaleName(scale));
  if (scale.extent == ScaleExtent::kBlock) absl::StrAppend(&name, ":", scale.block);
  if (scale.extent == ScaleExtent::kTensor) name += ":tensor";
  if (scale.global) name += ":global";
  return name;
}

}  // namespace

std::string FormatName(const Format& format) {
  std::string name = BaseName(format);
  for (const auto& [text, rule] : kRules) {
    if (rule == format.scale.rule && rule != PowerRule::kFloor) absl::StrAppend(&name, ":", text);
  }
  if (format.scale.headroom != 0) absl::StrAppend(&name, ":shift", format.scale.headroom);
  if (format.hadamard != 0) {
    name += "+hadamard";
    if (format.hadamard != format.scale.block) absl::StrAppend(&name, format.hadamard);
  }
  if (format.stochastic_bits != 0) absl::StrAppend(&name, "+sr", format.stochastic_bits);
  return name;
}

absl::StatusOr<Format> ParseFormat(std::string_view name) {
  const std::string text = absl::AsciiStrToLower(std::string(name.substr(0, kLongestEcho)));
  std::string reason = ".";
  if (name.size() <= kLongestEcho) {
    if (const Parsed parsed = ParseText(text); parsed.has_value()) {
      if (parsed->ok()) return **parsed;
      reason = absl::StrCat(": ", parsed->status().message());
    }
  }
  const std::string echo = absl::CHexEscape(std::string(name.substr(0, kLongestEcho)));
  return absl::InvalidArgumentError(absl::StrCat("\"", echo, name.size() > kLongestEcho ? "…" : "",
                                                 "\" is not a number format", reason, Suggestion(text), " ",
                                                 kAllowed));
}

std::vector<Format> AllFormats() { return names::SignedElements(); }

std::vector<Format> CatalogueFormats() {
  std::vector<Format> formats = AllFormats();
  for (const Format& format : names::OtherIntegers()) formats.push_back(format);
  for (const NamedFormat& named : kNamedFormats) {
    formats.push_back({(*names::ParseElement(named.element))->element, named.scale});
  }
  return formats;
}

}  // namespace precis
