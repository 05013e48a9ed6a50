// Architectures against the networks that the zoo builds for them.
#include "supernet/graph/elastic_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "supernet/graph/model_zoo.h"

namespace precis {
namespace {

const ModelOptions kSmall = {.channels = 1, .height = 28, .width = 28, .width_multiplier = 0.5};

std::shared_ptr<const ElasticNetwork> Elastic(const ElasticOptions& options = {.kernel = {5, 3, 7},
                                                                               .expansion = {3, 6},
                                                                               .width = {0.5, 1},
                                                                               .skip = true}) {
  auto network = BuildElasticModel("mobilenet_v2", kSmall, options);
  EXPECT_TRUE(network.ok()) << network.status();
  return *std::move(network);
}

size_t DimensionNamed(const ElasticNetwork& network, const std::string& name) {
  const auto& dimensions = network.dimensions();
  const auto at = std::find_if(dimensions.begin(), dimensions.end(),
                               [&](const ElasticDimension& each) { return each.name == name; });
  EXPECT_NE(at, dimensions.end()) << name;
  return static_cast<size_t>(at - dimensions.begin());
}

TEST(ElasticNetwork, DimensionsArePlacesThatCanVary) {
  const auto network = Elastic();
  std::set<std::string> names;
  for (const ElasticDimension& dimension : network->dimensions()) {
    EXPECT_TRUE(names.insert(dimension.name).second) << dimension.name;
    EXPECT_GE(dimension.options.size(), 2u);
  }
  EXPECT_TRUE(names.contains("stage1.block0.kernel"));
  EXPECT_FALSE(names.contains("stage1.block0.expansion")) << "has no layer that expands";
  EXPECT_TRUE(names.contains("stage2.block1"));
  EXPECT_FALSE(names.contains("stage2.block0")) << "changes shape";
  EXPECT_FALSE(names.contains("stage1.width")) << "half of 8 channels is 8";
  const ElasticDimension& kernel = network->dimensions()[DimensionNamed(*network, "stage2.block1.kernel")];
  EXPECT_THAT(kernel.options, testing::ElementsAre("3", "5", "7"));
  EXPECT_EQ(kernel.own, 0);
  EXPECT_TRUE(Elastic({.kernel = {3}})->dimensions().empty());
}

TEST(ElasticNetwork, ItsOwnArchitectureIsTheModel) {
  const auto network = Elastic();
  const std::string own = BuildModel("mobilenet_v2", kSmall)->CanonicalText();
  EXPECT_EQ(network->Graph({}).CanonicalText(), own);
  EXPECT_EQ(network->Graph(network->Own()).CanonicalText(), own);
  EXPECT_EQ(network->Describe(network->Own()), "");
}

TEST(ElasticNetwork, ChoicesChangeWhatTheyName) {
  const auto network = Elastic();
  Architecture architecture = network->Own();
  architecture[DimensionNamed(*network, "stage2.block1.kernel")] = 2;
  architecture[DimensionNamed(*network, "stage3.block1")] = 0;
  architecture[DimensionNamed(*network, "stage4.width")] = 0;
  EXPECT_EQ(network->Describe(architecture), "stage2.block1.kernel=7 stage3.block1=skipped stage4.width=16");
  const ModelGraph graph = network->Graph(architecture);
  bool found = false;
  for (const Node& node : graph.nodes()) {
    EXPECT_NE(node.name.rfind("stage3.block1.", 0), 0u) << node.name;
    if (node.name == "stage4.block0.project.conv") {
      EXPECT_EQ(node.shape[0], 16);
    }
    if (node.name != "stage2.block1.depthwise.conv") continue;
    EXPECT_EQ(std::get<Conv2dNode>(node.op).kernel, Extent(7));
    found = true;
  }
  EXPECT_TRUE(found);
}

TEST(ElasticNetwork, ShapesAreThoseOfTheGraphOfAnyArchitecture) {
  const auto network = Elastic();
  std::mt19937_64 generator(3);
  for (int i = 0; i < 20; ++i) {
    Architecture architecture;
    for (const ElasticDimension& dimension : network->dimensions()) {
      architecture.push_back(static_cast<int>(generator() % dimension.options.size()));
    }
    if (i == 0) architecture = network->Smallest();
    if (i == 1) architecture = network->Largest();
    const std::vector<Layer> layers = network->Graph(architecture).Layers();
    size_t next = 0;
    for (const size_t shape : network->ShapesOf(architecture)) {
      if (shape == ElasticNetwork::kAbsent) continue;
      ASSERT_LT(next, layers.size());
      const Layer& expected = layers[next++];
      const Layer& found = network->shapes()[shape];
      EXPECT_EQ(found.name, expected.name);
      EXPECT_EQ(network->shapes()[network->LayerOf(shape)].name, expected.name);
      EXPECT_EQ(found.macs, expected.macs) << found.name;
      EXPECT_EQ(found.weights, expected.weights) << found.name;
      EXPECT_EQ(found.output_channels, expected.output_channels) << found.name;
      EXPECT_EQ(found.reduction, expected.reduction) << found.name;
    }
    EXPECT_EQ(next, layers.size());
  }
}

TEST(BuildElasticModel, RefusesWhatCannotVary) {
  EXPECT_EQ(BuildElasticModel("resnet8", kSmall, {.skip = true}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BuildElasticModel("mobilenet_v2", kSmall, {.kernel = {5, 7}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BuildElasticModel("mobilenet", kSmall, {.skip = true}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(ElasticSpace, OneNetworkIsOneAssignment) {
  const auto network = Elastic();
  const LayerFormats low = *ParseLayerFormats("int4"), high = *ParseLayerFormats("int8");
  SearchSpace space = SearchSpace::PerLayer(network->Graph({}).Layers(), {low, high});
  const size_t formats = space.decisions.size();
  space.MakeElastic(network);
  std::vector<int> choices(formats, 1);
  const Architecture own = network->Own();
  choices.insert(choices.end(), own.begin(), own.end());
  EXPECT_EQ(space.Apply(choices), UniformAssignment(space.layer_count, high)) << "its own is written as none";
  EXPECT_EQ(space.ChoicesOf(UniformAssignment(space.layer_count, high)), choices);

  choices[formats + DimensionNamed(*network, "stage2.block1")] = 0;
  const Assignment skipped = space.Apply(choices);
  std::vector<int> others = choices;
  for (size_t d = 0; d < formats; ++d) {
    if (space.decisions[d].name.rfind("stage2.block1.", 0) == 0) others[d] = 0;
  }
  EXPECT_NE(others, choices);
  EXPECT_EQ(space.Apply(others), skipped) << "formats of absent layers are none";
  EXPECT_EQ(space.ChoicesOf(skipped), others);
  EXPECT_EQ(ParseAssignment(AssignmentText(skipped)).value(), skipped);
  EXPECT_EQ(network->CutOut(skipped).layers.size(), space.layer_count - 3);
  EXPECT_FALSE(
      SearchSpace::PerLayer(network->Graph({}).Layers(), {low, high}).ChoicesOf(skipped).has_value());
  for (const char* bad : {"int8;", "int8;a", "int8;-1", "int8;1,,2", "int8;+1"}) {
    EXPECT_EQ(ParseAssignment(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace precis
