// Costs of hardware: published points, published widths, measured tables, and what lies between them.
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "search/cost/accumulators.h"
#include "search/cost/asic_costs.h"
#include "search/cost/fpga_luts.h"

namespace precis::search {
namespace {

LayerFormats Of(const std::string& name) { return *ParseLayerFormats(name); }

TEST(AsicCost, PublishedPointsAreExact) {
  const struct {
    const char* format;
    double energy, area;
  } table5[] = {{"mxfp8", 1, 1}, {"mxint8", 0.63, 0.79}, {"nvfp4", 0.55, 0.54}, {"nvint4", 0.34, 0.38}};
  for (const auto& row : table5) {
    bool published = false;
    EXPECT_EQ(AsicCost(AsicQuantity::kEnergy, Of(row.format), &published), row.energy) << row.format;
    EXPECT_TRUE(published) << row.format;
    EXPECT_EQ(AsicCost(AsicQuantity::kArea, Of(row.format)), row.area) << row.format;
  }
}

// What the array does not see changes nothing.
TEST(AsicCost, RulesRotationsAndRoundingAreNotItsConcern) {
  for (const char* name : {"mxfp8:ceil", "mxfp8+hadamard", "mxfp8+sr8", "e4m3@e8m0:32"}) {
    bool published = false;
    EXPECT_EQ(AsicCost(AsicQuantity::kEnergy, Of(name), &published), 1) << name;
    EXPECT_TRUE(published) << name;
  }
  for (const char* name :
       {"mxfp8_e5m2", "mxfp6", "mxfp4", "int8", "e4m3", "mxfp8/mxint8", "e4m3fn@e8m0:16"}) {
    bool published = true;
    AsicCost(AsicQuantity::kEnergy, Of(name), &published);
    EXPECT_FALSE(published) << name;
  }
}

// Gate equivalents of the lanes that the points have, worked out from the paper's cell counts by hand.
TEST(AsicCost, LaneGatesAreTheCellCounts) {
  EXPECT_DOUBLE_EQ(LaneGates(Of("mxint8")), 64 * 6.3 + 16 * 5);
  EXPECT_DOUBLE_EQ(LaneGates(Of("nvint4")), 16 * 6.3 + 8 * 5);
  const double shifter = 24 * std::log2(24.0);  // min(2^4 + 2^4 + 3 + 3, 24)
  EXPECT_NEAR(LaneGates(Of("mxfp8")),
              16 * 6.3 + 24 * 5 + 4 * 5 + 4 * 7.3 + 4 * 4.9 + shifter * 2.3 + shifter * 3.6 / 32, 1e-9);
  const double short_shifter = 10 * std::log2(10.0);  // 2^2 + 2^2 + 1 + 1
  EXPECT_NEAR(LaneGates(Of("nvfp4")),
              4 * 6.3 + 10 * 5 + 2 * 5 + 2 * 7.3 + 2 * 4.9 + short_shifter * 2.3 + short_shifter * 3.6 / 16,
              1e-9);
  EXPECT_DOUBLE_EQ(LaneGates(Of("int4/int8")), 32 * 6.3 + 12 * 5);
}

// The line of a kind goes through its two points, so the same lanes with another scale cost the same.
TEST(AsicCost, TheEstimateMeetsThePointsItWasFittedTo) {
  EXPECT_NEAR(AsicCost(AsicQuantity::kEnergy, Of("int8")), 0.63, 1e-12);
  EXPECT_NEAR(AsicCost(AsicQuantity::kArea, Of("int4")), 0.38, 1e-12);
  EXPECT_NEAR(AsicCost(AsicQuantity::kEnergy, Of("e4m3")), 1, 1e-12);
  EXPECT_NEAR(AsicCost(AsicQuantity::kArea, Of("e2m1@e4m3:16")), 0.54, 1e-12);
}

TEST(AsicCost, WiderIsDearerInBothKinds) {
  for (const AsicQuantity quantity : {AsicQuantity::kEnergy, AsicQuantity::kArea}) {
    for (const std::vector<const char*>& rising :
         {std::vector<const char*>{"int2", "int4", "int4/int8", "int8", "int16"},
          {"mxfp4", "mxfp6", "mxfp8", "bf16", "fp16", "fp32"},
          {"int4", "int4/e4m3", "int8/e4m3"}}) {
      for (size_t i = 1; i < rising.size(); ++i) {
        EXPECT_LT(AsicCost(quantity, Of(rising[i - 1])), AsicCost(quantity, Of(rising[i]))) << rising[i];
      }
    }
    for (const Format& w : CatalogueFormats()) {
      for (const Format& a : CatalogueFormats()) {
        ASSERT_GT(AsicCost(quantity, {w, a}), 0.2);
        ASSERT_EQ(AsicCost(quantity, {w, a}), AsicCost(quantity, {a, w})) << "weights and inputs are alike";
      }
    }
  }
}

TEST(AsicCost, ALayerCostsItsMacs) {
  Layer layer;
  layer.macs = 1000;
  const auto energy = MakeAsicCost(AsicQuantity::kEnergy, {layer});
  EXPECT_DOUBLE_EQ(energy->LayerCost(0, Of("nvint4")), 340);
  EXPECT_THAT(energy->basis(), ::testing::HasSubstr("estimated"));
  EXPECT_DOUBLE_EQ(MakeAsicCost(AsicQuantity::kArea, {layer})->LayerCost(0, Of("mxint8")), 790);
}

// Aggarwal 2023 for the longest sum of ResNet-18.
TEST(Accumulators, WidthsAreThePublishedOnes) {
  const struct {
    const char* format;
    int bits;
  } widths[] = {{"int4", 22}, {"int6", 26}, {"int8", 30}, {"e2m1", 22}, {"e3m0", 28},   {"e2m2", 24},
                {"e3m1", 30}, {"e2m3", 26}, {"e3m2", 32}, {"e2m4", 28}, {"e3m3", 34},   {"e4m1", 46},
                {"e2m5", 30}, {"e3m4", 36}, {"e4m2", 48}, {"e4m3", 50}, {"e5m2sat", 80}};
  for (const auto& row : widths) EXPECT_EQ(AccumulatorBits(Of(row.format), 4608), row.bits) << row.format;
}

// The widths hold what they must: the largest sum of products, in units of the smallest one.
TEST(Accumulators, HoldEverySumAndFloatsWasteNothing) {
  for (const Format& format : AllFormats()) {
    if (format.element.bits > 8) continue;
    for (const int64_t products : {1, 2, 3, 9, 64, 4608}) {
      const double step = SmallestStep(format.element);
      const double most = std::max(MaxFinite(format.element), -MinFinite(format.element)) / step;
      const double sum = static_cast<double>(products) * most * most;
      const int bits = AccumulatorBits({format, format}, products);
      EXPECT_LT(sum, std::exp2(bits - 1)) << FormatName(format) << " × " << products;
      if (format.element.kind == ElementKind::kFloat) {
        EXPECT_GE(sum, std::exp2(bits - 5)) << FormatName(format) << " × " << products;
      }
    }
  }
}

TEST(Accumulators, BlocksEndSums) {
  EXPECT_EQ(ExactProducts(Of("int8"), 576), 576);
  EXPECT_EQ(ExactProducts(Of("mxint8"), 576), 32);
  EXPECT_EQ(ExactProducts(Of("mxint8/nvint4"), 576), 16);
  EXPECT_EQ(ExactProducts(Of("mxint8"), 9), 9);
  Layer layer;
  layer.macs = 576 * 100;
  layer.reduction = 576;
  const auto model = MakeAccumulatorCost({layer});
  EXPECT_DOUBLE_EQ(model->LayerCost(0, Of("int8")), 100 * (8 + 8 + 10 + 1));
  EXPECT_DOUBLE_EQ(model->LayerCost(0, Of("mxint8")), 100 * (8 + 8 + 5 + 1));
}

TEST(FpgaLuts, MeasuredRowsAreExactAtTheirWidth) {
  const struct {
    const char* formats;
    double luts;
  } rows[] = {{"int2", 37},       {"int3", 76},       {"int4", 80},       {"int8", 261},      {"int16", 715},
              {"int4/int8", 113}, {"int8/int4", 113}, {"e2m1/e4m3", 115}, {"e4m3/e2m1", 115}, {"e2m1", 56},
              {"e4m3", 171},      {"e4m3fn", 171},    {"e5m2", 261},      {"e3m2", 98}};
  for (const auto& row : rows) {
    bool measured = false;
    EXPECT_EQ(LutsPerMac(Of(row.formats), 4608, &measured), row.luts) << row.formats;
    EXPECT_TRUE(measured) << row.formats;
    EXPECT_EQ(LutsPerMac(Of(row.formats), 9), row.luts - 9) << "4 bits of growth in place of 13";
  }
}

TEST(FpgaLuts, EstimatesLieAmongTheirNeighbours) {
  for (const auto& [low, between, high] :
       {std::tuple{"int4", "int4/int6", "int8"}, std::tuple{"e2m1", "e2m1/e3m2", "e3m2"},
        std::tuple{"int4", "uint4/uint4", "int6"}, std::tuple{"e4m3", "e4m3/e5m2", "e5m2"}}) {
    bool measured = true;
    const double luts = LutsPerMac(Of(between), 4608, &measured);
    EXPECT_FALSE(measured) << between;
    EXPECT_GT(luts, LutsPerMac(Of(low), 4608) * 0.9) << between;
    EXPECT_LT(luts, LutsPerMac(Of(high), 4608)) << between;
  }
  for (const Format& w : CatalogueFormats()) {
    for (const Format& a : CatalogueFormats()) {
      for (const int64_t products : {1, 9, 4608, 100000}) {
        ASSERT_GT(LutsPerMac({w, a}, products), 10) << FormatName(w) << "/" << FormatName(a);
        ASSERT_EQ(LutsPerMac({w, a}, products), LutsPerMac({a, w}, products));
      }
    }
  }
}

}  // namespace
}  // namespace precis::search
