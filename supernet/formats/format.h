// Number formats as data: what a format is, its name, and every limit derived from it.
//
// A Format is an element (an integer or a float of a few bits), the scale that the stored element is
// multiplied by, and how values are rounded and rotated on their way in. Nothing in Precis switches on a
// format's name: code asks the fields, and names exist for people. The grammar, written and read by
// FormatName and ParseFormat:
//
//   FORMAT   = BASE { ":" OPTION } [ "+hadamard" [N] ] [ "+sr" R ]
//   BASE     = ELEMENT | ELEMENT "@" SCALE [ ":" BLOCK | ":tensor" ] | NAMED
//
//   ELEMENT
//   int2 … int8, int16     two's complement, symmetric and narrow: -Q…Q with Q = 2^(bits-1) - 1
//   int2_full … int16_full the same with the lowest code in use: -Q-1…Q
//   uint2 … uint8, uint16  unsigned: 0…2^bits - 1, for what is never negative (after a ReLU)
//   int8_affine, uint8_affine …  all codes in use, and a zero point: value = scale · (code - zero point)
//   eXmY                   sign, X exponent and Y mantissa bits, 3 to 8 bits in all, bias 2^(X-1) - 1,
//                          subnormals, every code a finite number, saturating (Aggarwal 2023,
//                          arXiv 2311.12359): e4m3 ends at 480
//   eXmYfn                 the all-ones code is NaN, no infinity (OCP MX 1.0): e4m3fn ends at 448
//   eXmYieee               the top exponent holds infinity and NaN (IEEE 754): X >= 2, Y >= 1
//   e5m2                   is OCP's E5M2, that is e5m2ieee (57344); its saturating sister without
//                          specials is e5m2sat (114688). "sat" and "ieee" may be written after any
//                          other name too; the printed name is the shortest.
//   bf16 fp16 tf32 fp32    IEEE-like floats that need no scale; tf32 rounds ties to even, as all do
//
//   SCALE    fp32          what every element above has if none is written
//            e8m0          a power of two, 2^-127…2^127 (OCP MX 1.0)
//            e4m3          OCP's E4M3, non-negative: 2^-9…448
//            ue5m3         5 exponent and 3 mantissa bits, no sign, 2^-17…61440 (top exponent reserved)
//            ue5m3x        the same with only the all-ones code reserved: up to 114688 (PTX)
//   BLOCK    that many neighbours along the reduction axis share a scale; the last block of a row may be
//            short. ":tensor": the whole tensor does. Neither: one an operand (see ScaleExtent).
//   OPTION   floor | ceil | even   how an e8m0 scale is found (PowerRule); floor if not written
//            shiftN                headroom of an e8m0 scale: N top bits of the element stay free
//            global                e4m3, ue5m3: their scales are stored relative to an FP32 a tensor
//   NAMED    mxint8 mxint6 mxint4 mxfp8 mxfp8_e5m2 mxfp6 mxfp6_e3m2 mxfp4: elements int8, int6, int4,
//            e4m3fn, e5m2, e2m3, e3m2, e2m1 with @e8m0:32. nvfp4, nvint4: e2m1, int4 with
//            @e4m3:16:global. dfp16: int16@e8m0:tensor (Das 2018, arXiv 1802.00930)
//   hadamard a rotation of N neighbours before, and back after; N is the block if not written
//   srR      stochastic rounding with R random bits, 1…16
//
// Threading: everything here is a pure function of its arguments.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
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
// complement for signed integers. A plain value: two elements are the same format if all fields are equal.
struct ElementFormat {
  ElementKind kind = ElementKind::kInteger;
  int bits = 8;           // of a code, sign included: 2…32
  int exponent_bits = 0;  // floats only: 1…8
  int mantissa_bits = 0;  // floats only: 0…23
  int bias = 0;           // floats only
  Specials specials = Specials::kNone;
  bool narrow = true;     // signed integers only: the most negative code is unused
  bool is_signed = true;  // false for integers only

  // clang-tidy 14 sees a 0 for a pointer in every defaulted <=>.
  auto operator<=>(const ElementFormat&) const = default;  // NOLINT(modernize-use-nullptr)
};

// What the element is multiplied by.
enum class ScaleType {
  kNone,     // 1: the element spans enough range by itself (bf16, fp16, tf32, fp32)
  kFloat32,  // an FP32 number
  kE8M0,     // 8 bits: a power of two; code 255 is NaN
  kE4M3,     // 8 bits, the sign never used; 127 is NaN
  kUe5m3,    // 8 bits without sign; 255 is NaN
};

