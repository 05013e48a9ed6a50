// Elements and scales: the limits derived from their fields, and which fields go together.
#include "supernet/formats/format.h"

#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr int kLargestBlock = 4096;
constexpr int kLargestHadamard = 4096;
constexpr int kMostRandomBits = 16;
constexpr int kMostHeadroom = 8;

absl::Status Refuse(const std::string& reason) { return absl::InvalidArgumentError(reason); }

bool IsSmallFloat(ScaleType type) { return type == ScaleType::kE4M3 || type == ScaleType::kUe5m3; }

bool IsWideFloat(const ElementFormat& element) {
  return element.kind == ElementKind::kFloat && element.bits >= 16;
}

absl::Status CheckExtent(const Format& format) {
  const ScaleFormat& scale = format.scale;
  if (scale.type == ScaleType::kNone) {
    if (scale.extent != ScaleExtent::kOperand) return Refuse("no scale serves a block.");
    return absl::OkStatus();
  }
  if (IsWideFloat(format.element)) return Refuse("a float of 16 bits or more takes no scale.");
  if (scale.extent == ScaleExtent::kBlock) {
    if (scale.block < 1) return Refuse("a block has at least 1 element.");
    if (scale.block > kLargestBlock) {
      return Refuse(absl::StrCat("a block has at most ", kLargestBlock, " elements, not ", scale.block, "."));
    }
    if (!format.element.is_signed) {
      return Refuse("unsigned elements have a scale an operand or tensor, not one a block.");
    }
  } else if (scale.block != 0) {
    return Refuse("only blocks have a size.");
  } else if (IsSmallFloat(scale.type)) {
    return Refuse("an 8-bit float as scale needs a block; a whole tensor has room for fp32.");
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const Format& format) {
  const ScaleFormat& scale = format.scale;
  const bool power = scale.type == ScaleType::kE8M0;
  if (!power && scale.rule != PowerRule::kFloor) return Refuse("only an e8m0 scale has a rule.");
  if (scale.headroom != 0) {
    const bool integer = format.element.kind == ElementKind::kInteger;
    if (!power || !integer) return Refuse("only integers with an e8m0 scale are shifted.");
    const int most = std::min(kMostHeadroom, format.element.bits - 2);
    if (scale.headroom < 0 || scale.headroom > most) {
      return Refuse(absl::StrCat("the shift is 1 to ", most, " here, not ", scale.headroom, "."));
    }
  }
  if (scale.tall && scale.type != ScaleType::kUe5m3) return Refuse("only ue5m3 has two ends.");
  if (scale.global && !IsSmallFloat(scale.type)) {
    return Refuse("a global scale goes with e4m3 and ue5m3; the others have range enough alone.");
  }
  const bool all_codes =
      format.element.kind == ElementKind::kInteger && (!format.element.is_signed || !format.element.narrow);
  if (scale.zero_point &&
      (scale.type != ScaleType::kFloat32 || scale.extent == ScaleExtent::kBlock || !all_codes)) {
    return Refuse("a zero point goes with an integer of all codes and an fp32 scale an operand or tensor.");
  }
  return absl::OkStatus();
}

absl::Status CheckConversion(const Format& format) {
  if (const int n = format.hadamard; n != 0) {
    if (n < 2 || n > kLargestHadamard || !std::has_single_bit(static_cast<unsigned>(n))) {
      return Refuse(absl::StrCat("hadamard rotates a power of two of elements, 2 to ", kLargestHadamard,
                                 ", not ", n, "."));
    }
    const int block = format.scale.block;
    if (block != 0 && block % n != 0 && n % block != 0) {
      return Refuse(absl::StrCat("hadamard", n, " and blocks of ", block, " do not divide each other."));
    }
    if (!format.element.is_signed || format.scale.zero_point) {
      return Refuse("rotated values have both signs: hadamard needs a signed element without zero point.");
    }
  }
  if (format.stochastic_bits < 0 || format.stochastic_bits > kMostRandomBits) {
    return Refuse(absl::StrCat("stochastic rounding takes 1 to ", kMostRandomBits, " random bits, not ",
                               format.stochastic_bits, "."));
  }
  if (format.stochastic_bits != 0 && format.scale.zero_point) {
    return Refuse("stochastic rounding goes with formats without zero point.");
  }
  if (format.stochastic_bits != 0 && format.element.mantissa_bits == 23) {
    return Refuse("fp32 rounds nothing.");
  }
  return absl::OkStatus();
}

}  // namespace

