// Figures for people, and the amounts they type.
#include "client/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/client/sample_messages.h"

namespace precis::client {
namespace {

using ::testing::HasSubstr;

TEST(CostText, PicksAUnitThatSuits) {
  EXPECT_EQ(CostText(214300000, "BOPs"), "0.2143 GBOPs");
  EXPECT_EQ(CostText(29230694400, "BOPs"), "29.23 GBOPs");
  EXPECT_EQ(CostText(2.5e13, "BOPs"), "25 TBOPs");
  EXPECT_EQ(CostText(1234567, "BOPs"), "1.235 MBOPs");
  EXPECT_EQ(CostText(999, "BOPs"), "999 BOPs");
  EXPECT_EQ(CostText(0, "BOPs"), "0 BOPs");
  EXPECT_EQ(CostText(8.0 * 1024 * 38.25, "bits"), "38.25 KiB");
  EXPECT_EQ(CostText(8.0 * 1024 * 1024 * 3, "bits"), "3 MiB");
  EXPECT_EQ(CostText(8191, "bits"), "8191 bits");
  EXPECT_EQ(CostText(7859912, "FP8MACs"), "7.86 MFP8MACs");
  EXPECT_EQ(CostText(1.25e9, "LUTcycles"), "1.25 GLUTcycles");
  EXPECT_EQ(CostText(12, "LUTcycles"), "12 LUTcycles");
  EXPECT_EQ(CostText(12345678, "furlongs"), "12345678 furlongs");
}

TEST(ParseAmount, ReadsTheNotationOfTargets) {
  EXPECT_EQ(ParseAmount("153000000", "BOPs")->value, 153000000);
  EXPECT_DOUBLE_EQ(ParseAmount("0.21 GBOPs", "BOPs")->value, 0.21e9);
  EXPECT_DOUBLE_EQ(ParseAmount(" 210mbops ", "BOPs")->value, 210e6);
  EXPECT_EQ(ParseAmount("40 KiB", "bits")->value, 40.0 * 8 * 1024);
  EXPECT_EQ(ParseAmount("5 kB", "bits")->value, 40000);
  EXPECT_EQ(ParseAmount("5 MFP8MACs", "FP8MACs")->value, 5e6);
  EXPECT_EQ(ParseAmount("5 uJ", "uJ")->value, 5);
  const auto relative = ParseAmount("1.1x INT4", "BOPs");
  ASSERT_TRUE(relative.ok());
  EXPECT_EQ(relative->value, 1.1);
  EXPECT_EQ(relative->times_format, "int4");
}

TEST(ParseAmount, RefusesWithWhatIsAllowed) {
  for (const char* bad :
       {"", "GBOPs", "0", "-1", "nan", "inf", "1e999", "1 parsec", "1 KiB", "1.1x", "1..2"}) {
    const auto amount = ParseAmount(bad, "BOPs");
    ASSERT_FALSE(amount.ok()) << bad;
    EXPECT_THAT(std::string(amount.status().message()), HasSubstr("GBOPs")) << bad;
  }
  EXPECT_FALSE(ParseAmount("40 Kib", "bits").ok()) << "kilobits are not kilobytes";
}

TEST(DurationText, GrowsWithTheDuration) {
  EXPECT_EQ(DurationText(0), "0s");
  EXPECT_EQ(DurationText(59.4), "59s");
  EXPECT_EQ(DurationText(72), "1m12s");
  EXPECT_EQ(DurationText(3599.6), "1h00m");
  EXPECT_EQ(DurationText(11100), "3h05m");
  EXPECT_EQ(DurationText(-1), "?");
  EXPECT_EQ(DurationText(NAN), "?");
  EXPECT_EQ(DurationText(INFINITY), "?");
}

TEST(FormatsSummary, CountsRuns) {
  EXPECT_EQ(FormatsSummary(SampleCandidates()[0]), "int4×3");
  EXPECT_EQ(FormatsSummary(SampleCandidates()[2]), "int8 int4/int8×2");
  EXPECT_EQ(FormatsSummary(SampleCandidates()[3]), "int4×2 int8");
  EXPECT_EQ(FormatsSummary(v1::Candidate()), "");
}

}  // namespace
}  // namespace precis::client
