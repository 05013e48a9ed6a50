// Assignments as text and as the outcome of choices.
#include "supernet/graph/assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "supernet/graph/model_zoo.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Format F(const std::string& name) { return ParseFormat(name).value(); }
LayerFormats Tied(const std::string& name) { return {F(name), F(name)}; }

TEST(AssignmentText, WritesActivationsOnlyWhereTheyDiffer) {
  const Assignment assignment{
      .layers = {{F("int8"), F("int8")}, {F("int4"), F("int4")}, {F("e4m3"), F("int8")}}};
  EXPECT_EQ(AssignmentText(assignment), "int8,int4,e4m3/int8");
  EXPECT_EQ(AssignmentText({}), "");
}

TEST(ParseAssignment, ReadsWhatAssignmentTextWrites) {
  std::mt19937 random(1);
  const std::vector<Format> formats = AllFormats();
  for (int i = 0; i < 200; ++i) {
    Assignment assignment;
    for (size_t layer = random() % 30; layer > 0; --layer) {
      const Format weight = formats[random() % formats.size()];
      assignment.layers.push_back({weight, random() % 2 ? weight : formats[random() % formats.size()]});
    }
    const absl::StatusOr<Assignment> parsed = ParseAssignment(AssignmentText(assignment));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, assignment);
  }
}

TEST(ParseAssignment, ReadsOtherSpellingsOfTheSame) {
  EXPECT_EQ(AssignmentText(ParseAssignment("INT8/int8,E5M2IEEE").value()), "int8,e5m2");
}

TEST(ParseAssignment, NamesEveryLayerAtFault) {
  const absl::Status status = ParseAssignment("int8,int9,e4m3/itn4,int2").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("layer 1: \"int9\""), HasSubstr("layer 2: activation format: \"itn4\""),
                    HasSubstr("\"int4\"?"), Not(HasSubstr("layer 0")), Not(HasSubstr("layer 3"))));
}

TEST(ParseAssignment, RefusesGapsAndTooManySlashes) {
  for (const char* text :
       {",", "int8,", ",int8", "int8,,int4", "int8/", "/int8", "int8/int4/int2", " int8", "/"}) {
    EXPECT_EQ(ParseAssignment(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(ParseAssignment("").value().layers.empty());
}

TEST(UniformAssignment, GivesEveryLayerTheFormat) {
  EXPECT_EQ(AssignmentText(UniformAssignment(3, F("int4"))), "int4,int4,int4");
  EXPECT_TRUE(UniformAssignment(0, F("int4")).layers.empty());
}

TEST(SearchSpace, PerLayerHasOneDecisionALayer) {
  const std::vector<Layer> layers = BuildModel("resnet8", {})->Layers();
  const SearchSpace space = SearchSpace::PerLayer(layers, {Tied("int2"), Tied("int4"), Tied("int8")});
  ASSERT_EQ(space.decisions.size(), layers.size());
  EXPECT_EQ(space.layer_count, layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(space.decisions[i].name, layers[i].name);
    EXPECT_THAT(space.decisions[i].layers, ElementsAre(i));
    ASSERT_EQ(space.decisions[i].options.size(), 3u);
    EXPECT_EQ(space.decisions[i].options[1], (LayerFormats{F("int4"), F("int4")}));
  }
  std::vector<int> choices(layers.size(), 1);
  choices.front() = 2;
  choices.back() = 0;
  EXPECT_EQ(AssignmentText(space.Apply(choices)), "int8,int4,int4,int4,int4,int4,int4,int4,int4,int2");
}

// resnet8's first layer reads the images, all others what a ReLU gives.
TEST(SearchSpace, PerLayerOffersUnsignedActivationsBehindAReluOnly) {
  const std::vector<Layer> layers = BuildModel("resnet8", {})->Layers();
  const LayerFormats with_unsigned{F("int4"), F("uint4")}, affine{F("int4"), F("uint4_affine")};
  const SearchSpace space = SearchSpace::PerLayer(layers, {with_unsigned, affine});
  EXPECT_THAT(space.decisions.front().options, ElementsAre(affine));
  for (size_t i = 1; i < layers.size(); ++i) {
    EXPECT_THAT(space.decisions[i].options, ElementsAre(with_unsigned, affine)) << layers[i].name;
  }
  EXPECT_TRUE(SearchSpace::PerLayer(layers, {with_unsigned}).decisions.front().options.empty());
}

TEST(LayerFormats, AreOneNameOrTwo) {
  EXPECT_EQ(LayerFormatsName(Tied("int8")), "int8");
  EXPECT_EQ(LayerFormatsName({F("int8"), F("uint8_affine")}), "int8/uint8_affine");
  for (const char* name : {"int8", "int8/uint8_affine", "mxfp4:ceil/nvfp4"}) {
    const absl::StatusOr<LayerFormats> formats = ParseLayerFormats(name);
    ASSERT_TRUE(formats.ok()) << formats.status();
    EXPECT_EQ(LayerFormatsName(*formats), name);
  }
  for (const char* bad : {"", "/", "int8/", "/int8", "int8/int8/int8", "int44"}) {
    EXPECT_EQ(ParseLayerFormats(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(SearchSpace, OneDecisionMayGovernSeveralLayers) {
  const LayerFormats low{F("int2"), F("int8")}, high{F("int8"), F("int8")};
  const SearchSpace space{.decisions = {{"qkv", {0, 2}, {low, high}}, {"other", {1}, {low}}},
                          .layer_count = 3};
  EXPECT_EQ(AssignmentText(space.Apply({1, 0})), "int8,int2/int8,int8");
}

TEST(SearchSpaceDeathTest, RefusesChoicesThatAreNone) {
  const SearchSpace space{.decisions = {{"a", {0}, {{F("int2"), F("int2")}}}}, .layer_count = 1};
  EXPECT_DEATH(space.Apply({}), "broken invariant");
  EXPECT_DEATH(space.Apply({1}), "broken invariant");
  EXPECT_DEATH(space.Apply({-1}), "broken invariant");
  EXPECT_DEATH(SearchSpace::PerLayer({}, {}), "broken invariant");
}

}  // namespace
}  // namespace precis
