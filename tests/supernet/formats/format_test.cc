// The grammar of names and the limits derived from the fields.
#include "supernet/formats/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cmath>
#include <random>
#include <set>
#include <string>

#include "supernet/formats/scalar.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Format MustParse(const std::string& name) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  EXPECT_TRUE(format.ok()) << format.status();
  return format.ok() ? *format : Format{};
}

std::string ErrorOf(std::string_view name) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  EXPECT_EQ(format.status().code(), absl::StatusCode::kInvalidArgument) << name;
  return std::string(format.status().message());
}

struct Limits {
  const char* name;
  double largest;
  double smallest;
};

// From the publications: OCP OFP8 and MX 1.0; Aggarwal 2023, table of formats; IEEE 754.
constexpr Limits kPublished[] = {
    {"e2m0", 4, 1},
    {"e1m1", 3, 1},
    {"e1m2", 3.5, 0.5},
    {"e2m1", 6, 0.5},
    {"e3m0", 16, 0.25},
    {"e2m2", 7, 0.25},
    {"e3m1", 24, 0.125},
    {"e2m3", 7.5, 0.125},
    {"e3m2", 28, 0.0625},
    {"e4m1", 384, 0x1p-7},
    {"e5m1", 98304, 0x1p-15},
    {"e3m3", 30, 0x1p-5},
    {"e2m4", 7.75, 0x1p-4},
    {"e4m2", 448, 0x1p-8},
    {"e3m4", 31, 0x1p-6},
    {"e2m5", 7.875, 0x1p-5},
    {"e4m3", 480, 0x1p-9},
    {"e5m2sat", 114688, 0x1p-16},
    {"e7m0", 0x1p64, 0x1p-62},
    {"e4m3fn", 448, 0x1p-9},
    {"e5m2", 57344, 0x1p-16},
    {"e4m3ieee", 240, 0x1p-9},
    {"e3m4ieee", 15.5, 0x1p-6},
    {"e3m0fn", 8, 0.25},
    {"bf16", 0x1.FEp127, 0x1p-133},
    {"fp16", 65504, 0x1p-24},
    {"tf32", 0x1.FFCp127, 0x1p-136},
    {"fp32", 0x1.FFFFFEp127, 0x1p-149},
    {"int2", 1, 1},
    {"int3", 3, 1},
    {"int4", 7, 1},
    {"int8", 127, 1},
    {"int16", 32767, 1},
};

TEST(FormatLimits, AgreeWithThePublications) {
  for (const Limits& limits : kPublished) {
    const ElementFormat element = MustParse(limits.name).element;
    EXPECT_EQ(MaxFinite(element), limits.largest) << limits.name;
    EXPECT_EQ(MinFinite(element), -limits.largest) << limits.name;
    EXPECT_EQ(SmallestStep(element), limits.smallest) << limits.name;
  }
}

TEST(FormatLimits, FullIntegersReachOneFurtherDown) {
  EXPECT_EQ(MinFinite(MustParse("int2_full").element), -2);
  EXPECT_EQ(MinFinite(MustParse("int8_full").element), -128);
  EXPECT_EQ(MaxFinite(MustParse("int8_full").element), 127);
  EXPECT_EQ(MinFinite(MustParse("int16_full").element), -32768);
}

TEST(FormatLimits, AreWhatTheCodesDecodeTo) {
  for (const Format& format : AllFormats()) {
    const ElementFormat& element = format.element;
    if (element.bits > 16) continue;
    double largest = 0, most_negative = 0, smallest = INFINITY;
    bool nan = false, infinity = false;
    for (uint32_t code = 0; code >> element.bits == 0; ++code) {
      const bool unused = element.narrow && element.kind == ElementKind::kInteger &&
                          code == uint32_t{1} << (element.bits - 1);
      if (unused) continue;
      const double value = Decode(element, code);
      nan |= std::isnan(value);
      infinity |= std::isinf(value);
      if (!std::isfinite(value)) continue;
      largest = std::max(largest, value);
      most_negative = std::min(most_negative, value);
      if (value > 0) smallest = std::min(smallest, value);
    }
    EXPECT_EQ(MaxFinite(element), largest) << FormatName(format);
    EXPECT_EQ(MinFinite(element), most_negative) << FormatName(format);
    EXPECT_EQ(SmallestStep(element), smallest) << FormatName(format);
    EXPECT_EQ(HasNan(element), nan) << FormatName(format);
    EXPECT_EQ(HasInfinity(element), infinity) << FormatName(format);
  }
}

