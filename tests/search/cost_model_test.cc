// Costs: the contract, the published GBOPs, and what is counted.
#include "search/cost/cost_model.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "supernet/graph/model_zoo.h"
#include "tests/contract/cost_model_contract.h"

namespace precis::search {
namespace {

CostModelFactory Named(const std::string& test_name, const std::string& metric) {
  return {test_name, [metric](const std::vector<Layer>& layers) { return *MakeCostModel(metric, layers); }};
}

// Every pair that the contract asks for, dearer with more bits.
std::string FullTable(const std::string& comments) {
  std::string text = comments;
  for (const Format& format : CatalogueFormats()) {
    absl::StrAppend(&text, "*,", FormatName(format), ",", format.element.bits, "\n");
  }
  return text + "*,e4m3/int8,8.5\n";
}

CostModelFactory Table(const std::string& test_name, const std::string& comments) {
  return {test_name, [comments](const std::vector<Layer>& layers) {
            const std::string table = FullTable(comments);
            return *MakeCostModel("table", layers, {.table = table});
          }};
}

INSTANTIATE_TEST_SUITE_P(Formulas, CostModelContract,
                         ::testing::Values(Named("Bops", "bops"), Named("ModelSize", "model_size"),
                                           Named("AsicEnergy", "asic-energy"), Named("AsicArea", "asic-area"),
                                           Named("FpgaLut", "fpga-lut"),
                                           Named("AccumulatorBits", "accumulator_bits"),
                                           Table("TablePerLayer", "# unit: uJ\n"),
                                           Table("TablePerMac", "# per: mac\n")),
                         CostModelFactoryName);

double UniformBops(const std::string& model_name, const std::string& format) {
  ModelOptions options;
  options.height = options.width = 224;
  options.classes = 1000;
  const ModelGraph graph = *BuildModel(model_name, options);
  const std::vector<Layer> layers = graph.Layers();
  return TotalCost(**MakeCostModel("bops", layers), UniformAssignment(layers.size(), *ParseFormat(format)));
}

TEST(CostModel, BopsOfFourBitNetworksAreThoseOfThePaper) {
  EXPECT_NEAR(UniformBops("resnet18", "int4") / 1e9, 29.2307, 5e-5);
  EXPECT_NEAR(UniformBops("resnet50", "int4") / 1e9, 65.4269, 5e-5);
  EXPECT_NEAR(UniformBops("mobilenet_v2", "int4") / 1e9, 4.8124, 5e-5);
}

TEST(CostModel, FormatsOfEqualWidthHaveEqualBops) {
  EXPECT_EQ(UniformBops("resnet18", "int4"), UniformBops("resnet18", "e2m1"));
  EXPECT_EQ(UniformBops("resnet18", "int8"), UniformBops("resnet18", "e4m3"));
  EXPECT_EQ(UniformBops("resnet18", "int8"), 4 * UniformBops("resnet18", "int4"));
}

// Bits as stored: 4 and 8/32 of a scale, 4 and 8/16.
TEST(CostModel, BopsCountTheScalesOfBlocks) {
  EXPECT_DOUBLE_EQ(UniformBops("resnet18", "mxfp4"), UniformBops("resnet18", "int4") / 16 * 4.25 * 4.25);
  EXPECT_DOUBLE_EQ(UniformBops("resnet18", "nvint4"), UniformBops("resnet18", "int4") / 16 * 4.5 * 4.5);
  EXPECT_EQ(UniformBops("resnet18", "mxint4+hadamard"), UniformBops("resnet18", "mxfp4"));
  EXPECT_EQ(UniformBops("resnet18", "int4@fp32:tensor"), UniformBops("resnet18", "int4"));
}

TEST(CostModel, BopsTakeTheBitsOfBothSides) {
  Layer layer;
  layer.macs = 1000;
  const auto model = *MakeCostModel("bops", {layer});
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("int3/int8")), 24000);
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("bf16/int2")), 32000);
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("tf32/int2")), 64000) << "as stored";
}

TEST(CostModel, ModelSizeCountsScalesWhereThereAreAny) {
  Layer layer;
  layer.weights = 90;
  layer.output_channels = 10;
  const auto model = *MakeCostModel("model_size", {layer});
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("int4/int8")), 90 * 4 + 10 * 32);
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("bf16")), 90 * 16);
  // Rows of 9: one short block each; a scale a tensor; a zero point a channel.
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("mxfp4")), 90 * 4 + 10 * 8);
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("nvfp4")), 90 * 4 + 10 * 8 + 32);
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("int4@fp32:tensor")), 90 * 4 + 32);
  EXPECT_EQ(TotalCost(*model, *ParseAssignment("int4_affine")), 90 * 4 + 10 * (32 + 4));
}

TEST(CostModel, AProductHasNoSize) {
  Layer layer;
  layer.kind = Layer::Kind::kMatMul;
  layer.macs = 1000;
  layer.output_channels = 1;
  EXPECT_EQ((*MakeCostModel("model_size", {layer}))->LayerCost(0, *ParseLayerFormats("int8")), 0);
}

TEST(CostModel, AnUnknownNameGetsAHint) {
  const absl::Status status = MakeCostModel("bop", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("Did you mean \"bops\"?"));
  for (const std::string& name : CostModelNames()) {
    EXPECT_EQ((*MakeCostModel(name, {}, {.table = "*,int8,1"}))->name(), name);
  }
  EXPECT_THAT(std::string(MakeCostModel("table", {}, {.table = "*,int8,-1\n*,int9,1"}).status().message()),
              ::testing::AllOf(::testing::HasSubstr("line 1"), ::testing::HasSubstr("line 2")));
}

}  // namespace
}  // namespace precis::search
