// The scalar reference against published tables, hardware, and a linear search over every code.
#include "supernet/formats/scalar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "supernet/formats/format.h"

namespace precis {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ElementFormat Element(const std::string& name) { return ParseFormat(name).value().element; }

bool IsUnused(const ElementFormat& element, uint32_t code) {
  return element.kind == ElementKind::kInteger && element.narrow && code == uint32_t{1} << (element.bits - 1);
}

struct Point {
  double value;
  uint32_t code;
};

// Every finite value of the element with its code, ascending; negative zero left out.
std::vector<Point> Points(const ElementFormat& element) {
  std::vector<Point> points;
  for (uint32_t code = 0; code >> element.bits == 0; ++code) {
    const double value = Decode(element, code);
    const bool negative_zero = value == 0 && std::signbit(value);
    if (std::isfinite(value) && !negative_zero && !IsUnused(element, code)) points.push_back({value, code});
  }
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.value < b.value; });
  return points;
}

// The nearest of points[from…to) by measuring the distance to each; of two, the one of even code.
double NearestBySearch(double x, const std::vector<Point>& points, size_t from, size_t to) {
  const Point* best = &points[from];
  for (size_t i = from + 1; i < to; ++i) {
    const double distance = std::fabs(points[i].value - x), best_distance = std::fabs(best->value - x);
    if (distance < best_distance || (distance == best_distance && points[i].code % 2 == 0)) best = &points[i];
  }
  return best->value;
}

// Every format whose codes can all be listed: all but fp32.
template <typename Check>
void ForEveryListableElement(Check check) {
  for (const Format& format : AllFormats()) {
    if (format.element.bits > 16) continue;
    SCOPED_TRACE(FormatName(format));
    check(format.element);
  }
}

TEST(EveryElement, EveryCodeSurvivesTheRoundTrip) {
  ForEveryListableElement([](const ElementFormat& element) {
    for (uint32_t code = 0; code >> element.bits == 0; ++code) {
      const double value = Decode(element, code);
      if (std::isfinite(value) && !IsUnused(element, code)) {
        EXPECT_EQ(Encode(element, value), code);
        EXPECT_EQ(Encode(element, value, Overflow::kSpecial), code);
        EXPECT_EQ(std::signbit(Quantize(element, value)), std::signbit(value));
      } else if (std::isinf(value)) {
        EXPECT_EQ(Encode(element, value, Overflow::kSpecial), code);
      } else if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(Decode(element, Encode(element, value))));
      }
    }
  });
}

TEST(EveryElement, NoTwoCodesHaveOneValue) {
  ForEveryListableElement([](const ElementFormat& element) {
    const std::vector<Point> points = Points(element);
    for (size_t i = 1; i < points.size(); ++i) EXPECT_LT(points[i - 1].value, points[i].value);
  });
}

TEST(EveryElement, RoundsToTheNearestAndTiesToTheEvenCode) {
  ForEveryListableElement([](const ElementFormat& element) {
    const std::vector<Point> points = Points(element);
    for (size_t i = 0; i + 1 < points.size(); ++i) {
      const double midpoint = (points[i].value + points[i + 1].value) / 2;
      const double quarter = (points[i].value + midpoint) / 2;
      for (const double x :
           {quarter, std::nextafter(midpoint, -kInf), midpoint, std::nextafter(midpoint, kInf),
            std::nextafter(points[i].value, kInf), std::nextafter(points[i].value, -kInf)}) {
        const size_t from = i < 3 ? 0 : i - 3;
        EXPECT_EQ(Quantize(element, x), NearestBySearch(x, points, from, std::min(i + 4, points.size())))
            << x;
      }
      const bool low_is_even = points[i].code % 2 == 0;
      EXPECT_NE(low_is_even, points[i + 1].code % 2 == 0) << "a tie has exactly one even neighbour";
    }
  });
}

TEST(EveryElement, SaturatesByDefault) {
  ForEveryListableElement([](const ElementFormat& element) {
    const double max = MaxFinite(element), min = MinFinite(element);
    for (const double x : {std::nextafter(max, kInf), max * 1.01, max * 2, DBL_MAX, kInf}) {
      EXPECT_EQ(Quantize(element, x), max) << x;
    }
    for (const double x : {std::nextafter(min, -kInf), min * 1.01, min * 2, -DBL_MAX, -kInf}) {
      EXPECT_EQ(Quantize(element, x), min) << x;
    }
  });
}

