// Number formats as data: what a format is, its name, and every limit derived from it.
//
// A Format is an element (an integer or a float of a few bits) and a scale that the stored element is
// multiplied by. Nothing in Precis switches on a format's name: code asks the fields, and names exist
// for people. The grammar, written and read by the two functions at the end:
//
//   int2 … int8, int16     two's complement, symmetric and narrow: -Q…Q with Q = 2^(bits-1) - 1
//   int2_full … int16_full the same with the lowest code in use: -Q-1…Q
//   eXmY                   sign, X exponent and Y mantissa bits, 3 to 8 bits in all, bias 2^(X-1) - 1,
//                          subnormals, every code a finite number, saturating (Aggarwal 2023,
//                          arXiv 2311.12359): e4m3 ends at 480
//   eXmYfn                 the all-ones code is NaN, no infinity (OCP MX 1.0): e4m3fn ends at 448
//   eXmYieee               the top exponent holds infinity and NaN (IEEE 754): X >= 2, Y >= 1
//   e5m2                   is OCP's E5M2, that is e5m2ieee (57344); its saturating sister without
//                          specials is e5m2sat (114688). "sat" and "ieee" may be written after any
//                          other name too; the printed name is the shortest.
//   bf16 fp16 fp32         IEEE-like floats that need no scale
//
// Threading: everything here is a pure function of its arguments.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace precis {

enum class ElementKind { kInteger, kFloat };

// Which codes of a float are not finite numbers.
enum class Specials {
  kNone,     // none: all codes are finite
  kNanOnly,  // magnitude all ones is NaN
  kIeee,     // top exponent: mantissa 0 is infinity, others NaN
};

// One stored number. Codes are unsigned integers of `bits` bits, sign bit highest for floats, two's
// complement for integers. A plain value: two elements are the same format if all fields are equal.
struct ElementFormat {
  ElementKind kind = ElementKind::kInteger;
  int bits = 8;           // storage, sign included: 2…32
  int exponent_bits = 0;  // floats only: 1…8
  int mantissa_bits = 0;  // floats only: 0…23
  int bias = 0;           // floats only
  Specials specials = Specials::kNone;
  bool narrow = true;  // integers only: the most negative code is unused

  auto operator<=>(const ElementFormat&) const = default;
};

// What the element is multiplied by.
enum class ScaleType {
  kNone,     // 1: the element spans enough range by itself (bf16, fp16, fp32)
  kFloat32,  // an FP32 number
};

// The extent a scale serves. kOperand leaves it to where the format is used: a weight has one scale per
// output channel, an activation one per tensor. Block extents join in with the block formats.
enum class ScaleExtent { kOperand };

struct ScaleFormat {
  ScaleType type = ScaleType::kFloat32;
  ScaleExtent extent = ScaleExtent::kOperand;

  auto operator<=>(const ScaleFormat&) const = default;
};

struct Format {
  ElementFormat element;
  ScaleFormat scale;

  auto operator<=>(const Format&) const = default;
};

// Limits, exact in double for every element.
double MaxFinite(const ElementFormat& element);     // largest finite value
double MinFinite(const ElementFormat& element);     // most negative finite value
double SmallestStep(const ElementFormat& element);  // smallest positive value
bool HasNan(const ElementFormat& element);
bool HasInfinity(const ElementFormat& element);
bool IsScaled(const Format& format);  // whether a scale is stored with the elements

// Bits that one scale takes in storage: 32 for FP32, 0 for none.
int ScaleBits(const Format& format);

// Elements. Preconditions (our own bugs, checked): 2 <= bits <= 16; exponent and mantissa as above.
ElementFormat IntegerElement(int bits, bool narrow = true);
ElementFormat FloatElement(int exponent_bits, int mantissa_bits, Specials specials);

// The canonical name; ParseFormat(FormatName(f)) == f for every format the grammar can write.
std::string FormatName(const Format& format);

// INVALID_ARGUMENT with the reason, what is allowed and, where one is close, the name probably meant
// ("fp8", "bfloat16" and other tools' names included). Names are lower case; upper case is accepted, spaces
// are not. Unprintable characters come back escaped and long names shortened.
absl::StatusOr<Format> ParseFormat(std::string_view name);

// Every format that the grammar can write, canonical names only, in a stable order: integers, minifloats
// by width, wide floats.
std::vector<Format> AllFormats();

// One line for people: what it is and where it is defined.
std::string DescribeFormat(const Format& format);

}  // namespace precis
