// The user's cost table: what it says, every fault in it, and which row serves.
#include "search/cost/cost_table.h"

#include <gmock/gmock.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "search/cost/table_cost.h"

namespace precis::search {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<Layer> SomeLayers() {
  std::vector<Layer> layers(4);
  const char* names[] = {"stem.conv", "stage1.conv1", "stage1.conv2", "classifier"};
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].name = names[i];
    layers[i].macs = 10 * static_cast<int64_t>(i + 1);
  }
  layers[1].kind = Layer::Kind::kDepthwiseConv2d;
  layers[3].kind = Layer::Kind::kLinear;
  return layers;
}

std::vector<std::string> Faults(const std::string& text) {
  Violations violations;
  MakeTableCost(ParseCostTable(text, violations), SomeLayers(), violations);
  std::vector<std::string> messages;
  for (const Violation& violation : violations) {
    EXPECT_EQ(violation.field, "cost.table");
    messages.push_back(violation.message);
  }
  return messages;
}

// Costs of the four layers in `formats`; -1 where the table has none.
std::vector<double> Costs(const std::string& text, const std::string& formats) {
  Violations violations;
  const auto model = MakeTableCost(ParseCostTable(text, violations), SomeLayers(), violations);
  for (const Violation& violation : violations) ADD_FAILURE() << violation.message;
  std::vector<double> costs;
  for (size_t i = 0; i < 4; ++i) {
    const LayerFormats pair = *ParseLayerFormats(formats);
    costs.push_back(model->Prices(i, pair) ? model->LayerCost(i, pair) : -1);
  }
  return costs;
}

TEST(CostTable, ReadsEveryWayOfWritingIt) {
  for (const char* text :
       {"*,int8,uint8,2.5", "*,int8/uint8,2.5", "layer,format,cost\n*,int8/uint8,2.5",
        "cost,activation,weight,layer\n2.5,uint8,int8,*",
        "\xEF\xBB\xBFLayer , Weight,Activation,Cost\r\n\r\n# a remark\r\n * , INT8,uint8 , 2.5\r\n",
        "\"*\" , \"int8\",\"uint8\",\"2.5\"\n"}) {
    Violations violations;
    const CostTable table = ParseCostTable(text, violations);
    EXPECT_THAT(violations, IsEmpty()) << text;
    ASSERT_EQ(table.rows.size(), 1u) << text;
    EXPECT_EQ(table.rows[0].layer, "*");
    EXPECT_EQ(LayerFormatsName(table.rows[0].formats), "int8/uint8");
    EXPECT_EQ(table.rows[0].cost, 2.5);
    EXPECT_EQ(table.unit, "units");
    EXPECT_FALSE(table.per_mac);
  }
  Violations violations;
  const CostTable table =
      ParseCostTable("#unit: µJ\n# Per : mac\n# see unit: below\n\"a\"\"b,c\",int8,0", violations);
  EXPECT_THAT(violations, IsEmpty());
  EXPECT_EQ(table.unit, "µJ");
  EXPECT_TRUE(table.per_mac);
  EXPECT_EQ(table.rows.at(0).layer, "a\"b,c");
  EXPECT_EQ(table.rows.at(0).line, 4);
}

TEST(CostTable, TheMostSpecificRowServes) {
  const std::string text =
      "*,int8,1\nconv2d,int8,2\nstage1.*,int8,3\nstage?.conv2,int8,4\nstage1.conv2,int8,5\n"
      "depthwise_conv2d,int8,6\nlinear,int8,7\nmatmul,int8,8\n";
  EXPECT_THAT(Costs(text, "int8"), ElementsAre(2, 3, 5, 7));
  EXPECT_THAT(Costs(text, "int4"), ElementsAre(-1, -1, -1, -1));
  // The first of two globs, whatever stands between; formats by themselves.
  EXPECT_THAT(Costs("s*,int8,1\n*conv*,int8,2\n*,int8/int4,9\nstem.conv,int4,3", "int8"),
              ElementsAre(1, 1, 1, -1));
  EXPECT_THAT(Costs("s*,int8,1\n*,int8/int4,9", "int8/int4"), ElementsAre(9, 9, 9, 9));
  EXPECT_THAT(Costs("# per: mac\n*,int8,0.5", "int8"), ElementsAre(5, 10, 15, 20));
}