TEST(EveryElement, OverflowIsJudgedAfterRounding) {
  ForEveryListableElement([](const ElementFormat& element) {
    const std::vector<Point> points = Points(element);
    const double max = MaxFinite(element);
    // The sister without specials holds the value that the grid would have next.
    ElementFormat sister = element;
    sister.specials = Specials::kNone;
    const double next = HasNan(element) ? Decode(sister, points.back().code + 1) : 2 * max;
    const double midpoint = (max + next) / 2;
    const auto quantize = [&](double x) { return Quantize(element, x, Overflow::kSpecial); };
    EXPECT_EQ(quantize(std::nextafter(midpoint, 0)), max);
    const bool even = points.back().code % 2 == 0;
    for (const auto& [x, overflows] :
         {std::pair(midpoint, !even), {std::nextafter(midpoint, kInf), true}, {next, true}, {kInf, true}}) {
      if (!overflows || !HasNan(element)) {
        EXPECT_EQ(quantize(x), max) << x;
      } else if (HasInfinity(element)) {
        EXPECT_EQ(quantize(x), kInf) << x;
        EXPECT_EQ(quantize(-x), -kInf) << x;
      } else {
        EXPECT_TRUE(std::isnan(quantize(x))) << x;
      }
    }
  });
}

TEST(EveryElement, NanStaysVisibleAndHasACodeWhereThereIsOne) {
  ForEveryListableElement([](const ElementFormat& element) {
    EXPECT_TRUE(std::isnan(Quantize(element, kNan)));
    EXPECT_TRUE(std::isnan(Quantize(element, -kNan, Overflow::kSpecial)));
    const uint32_t code = Encode(element, kNan);
    if (HasNan(element)) {
      EXPECT_TRUE(std::isnan(Decode(element, code)));
    } else {
      EXPECT_EQ(code, 0u);
    }
  });
}

TEST(EveryElement, TinyValuesBecomeZeroAndFloatsKeepItsSign) {
  ForEveryListableElement([](const ElementFormat& element) {
    const double half = SmallestStep(element) / 2;
    for (const double x : {0.0, DBL_TRUE_MIN, static_cast<double>(FLT_TRUE_MIN), half}) {
      if (x > half) continue;
      EXPECT_EQ(Quantize(element, x), 0) << x;
      EXPECT_EQ(Quantize(element, -x), 0) << x;
      EXPECT_EQ(std::signbit(Quantize(element, -x)), element.kind == ElementKind::kFloat);
    }
    EXPECT_EQ(Quantize(element, std::nextafter(half, 1)), SmallestStep(element));
  });
}

