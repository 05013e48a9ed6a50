// From what a job says of its space to decisions.
#include "search/space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "search/space_preset.h"
#include "supernet/graph/model_zoo.h"

namespace precis::search {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelGraph Net() { return *BuildModel("resnet8", {}); }

SearchSpace Built(const SpaceSpec& space, Violations& violations) {
  const ModelGraph graph = Net();
  CheckSpace(space, violations);
  if (!violations.empty()) return {};
  return BuildSpace(space, graph, graph.Layers(), violations);
}

SearchSpace Sound(const SpaceSpec& space) {
  Violations violations;
  SearchSpace built = Built(space, violations);
  for (const Violation& violation : violations) ADD_FAILURE() << violation.field << ": " << violation.message;
  // Every layer is in exactly one decision.
  std::set<size_t> layers;
  for (const Decision& decision : built.decisions) {
    for (size_t layer : decision.layers) EXPECT_TRUE(layers.insert(layer).second);
  }
  EXPECT_EQ(layers.size(), built.layer_count);
  return built;
}

std::vector<std::string> Names(const Decision& decision) {
  std::vector<std::string> names;
  for (const LayerFormats& option : decision.options) names.push_back(LayerFormatsName(option));
  return names;
}

const Decision& Find(const SearchSpace& space, const std::string& name) {
  for (const Decision& decision : space.decisions) {
    if (decision.name == name) return decision;
  }
  ADD_FAILURE() << "no decision " << name;
  return space.decisions.front();
}

std::string OnlyFault(const SpaceSpec& space, const std::string& field) {
  Violations violations;
  Built(space, violations);
  EXPECT_EQ(violations.size(), 1u);
  if (violations.empty()) return "";
  EXPECT_EQ(violations.front().field, field);
  return violations.front().message;
}

TEST(SpacePresets, AreListsOfFormatsThatParse) {
  for (const SpacePreset& preset : SpacePresets()) {
    EXPECT_EQ(SpaceOptions({.formats = {preset.name}}).size(), preset.formats.size()) << preset.name;
    EXPECT_EQ(SpaceOptions({.formats = preset.formats}), SpaceOptions({.formats = {preset.name}}));
    EXPECT_EQ(FindSpacePreset(preset.name), &preset);
  }
  EXPECT_EQ(FindSpacePreset("int4"), nullptr);
}

TEST(Space, PresetsMayStandAmongFormatsAndOverlap) {
  const SearchSpace space = Sound({.formats = {"int-s", "int-l", "bf16", "int5"}});
  EXPECT_THAT(Names(space.decisions[1]), ElementsAre("int4", "int8", "int5", "int6", "int7", "bf16"));
}

TEST(Space, ActivationsApartAreAllPairs) {
  const SearchSpace space = Sound({.formats = {"int4", "int8"}, .activation_formats = {"int8", "uint8"}});
  EXPECT_THAT(Names(space.decisions[0]), ElementsAre("int4/int8", "int8")) << "the image has negatives";
  EXPECT_THAT(Names(space.decisions[1]), ElementsAre("int4/int8", "int4/uint8", "int8", "int8/uint8"));
}

TEST(Space, BlocksAndNetworksDecideOnce) {
  const SearchSpace block = Sound({.formats = {"int-s"}, .granularity = Granularity::kBlock});
  EXPECT_EQ(block.decisions.size(), 5u);  // stem, three blocks, classifier
  EXPECT_EQ(Find(block, "stage2.block0").layers.size(), 3u);
  const SearchSpace network = Sound({.formats = {"int-s"}, .granularity = Granularity::kNetwork});
  ASSERT_EQ(network.decisions.size(), 1u);
  EXPECT_EQ(network.decisions[0].name, "network");
}

TEST(Space, ASharedInputIsStoredInOneFormat) {
  EXPECT_EQ(Sound({.formats = {"int-s"}}).decisions.size(), 10u);
  const SearchSpace space = Sound({.formats = {"int-s"}, .grouping = Grouping::kSharedInput});
  EXPECT_EQ(space.decisions.size(), 8u);  // two shortcuts go with the convolutions beside them
  EXPECT_EQ(Find(space, "stage2.block0.conv1+").layers.size(), 2u);
}

TEST(Space, TiesJoinWhatTheyMatch) {
  const SearchSpace space = Sound({.formats = {"int-s"}, .ties = {{{"*.conv1", "stem.*"}}}});
  EXPECT_EQ(space.decisions.size(), 7u);
  EXPECT_EQ(space.decisions[0].layers.size(), 4u);
}

TEST(Space, OverridesAllowDenyAndPin) {
  const SearchSpace space = Sound({.formats = {"int-l"},
                                   .overrides = {{.layers = "stem.*", .pin = "int8"},
                                                 {.layers = "*.conv1", .allow = {"int4", "bf16"}},
                                                 {.layers = "*.conv?", .deny = {"int4"}},
                                                 {.layers = "classifier", .deny = {"int-s"}}}});
  EXPECT_THAT(Names(space.decisions[0]), ElementsAre("int8"));
  EXPECT_THAT(Names(Find(space, "stage1.block0.conv1")), ElementsAre("bf16"));
  EXPECT_THAT(Names(Find(space, "stage1.block0.conv2")), ElementsAre("int5", "int6", "int7", "int8"));
  EXPECT_THAT(Names(Find(space, "classifier")), ElementsAre("int5", "int6", "int7"));
}

TEST(Space, ADecisionOffersWhatAllItsLayersMayHave) {
  const SearchSpace space = Sound(
      {.formats = {"int-l"},
       .granularity = Granularity::kNetwork,
       .overrides = {{.layers = "stem.*", .deny = {"int4"}}, {.layers = "classifier", .deny = {"int8"}}}});
  EXPECT_THAT(Names(space.decisions[0]), ElementsAre("int5", "int6", "int7"));
}

TEST(Space, FaultsNameTheFieldAndTheWayOut) {
  EXPECT_THAT(OnlyFault({.formats = {"int-x"}}, "space.formats[0]"), HasSubstr("Presets are int-s"));
  EXPECT_THAT(OnlyFault({.formats = {"int4/int8"}, .activation_formats = {"int8"}}, "space.formats[0]"),
              HasSubstr("name one format here"));
  EXPECT_THAT(OnlyFault({.formats = {"int4", "int4"}}, "space.formats[1]"), HasSubstr("already in the list"));
  EXPECT_THAT(OnlyFault({.formats = {"int4"}, .overrides = {{.layers = "steam.*", .pin = "int8"}}},
                        "space.overrides[0].layers"),
              HasSubstr("matches no layer"));
  EXPECT_THAT(OnlyFault({.formats = {"int4"}, .overrides = {{.layers = "*"}}}, "space.overrides[0]"),
              HasSubstr("changes nothing"));
  EXPECT_THAT(
      OnlyFault({.formats = {"int4"}, .overrides = {{.layers = "*", .allow = {"int8"}, .pin = "int8"}}},
                "space.overrides[0]"),
      HasSubstr("give pin alone"));
  EXPECT_THAT(
      OnlyFault({.formats = {"int4"}, .overrides = {{.layers = "*", .deny = {"int4"}}}}, "space.overrides"),
      HasSubstr("leave 10 decisions without an option"));
  EXPECT_THAT(OnlyFault({.formats = {"int4"}, .overrides = {{.layers = "*", .pin = "uint4"}}},
                        "space.overrides[0].pin"),
              HasSubstr("has no values below 0"));
  EXPECT_THAT(OnlyFault({.formats = {"int4"}, .ties = {{{"nothing"}}}}, "space.ties[0].layers[0]"),
              HasSubstr("matches no layer"));
  EXPECT_THAT(OnlyFault({.formats = {"int4"}, .ties = {{}}}, "space.ties[0].layers"), HasSubstr("is empty"));
}

TEST(Space, ItsSizeIsAProduct) {
  EXPECT_NEAR(SpaceSizeLog10(Sound({.formats = {"int-l"}})), 10 * std::log10(5.0), 1e-9);
}

}  // namespace
}  // namespace precis::search