TEST(CostTable, EveryFaultIsToldWithItsLine) {
  EXPECT_THAT(Faults("# unit: 5J\n"
                     "# per: image\n"
                     "conv2d,int8,int8,-1\n"
                     "conv2d,int4,int4,nan\n"
                     "conv2d,int2,int2,1e999\n"
                     "conv2d,int3,int3,cheap\n"
                     "conv2d,int5,int5,1 J\n"
                     "conv2d,int44,int4,1\n"
                     "stem.conf,int8,int8,1\n"
                     "stage7.*,int8,int8,1\n"
                     "matmul,int8,int8,1\n"
                     "conv2d,int8,int8,1\n"
                     "conv2d,int8,1\n"
                     "\"conv2d,int8,int8,1\n"
                     ",int8,int8,1\n"),
              ElementsAre(AllOf(HasSubstr("line 1: \"5J\""), HasSubstr("cannot be a unit")),
                          AllOf(HasSubstr("line 2: "), HasSubstr("layer or mac")),
                          AllOf(HasSubstr("line 3: the cost \"-1\""), HasSubstr("0 or more")),
                          HasSubstr("line 4: the cost \"nan\""), HasSubstr("line 5: the cost \"1e999\""),
                          HasSubstr("line 6: the cost \"cheap\""), HasSubstr("line 7: the cost \"1 J\""),
                          AllOf(HasSubstr("line 8: "), HasSubstr("int44")),
                          AllOf(HasSubstr("line 12: "), HasSubstr("is in line 3 already")),
                          HasSubstr("line 13: has 3 columns, not 4"), HasSubstr("line 14: has a quote"),
                          HasSubstr("line 15: names no layer"),
                          AllOf(HasSubstr("line 9: no layer of the network is \"stem.conf\""),
                                HasSubstr("Did you mean \"stem.conv\"?")),
                          HasSubstr("line 10: no layer of the network is \"stage7.*\"")));
}

TEST(CostTable, HeadersAreChecked) {
  EXPECT_THAT(Faults("layer,formats,cost\n*,int8,1"), ElementsAre(HasSubstr("Did you mean \"format\"?")));
  EXPECT_THAT(Faults("layer,format,weight,cost"), ElementsAre(HasSubstr("line 1: the columns must be")));
  EXPECT_THAT(Faults("layer,cost,cost,format"), ElementsAre(HasSubstr("given twice")));
  EXPECT_THAT(Faults(""), ElementsAre(HasSubstr("has no row")));
  EXPECT_THAT(Faults("# unit: J\n\n"), ElementsAre(HasSubstr("has no row")));
  EXPECT_THAT(Faults("a,b"), ElementsAre(HasSubstr("has 2 columns, not 4")));
}

TEST(CostTable, UnitsCanBeToldFromNumbersAndFormats) {
  for (const char* good : {"J", "uJ", "cycles", "ms/image", "€", "e9"}) {
    EXPECT_THAT(Faults(absl::StrCat("# unit: ", good, "\n*,int8,1")), IsEmpty()) << good;
    EXPECT_EQ(TableUnit(absl::StrCat("nonsense\n# unit: ", good)), good);
  }
  for (const char* bad :
       {"", "a b", "xJ", "×J", "-J", "7", "a,b", "0123456789012345678", "abcdefghijklmnopq"}) {
    EXPECT_THAT(Faults(absl::StrCat("# unit: ", bad, "\n*,int8,1")),
                ElementsAre(HasSubstr("cannot be a unit")))
        << bad;
  }
}

TEST(CostTable, GapsNameFormatsAndLayers) {
  Violations violations;
  const auto model = MakeTableCost(ParseCostTable("*,int8,1\nconv2d,int4,1\ncl*,int4,1", violations),
                                   SomeLayers(), violations);
  const SearchSpace space = SearchSpace::PerLayer(
      SomeLayers(),
      {*ParseLayerFormats("int8"), *ParseLayerFormats("int4"), *ParseLayerFormats("int4/int8")});
  CheckPrices(*model, space, SomeLayers(), violations);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_THAT(violations[0].message,
              AllOf(HasSubstr("no cost of int4/int8 for stem.conv, stage1.conv1, stage1.conv2 and 1 more"),
                    HasSubstr("\"*,int4,int8,1\"")));
  EXPECT_THAT(violations[1].message, HasSubstr("no cost of int4 for stage1.conv1:"));
}

// Whatever comes in, it ends in rows or faults, never in both for one line and never in a crash.
TEST(CostTable, NonsenseIsRefusedLineByLine) {
  std::mt19937_64 generator(1);
  const std::string alphabet = "*,\"#\n\r int48/.:e-\xc3\x00x";
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (uint64_t length = generator() % 40; length > 0; --length)
      text += alphabet[generator() % alphabet.size()];
    Violations violations;
    const CostTable table = ParseCostTable(text, violations);
    MakeTableCost(table, SomeLayers(), violations);
    for (const CostTable::Row& row : table.rows) {
      ASSERT_TRUE(std::isfinite(row.cost) && row.cost >= 0) << text;
      ASSERT_FALSE(row.layer.empty());
    }
    ASSERT_TRUE(!table.rows.empty() || !violations.empty());
  }
}

}  // namespace
}  // namespace precis::search
