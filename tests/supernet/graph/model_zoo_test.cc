// The zoo against published sizes and costs.
#include "supernet/graph/model_zoo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelGraph Build(const std::string& name, const ModelOptions& options = {}) {
  absl::StatusOr<ModelGraph> graph = BuildModel(name, options);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return *std::move(graph);
}

ModelOptions ImageNet(double width_multiplier = 1.0) {
  return {.height = 224, .width = 224, .classes = 1000, .width_multiplier = width_multiplier};
}

double Uniform4BitGigaBops(const ModelGraph& graph) {
  return static_cast<double>(TotalMacs(graph)) * 4 * 4 / 1e9;
}

const Node& NodeNamed(const ModelGraph& graph, const std::string& name) {
  for (const Node& node : graph.nodes()) {
    if (node.name == name) return node;
  }
  ADD_FAILURE() << "no node " << name;
  return graph.node(0);
}

bool HasNode(const ModelGraph& graph, const std::string& name) {
  for (const Node& node : graph.nodes()) {
    if (node.name == name) return true;
  }
  return false;
}

TEST(ModelZoo, CostsAtImageNetSizeAreThePublishedOnes) {
  EXPECT_NEAR(Uniform4BitGigaBops(Build("resnet18", ImageNet())), 29.2307, 5e-5);
  EXPECT_NEAR(Uniform4BitGigaBops(Build("resnet50", ImageNet())), 65.4269, 5e-5);
  EXPECT_NEAR(Uniform4BitGigaBops(Build("mobilenet_v2", ImageNet())), 4.8124, 5e-5);
  ModelOptions plain = ImageNet();
  plain.stage1_projection = false;
  EXPECT_NEAR(Uniform4BitGigaBops(Build("resnet18", plain)), 29.0252, 5e-5);
}

// arXiv 2308.03290, figure data of the uniform E2M1 networks, to one unit of the last digit printed (some
// of them are rounded and some are cut).
TEST(ModelZoo, CostsOfOtherWidthsAreThePublishedOnes) {
  struct Published {
    const char* model;
    double width;
    double gbops;
    double unit;
  };
  const Published published[] = {
      {"resnet18", 0.5, 7.78, 0.01},   {"resnet18", 0.75, 16.80, 0.01},   {"resnet18", 1.25, 45.08, 0.01},
      {"resnet18", 1.5, 64.35, 0.01},  {"resnet18", 2, 113.1, 0.1},       {"resnet50", 0.5, 16.84, 0.01},
      {"resnet50", 0.75, 37.16, 0.01}, {"resnet50", 1.25, 101.6, 0.1},    {"resnet50", 1.5, 145.8, 0.1},
      {"resnet50", 2, 257.9, 0.1},     {"mobilenet_v2", 0.5, 1.55, 0.01}, {"mobilenet_v2", 1.4, 9.31, 0.01},
      {"mobilenet_v2", 2, 18.2, 0.1},
  };
  for (const Published& row : published) {
    EXPECT_NEAR(Uniform4BitGigaBops(Build(row.model, ImageNet(row.width))), row.gbops, row.unit)
        << row.model << " " << row.width;
  }
}