// Which elements a scale serves.
enum class ScaleExtent {
  kOperand,  // left to where the format is used: a weight has one scale per output channel, an activation
             // one per tensor
  kTensor,   // the whole tensor, weights too
  kBlock,    // `block` neighbours along the reduction axis
};

// The power of two for a block whose largest magnitude is m, of an element that ends at Q (in its unit).
enum class PowerRule {
  kFloor,  // floor(log2 m) - floor(log2 Q): the element's largest binade holds m, which may still lie past
           // Q and saturate (OCP MX 1.0)
  kCeil,   // the smallest at which m does not saturate (arXiv 2510.25602; NVIDIA's MXFP8 recipe)
  kEven,   // as kFloor, after m was rounded to the element's mantissa (an integer of b bits has b - 2),
           // halves away from zero: a binade up where m would round to the next one
};

struct ScaleFormat {
  ScaleType type = ScaleType::kFloat32;
  ScaleExtent extent = ScaleExtent::kOperand;
  int block = 0;                       // kBlock only: 1…4096
  PowerRule rule = PowerRule::kFloor;  // kE8M0 only
  int headroom = 0;                    // kE8M0 on integers only: top bits left free, for sums (0…8)
  bool tall = false;                   // kUe5m3 only: ends at 114688 instead of 61440
  bool global = false;                 // kE4M3, kUe5m3: relative to one FP32 scale a tensor
  bool zero_point = false;             // kFloat32 over operands or tensors, integers with all codes in use

  auto operator<=>(const ScaleFormat&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct Format {
  ElementFormat element;
  ScaleFormat scale;
  int hadamard = 0;         // neighbours rotated together, a power of two; 0: none
  int stochastic_bits = 0;  // random bits of stochastic rounding; 0: to nearest, ties to even

  auto operator<=>(const Format&) const = default;  // NOLINT(modernize-use-nullptr)
};

// Limits, exact in double for every element.
double MaxFinite(const ElementFormat& element);     // largest finite value
double MinFinite(const ElementFormat& element);     // most negative finite value
double SmallestStep(const ElementFormat& element);  // smallest positive value
bool HasNan(const ElementFormat& element);
bool HasInfinity(const ElementFormat& element);
bool IsScaled(const Format& format);       // whether a scale is stored with the elements
bool IsBlockScaled(const Format& format);  // whether blocks of elements have scales of their own

// Bits that one scale takes in storage, its zero point (as wide as the element) included: 32 for FP32, 8 for
// the others, 0 for none.
int ScaleBits(const Format& format);

// Bits that one element takes in storage: the code's, but 32 for tf32, which memory holds as FP32.
int ElementBits(const ElementFormat& element);

// Bits an element in a long tensor, block scales included and those of operands and tensors left out: 4 for
// int4, 4.25 for mxfp4, 4.5 for nvfp4.
double BitsPerElement(const Format& format);

// Bits of a whole operand of `rows` rows (output channels; 1 for an activation) of `row_size` elements, all
// scales included. Blocks do not cross rows.
int64_t StorageBits(const Format& format, int64_t rows, int64_t row_size);

// Whether the format has values below 0: it is signed or has a zero point. One that has none is for
// activations that are never below 0, not for weights.
bool HoldsNegatives(const Format& format);

// Elements. Preconditions (our own bugs, checked): 2 <= bits <= 16; exponent and mantissa as above.
ElementFormat IntegerElement(int bits, bool narrow = true);
ElementFormat UnsignedElement(int bits);
ElementFormat FloatElement(int exponent_bits, int mantissa_bits, Specials specials);

// OK, or INVALID_ARGUMENT with the reason why no such format can be ("a block has at least one element").
// The element itself must be one that the functions above make, or its bias differ.
absl::Status CheckFormat(const Format& format);

// The canonical name; ParseFormat(FormatName(f)) == f for every format the grammar can write.
std::string FormatName(const Format& format);

// INVALID_ARGUMENT with the reason, what is allowed and, where one is close, the name probably meant
// ("fp8", "bfloat16" and other tools' names included). Names are lower case; upper case is accepted, spaces
// are not. Unprintable characters come back escaped and long names shortened.
absl::StatusOr<Format> ParseFormat(std::string_view name);

// Every signed element that the grammar can write, canonical names only, in a stable order: integers,
// minifloats by width, wide floats.
std::vector<Format> AllFormats();

// What people choose from: AllFormats(), then unsigned and affine integers, the named block formats, dfp16.
std::vector<Format> CatalogueFormats();

// One line for people: what it is and where it is defined.
std::string DescribeFormat(const Format& format);

// "OCP MX 1.0", …: where the format is defined.
std::string FormatSource(const Format& format);

}  // namespace precis