TEST(FormatScale, WideFloatsNeedNone) {
  for (const char* name : {"bf16", "fp16", "tf32", "fp32"}) {
    EXPECT_FALSE(IsScaled(MustParse(name))) << name;
    EXPECT_EQ(ScaleBits(MustParse(name)), 0) << name;
  }
  for (const char* name : {"int4", "int16", "e2m1", "e5m2"}) {
    EXPECT_TRUE(IsScaled(MustParse(name))) << name;
    EXPECT_EQ(ScaleBits(MustParse(name)), 32) << name;
  }
}

TEST(AllFormats, HasEveryNameOnce) {
  std::set<std::string> names;
  for (const Format& format : AllFormats()) names.insert(FormatName(format));
  // Integers: 8 widths, narrow and full. Minifloats of n exponent and mantissa bits, n = 2…7: n layouts
  // with and n without a NaN code, n - 2 with infinity. Four wide floats.
  const size_t minifloats = 2 * (2 + 3 + 4 + 5 + 6 + 7) + (0 + 1 + 2 + 3 + 4 + 5);
  EXPECT_EQ(names.size(), 16 + minifloats + 4);
  EXPECT_EQ(AllFormats().size(), names.size());
}

TEST(AllFormats, GoesFromIntegersOverMinifloatsByWidthToWideFloats) {
  std::vector<std::string> names;
  for (const Format& format : AllFormats()) names.push_back(FormatName(format));
  const std::vector<std::string> first(names.begin(), names.begin() + 20);
  EXPECT_THAT(first, ElementsAre("int2", "int3", "int4", "int5", "int6", "int7", "int8", "int16", "int2_full",
                                 "int3_full", "int4_full", "int5_full", "int6_full", "int7_full", "int8_full",
                                 "int16_full", "e1m1", "e1m1fn", "e2m0", "e2m0fn"));
  const std::vector<std::string> last(names.end() - 4, names.end());
  EXPECT_THAT(last, ElementsAre("bf16", "fp16", "tf32", "fp32"));
}

TEST(FormatName, ParsesBackToTheSameFormat) {
  for (const Format& format : AllFormats()) {
    const std::string name = FormatName(format);
    EXPECT_EQ(MustParse(name), format) << name;
    std::string upper = name;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    EXPECT_EQ(MustParse(upper), format) << upper;
  }
}

TEST(FormatName, IsTheShortest) {
  EXPECT_EQ(FormatName(MustParse("e4m3sat")), "e4m3");
  EXPECT_EQ(FormatName(MustParse("e5m2ieee")), "e5m2");
  EXPECT_EQ(FormatName(MustParse("e5m2sat")), "e5m2sat");
  EXPECT_EQ(FormatName(MustParse("e5m2fn")), "e5m2fn");
  EXPECT_EQ(FormatName(MustParse("e4m3ieee")), "e4m3ieee");
  EXPECT_EQ(FormatName(MustParse("fp16ieee")), "fp16");
  EXPECT_EQ(FormatName(MustParse("E2M1")), "e2m1");
}

TEST(ParseFormat, SaysWhichRuleANameBreaks) {
  EXPECT_THAT(ErrorOf("int9"), HasSubstr("integers have 2 to 8 or 16 bits, not 9"));
  EXPECT_THAT(ErrorOf("int1"), HasSubstr("integers have 2 to 8 or 16 bits, not 1"));
  EXPECT_THAT(ErrorOf("e4m4"), HasSubstr("make 9"));
  EXPECT_THAT(ErrorOf("e1m0"), HasSubstr("make 2"));
  EXPECT_THAT(ErrorOf("e0m3"), HasSubstr("at least one exponent bit"));
  EXPECT_THAT(ErrorOf("e1m2ieee"), HasSubstr("at least 2 exponent bits"));
  EXPECT_THAT(ErrorOf("e3m0ieee"), HasSubstr("1 mantissa bit"));
}

