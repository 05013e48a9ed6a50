// Elements and the limits derived from their fields.
#include "supernet/formats/format.h"

#include <cmath>

#include "supernet/formats/check.h"

namespace precis {

double MaxFinite(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger) return std::ldexp(1.0, element.bits - 1) - 1;
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

int ScaleBits(const Format& format) {
  switch (format.scale.type) {
    case ScaleType::kNone:
      return 0;
    case ScaleType::kFloat32:
      return 32;
  }
  PRECIS_CHECK(false);
}

ElementFormat IntegerElement(int bits, bool narrow) {
  PRECIS_CHECK(bits >= 2 && bits <= 16);
  return {.kind = ElementKind::kInteger, .bits = bits, .narrow = narrow};
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

}  // namespace precis
