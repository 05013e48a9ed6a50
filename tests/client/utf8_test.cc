// UTF-8: what is text, how wide it is, and how it is made safe for a terminal.
#include "client/utf8.h"

#include <gtest/gtest.h>

namespace precis::client {
namespace {

TEST(FirstNonText, FindsTheFirstBadByte) {
  EXPECT_EQ(FirstNonText("plain\ttext\r\n, grün × 漢 😀"), absl::string_view::npos);
  EXPECT_EQ(FirstNonText("ab\x80"), 2u) << "continuation alone";
  EXPECT_EQ(FirstNonText("ab\xC3"), 2u) << "cut short";
  EXPECT_EQ(FirstNonText("\xC1\x81"), 0u) << "overlong";
  EXPECT_EQ(FirstNonText("\xE0\x80\x80"), 0u) << "overlong";
  EXPECT_EQ(FirstNonText("\xF0\x80\x80\x80"), 0u) << "overlong";
  EXPECT_EQ(FirstNonText("\xED\xA0\x80"), 0u) << "surrogate";
  EXPECT_EQ(FirstNonText("\xF4\x90\x80\x80"), 0u) << "above U+10FFFF";
  EXPECT_EQ(FirstNonText("\xF5\x80\x80\x80"), 0u);
  EXPECT_EQ(FirstNonText("a\x1b[2J"), 1u) << "escape";
  EXPECT_EQ(FirstNonText("a\x7f"), 1u);
}

TEST(FirstNonText, AcceptsExactlyTheCodePoints) {
  // Every two-byte pair, against the definition.
  for (int first = 0x80; first < 0x100; ++first) {
    for (int second = 0; second < 0x100; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      const bool valid = first >= 0xC2 && first <= 0xDF && second >= 0x80 && second <= 0xBF;
      EXPECT_EQ(FirstNonText(text) == absl::string_view::npos, valid) << first << " " << second;
    }
  }
}

TEST(Width, CountsCodePoints) {
  EXPECT_EQ(DisplayWidth("int4×6"), 6u);
  EXPECT_EQ(CutToWidth("int4×6", 5), "int4×");
  EXPECT_EQ(CutToWidth("int4×6", 4), "int4");
  EXPECT_EQ(CutToWidth("ab", 9), "ab");
}

TEST(Printable, IsSafeAndShort) {
  EXPECT_EQ(Printable("a\x1b[2Jb\nc\xff"), "a?[2Jb?c?");
  EXPECT_EQ(Printable(std::string(100, 'x'), 10), "xxxxxxx...");
  EXPECT_EQ(Printable("grün", 4), "grün");
}

}  // namespace
}  // namespace precis::client