TEST(Decode, E2M1IsTheTableOfOcp) {
  const double values[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (uint32_t code = 0; code < 8; ++code) {
    EXPECT_EQ(Decode(Element("e2m1"), code), values[code]);
    EXPECT_EQ(Decode(Element("e2m1"), code + 8), -values[code]);
  }
}

TEST(Decode, EightBitFloatsHaveTheCodesOfOcp) {
  EXPECT_EQ(Decode(Element("e4m3fn"), 0x7E), 448);
  EXPECT_TRUE(std::isnan(Decode(Element("e4m3fn"), 0x7F)));
  EXPECT_TRUE(std::isnan(Decode(Element("e4m3fn"), 0xFF)));
  EXPECT_EQ(Decode(Element("e4m3fn"), 0x08), 0x1p-6);
  EXPECT_EQ(Decode(Element("e4m3fn"), 0x01), 0x1p-9);
  EXPECT_EQ(Decode(Element("e4m3"), 0x7F), 480);
  EXPECT_EQ(Decode(Element("e5m2"), 0x7B), 57344);
  EXPECT_EQ(Decode(Element("e5m2"), 0x7C), kInf);
  EXPECT_EQ(Decode(Element("e5m2"), 0xFC), -kInf);
  for (const uint32_t code : {0x7D, 0x7E, 0x7F}) EXPECT_TRUE(std::isnan(Decode(Element("e5m2"), code)));
  EXPECT_EQ(Decode(Element("e5m2sat"), 0x7F), 114688);
}

TEST(Decode, TheUnusedCodeOfANarrowIntegerIsTwosComplement) {
  EXPECT_EQ(Decode(Element("int8"), 0x80), -128);
  EXPECT_EQ(Decode(Element("int8"), 0xFF), -1);
  EXPECT_EQ(Encode(Element("int8"), -128), 0x81u);
  EXPECT_EQ(Encode(Element("int8_full"), -128), 0x80u);
}

TEST(Quantize, E2M1DecidesWhereOcpDoes) {
  struct Decision {
    double from, to;  // both included
    double result;
  };
  const auto above = [](double x) { return std::nextafter(x, kInf); };
  const auto below = [](double x) { return std::nextafter(x, -kInf); };
  const Decision decisions[] = {
      {0, 0.25, 0},   {above(0.25), below(0.75), 0.5}, {0.75, 1.25, 1}, {above(1.25), below(1.75), 1.5},
      {1.75, 2.5, 2}, {above(2.5), below(3.5), 3},     {3.5, 5, 4},     {above(5), 1e30, 6},
  };
  for (const Decision& decision : decisions) {
    for (const double x : {decision.from, decision.to, (decision.from + decision.to) / 2}) {
      EXPECT_EQ(Quantize(Element("e2m1"), x), decision.result) << x;
      EXPECT_EQ(Quantize(Element("e2m1"), -x), -decision.result) << x;
    }
  }
}

TEST(Quantize, WithoutMantissaTheEvenExponentCodeWinsTies) {
  const std::pair<double, double> e3m0[] = {{0.125, 0}, {0.375, 0.5}, {0.75, 0.5}, {1.5, 2},
                                            {3, 2},     {6, 8},       {12, 8}};
  for (const auto& [x, result] : e3m0) {
    EXPECT_EQ(Quantize(Element("e3m0"), x), result) << x;
    EXPECT_EQ(Quantize(Element("e3m0"), -x), -result) << x;
    EXPECT_NE(Quantize(Element("e3m0"), std::nextafter(x, 0)),
              Quantize(Element("e3m0"), std::nextafter(x, kInf)));
  }
  const std::pair<double, double> e2m0[] = {{0.5, 0}, {1.5, 2}, {3, 2}};
  for (const auto& [x, result] : e2m0) EXPECT_EQ(Quantize(Element("e2m0"), x), result) << x;
}

TEST(Quantize, OneExponentBitIsAnIntegerGrid) {
  for (double x = -4; x <= 4; x += 1.0 / 64) {
    EXPECT_EQ(Quantize(Element("e1m2"), x), Quantize(Element("int4"), x * 2) / 2) << x;
  }
}

TEST(Quantize, OverflowOfOcpsFormats) {
  const auto special = [](const char* name, double x) {
    return Quantize(Element(name), x, Overflow::kSpecial);
  };
  EXPECT_EQ(special("e5m2", std::nextafter(61440, 0)), 57344);
  EXPECT_EQ(special("e5m2", 61440), kInf);  // a tie, and 57344 has the odd code 0x7B
  EXPECT_EQ(special("e4m3fn", 464), 448);   // a tie, and 448 has the even code 0x7E
  EXPECT_TRUE(std::isnan(special("e4m3fn", std::nextafter(464, 500))));
  EXPECT_EQ(special("e4m3", 1e9), 480);
  EXPECT_EQ(special("int4", -1e9), -7);
  EXPECT_EQ(Quantize(Element("e5m2"), 1e9), 57344);
}

TEST(Quantize, Fp32IsWhatTheProcessorRoundsTo) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 200000; ++i) {
    double x = std::bit_cast<double>(random());
    if (i % 2 == 0)
      x = std::ldexp(x / std::ldexp(1.0, std::ilogb(x)), static_cast<int>(random() % 290) - 155);
    if (std::isnan(x)) continue;
    const auto expected = static_cast<float>(x);
    EXPECT_EQ(Quantize(Element("fp32"), x, Overflow::kSpecial), expected) << x;
    EXPECT_EQ(Encode(Element("fp32"), x, Overflow::kSpecial), std::bit_cast<uint32_t>(expected)) << x;
  }
}