TEST(ModelZoo, ParameterCountsAreTheKnownOnes) {
  ModelOptions plain = ImageNet();
  plain.stage1_projection = false;
  EXPECT_EQ(Build("resnet18", plain).ParameterCount(), 11'689'512);
  EXPECT_EQ(Build("resnet18", ImageNet()).ParameterCount(), 11'689'512 + 64 * 64 + 2 * 64);
  EXPECT_EQ(Build("resnet50", ImageNet()).ParameterCount(), 25'557'032);
  EXPECT_EQ(Build("mobilenet_v2", ImageNet()).ParameterCount(), 3'504'872);
  // He et al. 2016, table 6: 0.27 million, with shortcuts that have no parameters; ours are projections.
  EXPECT_EQ(Build("resnet20").ParameterCount(), 269'722 + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64));
}

TEST(ModelZoo, SmallResNetsHaveTheLayersOfThePaper) {
  const auto weighted_without_projections = [](const ModelGraph& graph) {
    size_t count = 0;
    for (const Layer& layer : graph.Layers()) {
      if (layer.name.find("shortcut") == std::string::npos) ++count;
    }
    return count;
  };
  EXPECT_EQ(weighted_without_projections(Build("resnet8")), 8u);
  EXPECT_EQ(weighted_without_projections(Build("resnet20")), 20u);
  EXPECT_EQ(weighted_without_projections(Build("resnet18", ImageNet())), 18u);
  EXPECT_EQ(weighted_without_projections(Build("resnet50", ImageNet())), 50u);
  std::vector<std::string> names;
  for (const Layer& layer : Build("resnet8").Layers()) names.push_back(layer.name);
  EXPECT_THAT(names,
              ElementsAre("stem.conv", "stage1.block0.conv1", "stage1.block0.conv2", "stage2.block0.conv1",
                          "stage2.block0.conv2", "stage2.block0.shortcut.conv", "stage3.block0.conv1",
                          "stage3.block0.conv2", "stage3.block0.shortcut.conv", "classifier"));
}

TEST(ModelZoo, TheStrideOfResNet50SitsInThe3x3) {
  const ModelGraph graph = Build("resnet50", ImageNet());
  EXPECT_EQ(std::get<Conv2dNode>(NodeNamed(graph, "stage2.block0.conv1").op).stride, 1);
  EXPECT_EQ(std::get<Conv2dNode>(NodeNamed(graph, "stage2.block0.conv2").op).stride, 2);
  EXPECT_EQ(std::get<Conv2dNode>(NodeNamed(graph, "stage2.block0.conv2").op).kernel, 3);
}

TEST(ModelZoo, TheProjectionOfStage1IsResNet18sOption) {
  ModelOptions options = ImageNet();
  EXPECT_TRUE(HasNode(Build("resnet18", options), "stage1.block0.shortcut.conv"));
  EXPECT_FALSE(HasNode(Build("resnet20", options), "stage1.block0.shortcut.conv"));
  options.stage1_projection = false;
  EXPECT_FALSE(HasNode(Build("resnet18", options), "stage1.block0.shortcut.conv"));
  EXPECT_TRUE(HasNode(Build("resnet50", options), "stage1.block0.shortcut.conv"));  // 64 to 256 channels
}

TEST(ModelZoo, StemsFollowTheImage) {
  const auto final_side = [](const std::string& model, int64_t side, Stem stem) {
    const ModelGraph graph = Build(model, {.height = side, .width = side, .stem = stem});
    return graph.node(NodeNamed(graph, "pool").inputs[0]).shape[1];
  };
  for (const char* model : {"resnet18", "resnet50", "mobilenet_v2"}) {
    EXPECT_EQ(final_side(model, 32, Stem::kAuto), 4) << model;
    EXPECT_EQ(final_side(model, 95, Stem::kAuto), 12) << model;
    EXPECT_EQ(final_side(model, 96, Stem::kAuto), 3) << model;
    EXPECT_EQ(final_side(model, 224, Stem::kAuto), 7) << model;
    EXPECT_EQ(final_side(model, 224, Stem::kSmall), 28) << model;
    EXPECT_EQ(final_side(model, 32, Stem::kImageNet), 1) << model;
  }
  for (const char* model : {"resnet8", "resnet20"}) {
    EXPECT_EQ(final_side(model, 28, Stem::kAuto), 7) << model;
    EXPECT_EQ(final_side(model, 224, Stem::kAuto), 14) << model;
  }
}

TEST(ModelZoo, ChannelsAreRoundedToMultiplesOf8) {
  const auto stem_channels = [](const std::string& model, double width) {
    return NodeNamed(Build(model, {.width_multiplier = width}), "stem.conv").shape[0];
  };
  EXPECT_EQ(stem_channels("resnet8", 1), 16);
  EXPECT_EQ(stem_channels("resnet8", 0.1), 8);
  EXPECT_EQ(stem_channels("resnet8", 0.75), 16);  // 12: 8 would be less than nine tenths
  EXPECT_EQ(stem_channels("resnet8", 1.25), 24);  // 20 rounds up
  EXPECT_EQ(stem_channels("resnet8", 1.2), 24);   // 19.2: 16 would be less than nine tenths
  EXPECT_EQ(stem_channels("mobilenet_v2", 1.4), 48);
  EXPECT_EQ(stem_channels("mobilenet_v2", 0.35), 16);
  for (const double width : {0.1, 0.33, 0.6, 1.0, 1.7, 4.0}) {
    for (const ModelInfo& model : Models()) {
      for (const Layer& layer : Build(model.name, {.width_multiplier = width}).Layers()) {
        if (layer.kind == Layer::Kind::kLinear) continue;
        EXPECT_EQ(layer.output_channels % 8, 0) << model.name << layer.name;
      }
    }
  }
}

TEST(ModelZoo, TheHeadOfMobileNetV2NeverShrinks) {
  const auto head = [](double width) {
    return NodeNamed(Build("mobilenet_v2", {.width_multiplier = width}), "head.conv").shape[0];
  };
  EXPECT_EQ(head(0.5), 1280);
  EXPECT_EQ(head(1.0), 1280);
  EXPECT_EQ(head(1.4), 1792);
}

TEST(ModelZoo, BuildsGreyImagesOfAnyShape) {
  for (const ModelInfo& model : Models()) {
    const ModelGraph graph = Build(model.name, {.channels = 1, .height = 28, .width = 40, .classes = 7});
    EXPECT_THAT(graph.input_shape(), ElementsAre(1, 28, 40));
    EXPECT_THAT(graph.node(graph.output()).shape, ElementsAre(7));
    EXPECT_EQ(graph.name(), model.name);
    EXPECT_FALSE(model.description.empty());
  }
}

TEST(ModelZoo, BuildsWhateverItsLimitsAllow) {
  for (const ModelInfo& model : Models()) {
    for (const Stem stem : {Stem::kSmall, Stem::kImageNet, Stem::kAuto}) {
      EXPECT_TRUE(BuildModel(model.name, {.channels = 1024,
                                          .height = 4096,
                                          .width = 4096,
                                          .classes = 1'000'000,
                                          .width_multiplier = 4,
                                          .stem = stem})
                      .ok());
      const int64_t side = 32;
      EXPECT_TRUE(BuildModel(model.name, {.channels = 1,
                                          .height = side,
                                          .width = side,
                                          .classes = 1,
                                          .width_multiplier = 0.1,
                                          .stem = stem})
                      .ok());
    }
  }
}

TEST(ModelZoo, UnknownNamesGetASuggestion) {
  const absl::Status status = BuildModel("resnet10", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"resnet10\""), HasSubstr("Did you mean \"resnet"),
                    HasSubstr("resnet8, resnet20, resnet18, resnet50, mobilenet_v2")));
  EXPECT_EQ(BuildModel("", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(BuildModel("ResNet8", {}).status().code(), absl::StatusCode::kNotFound);
}

TEST(ModelZoo, NamesEveryOptionOutOfRange) {
  const auto refusal = [](const std::string& name, const ModelOptions& options) {
    const absl::Status status = BuildModel(name, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(
      refusal("resnet8", {.channels = 0, .height = -3, .width = 1, .classes = 0, .width_multiplier = 9}),
      AllOf(HasSubstr("channels is 0"), HasSubstr("height is -3"), HasSubstr("width is 1, allowed are 4"),
            HasSubstr("classes is 0"), HasSubstr("width_multiplier is 9, allowed are 0.1 to 4")));
  EXPECT_THAT(refusal("resnet8", {.width_multiplier = NAN}), HasSubstr("width_multiplier is nan"));
  EXPECT_THAT(refusal("resnet8", {.width_multiplier = 0}), HasSubstr("width_multiplier is 0"));
  EXPECT_THAT(refusal("resnet18", {.height = 7}), HasSubstr("height is 7, allowed are 8"));
  EXPECT_THAT(refusal("resnet18", {.height = 31, .stem = Stem::kImageNet}), HasSubstr("allowed are 32"));
  EXPECT_THAT(refusal("mobilenet_v2", {.width = 1 << 20}), HasSubstr("width is 1048576"));
}

}  // namespace
}  // namespace precis