double MaxFinite(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger) {
    return std::ldexp(1.0, element.bits - (element.is_signed ? 1 : 0)) - 1;
  }
  const int mantissa_codes = 1 << element.mantissa_bits;
  int exponent_code = (1 << element.exponent_bits) - 1;
  int mantissa = mantissa_codes - 1;
  if (element.specials == Specials::kIeee || (element.specials == Specials::kNanOnly && mantissa == 0)) {
    --exponent_code;
  } else if (element.specials == Specials::kNanOnly) {
    --mantissa;
  }
  return std::ldexp(mantissa_codes + mantissa, exponent_code - element.bias - element.mantissa_bits);
}

double MinFinite(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger && !element.is_signed) return 0;
  if (element.kind == ElementKind::kInteger && !element.narrow) return -MaxFinite(element) - 1;
  return -MaxFinite(element);
}

double SmallestStep(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger) return 1;
  return std::ldexp(1.0, 1 - element.bias - element.mantissa_bits);
}

bool HasNan(const ElementFormat& element) {
  return element.kind == ElementKind::kFloat && element.specials != Specials::kNone;
}

bool HasInfinity(const ElementFormat& element) {
  return element.kind == ElementKind::kFloat && element.specials == Specials::kIeee;
}

bool IsScaled(const Format& format) { return format.scale.type != ScaleType::kNone; }

bool IsBlockScaled(const Format& format) { return format.scale.extent == ScaleExtent::kBlock; }

int ScaleBits(const Format& format) {
  switch (format.scale.type) {
    case ScaleType::kNone:
      return 0;
    case ScaleType::kFloat32:
      return 32 + (format.scale.zero_point ? format.element.bits : 0);
    case ScaleType::kE8M0:
    case ScaleType::kE4M3:
    case ScaleType::kUe5m3:
      return 8;
  }
  PRECIS_CHECK(false);
}

int ElementBits(const ElementFormat& element) { return element.bits > 16 ? 32 : element.bits; }

double BitsPerElement(const Format& format) {
  const double shared =
      IsBlockScaled(format) ? static_cast<double>(ScaleBits(format)) / format.scale.block : 0;
  return ElementBits(format.element) + shared;
}

int64_t StorageBits(const Format& format, int64_t rows, int64_t row_size) {
  int64_t scales = 0;
  switch (format.scale.extent) {
    case ScaleExtent::kOperand:
      scales = rows;
      break;
    case ScaleExtent::kTensor:
      scales = 1;
      break;
    case ScaleExtent::kBlock:
      scales = rows * ((row_size + format.scale.block - 1) / format.scale.block);
      break;
  }
  return rows * row_size * ElementBits(format.element) + scales * ScaleBits(format) +
         (format.scale.global ? 32 : 0);
}

bool HoldsNegatives(const Format& format) { return format.element.is_signed || format.scale.zero_point; }

ElementFormat IntegerElement(int bits, bool narrow) {
  PRECIS_CHECK(bits >= 2 && bits <= 16);
  return {.kind = ElementKind::kInteger, .bits = bits, .narrow = narrow};
}

ElementFormat UnsignedElement(int bits) {
  PRECIS_CHECK(bits >= 2 && bits <= 16);
  return {.kind = ElementKind::kInteger, .bits = bits, .narrow = false, .is_signed = false};
}

ElementFormat FloatElement(int exponent_bits, int mantissa_bits, Specials specials) {
  PRECIS_CHECK(exponent_bits >= 1 && exponent_bits <= 8 && mantissa_bits >= 0 && mantissa_bits <= 23);
  PRECIS_CHECK(exponent_bits + mantissa_bits >= 2);
  PRECIS_CHECK(specials != Specials::kIeee || (exponent_bits >= 2 && mantissa_bits >= 1));
  return {.kind = ElementKind::kFloat,
          .bits = 1 + exponent_bits + mantissa_bits,
          .exponent_bits = exponent_bits,
          .mantissa_bits = mantissa_bits,
          .bias = (1 << (exponent_bits - 1)) - 1,
          .specials = specials};
}

absl::Status CheckFormat(const Format& format) {
  for (const auto check : {CheckExtent, CheckOptions, CheckConversion}) {
    if (absl::Status status = check(format); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace precis