TEST(Quantize, Bf16RoundsTheUpperHalfOfAnFp32) {
  std::mt19937 random(12);
  for (int i = 0; i < 200000; ++i) {
    const auto bits = static_cast<uint32_t>(random());
    const auto x = std::bit_cast<float>(bits);
    if (std::isnan(x)) continue;
    const uint32_t upper = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    EXPECT_EQ(Encode(Element("bf16"), x, Overflow::kSpecial), upper) << x;
  }
}

#ifdef __x86_64__
__attribute__((target("f16c"))) uint32_t HardwareHalf(float x) {
  return static_cast<uint32_t>(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT)) & 0xFFFF;
}

TEST(Quantize, Fp16IsWhatTheProcessorRoundsTo) {
  // Every processor with AVX2 converts half precision, and clang 14 cannot ask for that by name.
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this processor may not convert half precision";
  std::mt19937 random(13);
  for (int i = 0; i < 400000; ++i) {
    auto x = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isnan(x)) continue;
    if (i % 2 == 0 && x != 0 && std::isfinite(x)) x = std::ldexp(x, -std::ilogb(x) - 28 + i / 2 % 48);
    EXPECT_EQ(Encode(Element("fp16"), x, Overflow::kSpecial), HardwareHalf(x)) << x;
  }
}
#endif

TEST(ScaleForMaxAbs, MapsTheLargestToTheLargest) {
  EXPECT_EQ(ScaleForMaxAbs(ParseFormat("int8").value(), 2.54f), 2.54f / 127);
  EXPECT_EQ(ScaleForMaxAbs(ParseFormat("int8_full").value(), 2.54f), 2.54f / 127);
  EXPECT_EQ(ScaleForMaxAbs(ParseFormat("e2m1").value(), 3.0f), 0.5f);
  EXPECT_EQ(ScaleForMaxAbs(ParseFormat("int8").value(), 0.0f), 1.0f);
  EXPECT_EQ(ScaleForMaxAbs(ParseFormat("bf16").value(), 123.0f), 1.0f);
  for (const Format& format : AllFormats()) {
    for (const float max_abs : {FLT_TRUE_MIN, FLT_MIN, 1.0f, FLT_MAX}) {
      const float scale = ScaleForMaxAbs(format, max_abs);
      EXPECT_GE(scale, FLT_MIN) << FormatName(format);
      EXPECT_TRUE(std::isfinite(1 / scale)) << FormatName(format);
      EXPECT_TRUE(std::isfinite(scale)) << FormatName(format);
    }
  }
}

TEST(QuantizeScaled, IsOneDivisionAndOneProduct) {
  EXPECT_EQ(QuantizeScaled(Element("int8"), 1.0f, 0.1f), 10 * 0.1f);
  EXPECT_EQ(QuantizeScaled(Element("int2"), 5.0f, 0.5f), 0.5f);
  EXPECT_EQ(QuantizeScaled(Element("e2m1"), 2.6f, 2.0f), 3.0f);
  EXPECT_EQ(QuantizeScaled(Element("e2m1"), -HUGE_VALF, 2.0f), -12.0f);
  EXPECT_TRUE(std::isnan(QuantizeScaled(Element("e2m1"), NAN, 2.0f)));
  EXPECT_TRUE(std::signbit(QuantizeScaled(Element("e2m1"), -0.1f, 2.0f)));
  EXPECT_FALSE(std::signbit(QuantizeScaled(Element("int8"), -0.01f, 2.0f)));
}

TEST(ScalarDeathTest, RefusesWhatOnlyABugCanAskFor) {
  EXPECT_DEATH(Decode(Element("int4"), 16), "broken invariant");
  EXPECT_DEATH(ScaleForMaxAbs(ParseFormat("int4").value(), -1.0f), "broken invariant");
  EXPECT_DEATH(ScaleForMaxAbs(ParseFormat("int4").value(), HUGE_VALF), "broken invariant");
  EXPECT_DEATH(ScaleForMaxAbs(ParseFormat("int4").value(), NAN), "broken invariant");
}

}  // namespace
}  // namespace precis
