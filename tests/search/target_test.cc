// Cost targets as people write them.
#include "search/cost/target.h"

#include <gmock/gmock.h>

namespace precis::search {
namespace {

using ::testing::HasSubstr;

TEST(Target, ReadsMultiplesOfAFormat) {
  for (const char* text :
       {"1.1x int4", "1.1xint4", " 1.1 x  int4 ", "1.1X INT4", "1.1× int4", "11e-1x int4"}) {
    const auto target = ParseTarget(text, "bops");
    ASSERT_TRUE(target.ok()) << text << ": " << target.status();
    EXPECT_EQ(target->amount, 1.1) << text;
    EXPECT_EQ(target->relative_to, *ParseFormat("int4")) << text;
  }
  EXPECT_EQ(ParseTarget("2x e4m3", "bops")->relative_to, *ParseFormat("e4m3"));
}

TEST(Target, ReadsAmounts) {
  const struct {
    const char* text;
    const char* metric;
    double amount;
  } cases[] = {
      {"153000000", "bops", 153e6},
      {"0.21 GBOPs", "bops", 0.21e9},
      {"0.21gbops", "bops", 0.21e9},
      {"3 TBOPs", "bops", 3e12},
      {"7 kBOPs", "bops", 7e3},
      {"7 MBOPs", "bops", 7e6},
      {"5 BOPs", "bops", 5},
      {"1.5e8", "bops", 1.5e8},
      {"4096", "model_size", 4096},
      {"4096 bits", "model_size", 4096},
      {"40 KiB", "model_size", 40 * 8192.0},
      {"40 kiB", "model_size", 40 * 8192.0},
      {"40 kB", "model_size", 320000},
      {"2 MB", "model_size", 16e6},
      {"1 MiB", "model_size", 8388608},
      {"3 B", "model_size", 24},
      {"3 KiB", "accumulator_bits", 3 * 8192.0},
      {"2.5 MFP8MACs", "asic-energy", 2.5e6},
      {"2.5gfp8macs", "asic-area", 2.5e9},
      {"7 kLUTcycles", "fpga-lut", 7e3},
      {"12", "table", 12},
  };
  for (const auto& c : cases) {
    const auto target = ParseTarget(c.text, c.metric);
    ASSERT_TRUE(target.ok()) << c.text << ": " << target.status();
    EXPECT_DOUBLE_EQ(target->amount, c.amount) << c.text;
    EXPECT_FALSE(target->relative_to.has_value()) << c.text;
  }
}

TEST(Target, RefusesWithTheReasonAndWhatIsAllowed) {
  const struct {
    const char* text;
    const char* metric;
    const char* reason;
  } cases[] = {
      {"", "bops", "required"},
      {"   ", "bops", "required"},
      {"cheap", "bops", "does not begin with a number"},
      {"int4", "bops", "write \"1x int4\""},
      {"1.1 int4", "bops", "write \"1.1x int4\""},
      {"1.1x", "bops", "names no format"},
      {"1.1x int44", "bops", "int4"},
      {"-1x int4", "bops", "above 0"},
      {"0 GBOPs", "bops", "above 0"},
      {"nan", "bops", "above 0"},
      {"inf GBOPs", "bops", "above 0"},
      {"1e999", "bops", "out of range"},
      {"1e308 TBOPs", "bops", "out of range"},
      {"5 KiB", "bops", "a unit of the metric model_size"},
      {"5 GBOPs", "model_size", "a unit of the metric bops"},
      {"5 kb", "model_size", "unknown unit \"kb\""},
      {"5 GBOP", "bops", "Did you mean \"GBOPs\"?"},
      {"153,000,000", "bops", "unknown unit"},
      {"5 GFP8MACs", "fpga-lut", "a unit of the metric asic-energy"},
      {"5 uJ", "table", "unknown unit"},
      {"0x10", "bops", "above 0"},
  };
  for (const auto& c : cases) {
    const auto target = ParseTarget(c.text, c.metric);
    ASSERT_EQ(target.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(target.status().message()), HasSubstr(c.reason)) << c.text;
  }
}

TEST(Target, OfATableHasTheTablesUnit) {
  EXPECT_EQ(ParseTarget("2.5 uJ", "table", "uJ")->amount, 2.5);
  EXPECT_EQ(ParseTarget("2.5uJ", "table", "uJ")->amount, 2.5);
  EXPECT_EQ(ParseTarget("2x int4", "table", "uJ")->relative_to, *ParseFormat("int4"));
  const absl::Status status = ParseTarget("2.5 mJ", "table", "uJ").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("in uJ, such as \"1000 uJ\""));
  EXPECT_FALSE(ParseTarget("2.5 uJ", "bops", "uJ").ok());
  const auto model = *MakeCostModel("table", {Layer()}, {.table = "# unit: uJ\n*,int8,2\n*,int4,0"});
  EXPECT_EQ(CostText(*model, 2.5), "2.5 uJ");
  EXPECT_GE(ParseTarget(CostTextAtLeast(*model, 1.00001), "table", "uJ")->amount, 1.00001);
  EXPECT_TRUE(CheckTarget(*ParseTarget("2x int8", "table", "uJ"), *model, 1).ok());
  EXPECT_THAT(std::string(CheckTarget(*ParseTarget("2x int2", "table", "uJ"), *model, 1).message()),
              HasSubstr("no cost of int2"));
  EXPECT_THAT(std::string(CheckTarget(*ParseTarget("2x int4", "table", "uJ"), *model, 1).message()),
              HasSubstr("costs 0"));
}

TEST(Target, ResolvesAgainstTheUniformAssignment) {
  Layer layer;
  layer.macs = 1000;
  const auto model = *MakeCostModel("bops", {layer, layer});
  EXPECT_DOUBLE_EQ(ResolveTarget(*ParseTarget("1.5x int4", "bops"), *model, 2), 1.5 * 2 * 16000);
  EXPECT_EQ(ResolveTarget(*ParseTarget("777", "bops"), *model, 2), 777);
}

TEST(Target, WritesAmountsForPeople) {
  EXPECT_EQ(CostText("bops", 214.3e6), "0.2143 GBOPs");
  EXPECT_EQ(CostText("bops", 38.2e6), "0.0382 GBOPs");
  EXPECT_EQ(CostText("bops", 29.2307e9), "29.23 GBOPs");
  EXPECT_EQ(CostText("bops", 12345e9), "12.35 TBOPs");
  EXPECT_EQ(CostText("bops", 9.5e6), "9.5 MBOPs");
  EXPECT_EQ(CostText("bops", 120), "120 BOPs");
  EXPECT_EQ(CostText("model_size", 38.2 * 8192), "38.2 KiB");
  EXPECT_EQ(CostText("model_size", 3 * 8388608.0), "3 MiB");
  EXPECT_EQ(CostText("model_size", 1000), "1000 bits");
  EXPECT_EQ(CostText("asic-energy", 7859912), "7.86 MFP8MACs");
  EXPECT_EQ(CostText("fpga-lut", 0.5), "0.5 LUTcycles");
  EXPECT_EQ(CostText("watts", 3.14159), "3.142");
}

TEST(Target, WhatIsWrittenReadsBackToFourDigits) {
  for (const char* metric :
       {"bops", "model_size", "asic-energy", "asic-area", "fpga-lut", "accumulator_bits"}) {
    for (double value = 7; value < 1e16; value *= 1.618) {
      const auto target = ParseTarget(CostText(metric, value), metric);
      ASSERT_TRUE(target.ok()) << CostText(metric, value);
      EXPECT_NEAR(target->amount / value, 1, 6e-4) << CostText(metric, value);
    }
  }
}

}  // namespace
}  // namespace precis::search