TEST(ParseFormat, SaysWhatIsAllowedAndWhatWasProbablyMeant) {
  for (const char* name : {"int9", "e9m9", "x", "", "posit8"}) {
    EXPECT_THAT(ErrorOf(name),
                AllOf(HasSubstr("is not a number format"), HasSubstr("Allowed: int2 to int8")));
  }
  EXPECT_THAT(ErrorOf("itn8"), HasSubstr("Did you mean \"int8\"?"));
  EXPECT_THAT(ErrorOf("int8_ful"), HasSubstr("Did you mean \"int8_full\"?"));
  EXPECT_THAT(ErrorOf("e4m3fnuz"), HasSubstr("Did you mean \"e4m3fn\"?"));
  EXPECT_THAT(ErrorOf("fp8"), HasSubstr("Did you mean \"e4m3fn\" or \"e5m2\"?"));
  EXPECT_THAT(ErrorOf("FP4"), HasSubstr("Did you mean \"e2m1\"?"));
  EXPECT_THAT(ErrorOf("bfloat16"), HasSubstr("Did you mean \"bf16\"?"));
  EXPECT_THAT(ErrorOf("e8m23"), HasSubstr("Did you mean \"fp32\"?"));
  EXPECT_THAT(ErrorOf("posit"), Not(HasSubstr("Did you mean")));
}

TEST(ParseFormat, TakesNoSpacesNoZerosInFrontAndNoOtherEnding) {
  for (const char* name : {" int8", "int8 ",    "int08",          "int008",   "int",
                           "int8_", "int8full", "int8_full_full", "int99999", "int-8",
                           "e04m3", "e4m03",    "e4m3 fn",        "e4m3fnfn", "e4m",
                           "em3",   "e4",       "e4m3_fn",        "fp16sat",  "bf16fn",
                           "fp3",   "fp322",    "e99999999999m1", "\xC3\xBC", "*"}) {
    EXPECT_FALSE(ParseFormat(name).ok()) << name;
  }
  EXPECT_FALSE(ParseFormat(std::string_view("int8\0", 5)).ok());
}

TEST(ParseFormat, RepeatsOddNamesHarmlesslyAndShort) {
  EXPECT_THAT(ErrorOf("int8\n\x1b[31m"), AllOf(HasSubstr("int8\\n\\x1b[31m"), Not(HasSubstr("\x1b"))));
  EXPECT_LT(ErrorOf(std::string(1 << 20, 'e')).size(), 1000u);
  // A long name must not pass for its beginning.
  EXPECT_FALSE(ParseFormat("int8" + std::string(100, ' ')).ok());
}

// Whatever the text, an answer; and what is accepted has a canonical name that means the same.
TEST(ParseFormat, AnswersEveryText) {
  std::mt19937 random(7);
  const std::string letters = "intefmbpsa0123456789_ull \xFF";
  const std::vector<Format> formats = AllFormats();
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    if (i % 2 == 0) {
      text.resize(random() % 12);
      for (char& c : text) c = letters[random() % letters.size()];
    } else {
      text = FormatName(formats[random() % formats.size()]);
      text[random() % text.size()] = static_cast<char>(random());
      if (random() % 2 == 0) text.insert(random() % text.size(), 1, letters[random() % letters.size()]);
    }
    const absl::StatusOr<Format> format = ParseFormat(text);
    if (!format.ok()) continue;
    EXPECT_EQ(MustParse(FormatName(*format)), *format) << text;
  }
}

TEST(DescribeFormat, IsOneLineWithTheLimits) {
  EXPECT_EQ(DescribeFormat(MustParse("int4")), "4-bit two's complement integer, -7 to 7, FP32 scale");
  EXPECT_EQ(DescribeFormat(MustParse("e2m1")),
            "4-bit float, 2 exponent and 1 mantissa bits, largest 6, smallest 0.5, no infinity or NaN, FP32 "
            "scale (OCP MX 1.0 FP4)");
  EXPECT_THAT(DescribeFormat(MustParse("e4m3")), HasSubstr("largest 480"));
  EXPECT_THAT(DescribeFormat(MustParse("fp16")), AllOf(HasSubstr("binary16"), HasSubstr("no scale")));
  for (const Format& format : AllFormats()) EXPECT_THAT(DescribeFormat(format), Not(HasSubstr("\n")));
}

TEST(ElementDeathTest, RefusesWhatNoFormatHas) {
  EXPECT_DEATH(IntegerElement(1), "broken invariant");
  EXPECT_DEATH(IntegerElement(17), "broken invariant");
  EXPECT_DEATH(FloatElement(0, 3, Specials::kNone), "broken invariant");
  EXPECT_DEATH(FloatElement(3, 0, Specials::kIeee), "broken invariant");
}

}  // namespace
}  // namespace precis
