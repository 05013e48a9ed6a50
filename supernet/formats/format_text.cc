// Formats in words.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "supernet/formats/check.h"
#include "supernet/formats/element_name.h"
#include "supernet/formats/format.h"

namespace precis {
namespace {

std::string FloatSource(const ElementFormat& element) {
  if (const char* wide = names::DescribeWideFloat(element)) return wide;
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

std::string ElementText(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger) {
    return absl::StrFormat("%d-bit %s integer, %g to %g", element.bits,
                           element.is_signed ? "two's complement" : "unsigned", MinFinite(element),
                           MaxFinite(element));
  }
  return absl::StrFormat("%d-bit float, %d exponent and %d mantissa bits, largest %.6g, smallest %.6g, %s",
                         element.bits, element.exponent_bits, element.mantissa_bits, MaxFinite(element),
                         SmallestStep(element), SpecialsText(element.specials));
}

const char* RuleText(PowerRule rule) {
  switch (rule) {
    case PowerRule::kFloor:
      return "floor";
    case PowerRule::kCeil:
      return "ceil";
    case PowerRule::kEven:
      return "even";
  }
  PRECIS_CHECK(false);
}

std::string ScaleText(const ScaleFormat& scale) {
  std::string text;
  switch (scale.type) {
    case ScaleType::kNone:
      return "no scale";
    case ScaleType::kFloat32:
      text = scale.zero_point ? "FP32 scale and zero point" : "FP32 scale";
      break;
    case ScaleType::kE8M0:
      text = absl::StrCat("E8M0 scale (", RuleText(scale.rule), ")");
      break;
    case ScaleType::kE4M3:
      text = "E4M3 scale";
      break;
    case ScaleType::kUe5m3:
      text = scale.tall ? "UE5M3 scale up to 114688" : "UE5M3 scale";
      break;
  }
  if (scale.extent == ScaleExtent::kTensor) text += " a tensor";
  if (scale.extent == ScaleExtent::kBlock) absl::StrAppend(&text, " a block of ", scale.block);
  if (scale.headroom != 0) absl::StrAppend(&text, ", ", scale.headroom, " bits of headroom");
  if (scale.global) text += ", FP32 scale a tensor";
  return text;
}

}  // namespace

std::string FormatSource(const Format& format) {
  const ElementFormat& element = format.element;
  const ScaleFormat& scale = format.scale;
  if (scale.type == ScaleType::kE8M0 && scale.extent == ScaleExtent::kTensor && element.bits == 16) {
    return "dynamic fixed point, Das 2018, arXiv 1802.00930";
  }
  const bool narrow = element.kind == ElementKind::kInteger;
  if (scale.type == ScaleType::kE8M0 && scale.block == 32) {
    return narrow && element.bits != 8 ? "MX blocks, arXiv 2510.25602" : "OCP MX 1.0";
  }
  if (scale.type == ScaleType::kE4M3 && scale.global && scale.block == 16) {
    return narrow ? "arXiv 2510.25602" : "NVFP4, arXiv 2509.25149";
  }
  return narrow ? "" : FloatSource(element);
}

std::string DescribeFormat(const Format& format) {
  std::string text = absl::StrCat(ElementText(format.element), ", ", ScaleText(format.scale));
  if (format.hadamard != 0) absl::StrAppend(&text, ", Hadamard rotation of ", format.hadamard);
  if (format.stochastic_bits != 0) {
    absl::StrAppend(&text, ", stochastic rounding with ", format.stochastic_bits, " bits");
  }
  const std::string source = FormatSource(format);
  return source.empty() ? text : absl::StrCat(text, " (", source, ")");
}

}  // namespace precis
