// The zoo against published sizes and costs.
#include "supernet/graph/model_zoo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
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

// As small as every model takes it, but not smaller than 32 pixels.
ModelOptions Small(const ModelInfo& model, double width_multiplier = 1.0) {
  const int64_t side = std::max<int64_t>(32, model.smallest_size);
  return {.height = side, .width = side, .width_multiplier = width_multiplier};
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

// torchvision's and timm's figures, at the sizes at which they are quoted, in millions.
TEST(ModelZoo, MultiplyAccumulatesAreThePublishedOnes) {
  struct Published {
    const char* model;
    int64_t size;
    double macs;
  };
  const Published published[] = {
      {"resnet34", 224, 3664},        {"inception_v3", 299, 5713},    {"efficientnet_b0", 224, 386},
      {"efficientnet_b1", 240, 687},  {"efficientnet_b2", 288, 1088}, {"efficientnet_b3", 300, 1827},
      {"efficientnet_b4", 380, 4394}, {"mobilenet_v2", 224, 301},     {"resnet50", 224, 4089},
  };
  for (const Published& row : published) {
    const ModelGraph graph = Build(
        row.model, {.height = row.size, .width = row.size, .classes = 1000, .stage1_projection = false});
    EXPECT_NEAR(static_cast<double>(TotalMacs(graph)) / 1e6, row.macs, 0.5) << row.model;
  }
  for (const auto& [model, macs] : {std::pair{"resnet20", 41}, {"resnet32", 69}, {"resnet56", 126}}) {
    EXPECT_NEAR(static_cast<double>(TotalMacs(Build(model))) / 1e6, macs, 0.5) << model;
  }
}

TEST(ModelZoo, ParameterCountsAreTheKnownOnes) {
  ModelOptions plain = ImageNet();
  plain.stage1_projection = false;
  EXPECT_EQ(Build("resnet18", plain).ParameterCount(), 11'689'512);
  EXPECT_EQ(Build("resnet18", ImageNet()).ParameterCount(), 11'689'512 + 64 * 64 + 2 * 64);
  EXPECT_EQ(Build("resnet50", ImageNet()).ParameterCount(), 25'557'032);
  EXPECT_EQ(Build("resnet34", ImageNet()).ParameterCount(), 21'797'672);
  EXPECT_EQ(Build("mobilenet_v2", ImageNet()).ParameterCount(), 3'504'872);
  EXPECT_EQ(Build("inception_v3", ImageNet()).ParameterCount(), 27'161'264 - 3'326'696);  // auxiliary head
  EXPECT_EQ(Build("efficientnet_b0", ImageNet()).ParameterCount(), 5'288'548);
  EXPECT_EQ(Build("efficientnet_b1", ImageNet()).ParameterCount(), 7'794'184);
  EXPECT_EQ(Build("efficientnet_b2", ImageNet()).ParameterCount(), 9'109'994);
  EXPECT_EQ(Build("efficientnet_b3", ImageNet()).ParameterCount(), 12'233'232);
  EXPECT_EQ(Build("efficientnet_b4", ImageNet()).ParameterCount(), 19'341'616);
  EXPECT_EQ(Build("deit_tiny", ImageNet()).ParameterCount(), 5'717'416);
  EXPECT_EQ(Build("deit_small", ImageNet()).ParameterCount(), 22'050'664);
  EXPECT_EQ(Build("deit_base", ImageNet()).ParameterCount(), 86'567'656);
  // He et al. 2016, table 6: 0.27 million, with shortcuts that have no parameters; ours are projections.
  const int64_t projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64);
  EXPECT_EQ(Build("resnet20").ParameterCount(), 269'722 + projections);
  EXPECT_EQ(Build("resnet32").ParameterCount(), 464'154 + projections);
  EXPECT_EQ(Build("resnet56").ParameterCount(), 853'018 + projections);
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
  EXPECT_EQ(weighted_without_projections(Build("resnet32")), 32u);
  EXPECT_EQ(weighted_without_projections(Build("resnet56")), 56u);
  EXPECT_EQ(weighted_without_projections(Build("resnet34", ImageNet())), 34u);
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
  for (const char* model : {"resnet18", "resnet34", "resnet50", "mobilenet_v2", "efficientnet_b0"}) {
    EXPECT_EQ(final_side(model, 32, Stem::kAuto), 4) << model;
    EXPECT_EQ(final_side(model, 95, Stem::kAuto), 12) << model;
    EXPECT_EQ(final_side(model, 96, Stem::kAuto), 3) << model;
    EXPECT_EQ(final_side(model, 224, Stem::kAuto), 7) << model;
    EXPECT_EQ(final_side(model, 224, Stem::kSmall), 28) << model;
    EXPECT_EQ(final_side(model, 32, Stem::kImageNet), 1) << model;
  }
  for (const char* model : {"resnet8", "resnet20", "resnet32", "resnet56"}) {
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
      const int64_t divisor = model.name == "inception_v3" ? 4 : 8;
      for (const Layer& layer : Build(model.name, Small(model, width)).Layers()) {
        if (layer.kind == Layer::Kind::kLinear || !layer.HasWeight()) continue;
        EXPECT_EQ(layer.output_channels % divisor, 0) << model.name << layer.name;
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
    const int64_t height = std::max<int64_t>(28, model.smallest_size);
    const ModelGraph graph =
        Build(model.name, {.channels = 1, .height = height, .width = height + 12, .classes = 7});
    EXPECT_THAT(graph.input_shape(), ElementsAre(1, height, height + 12));
    EXPECT_THAT(graph.node(graph.output()).shape, ElementsAre(7));
    EXPECT_EQ(graph.name(), model.name);
    EXPECT_FALSE(model.description.empty());
  }
}

TEST(ModelZoo, BuildsWhateverItsLimitsAllow) {
  for (const ModelInfo& model : Models()) {
    const bool is_deit = model.name.rfind("deit", 0) == 0;
    for (const Stem stem : {Stem::kSmall, Stem::kImageNet, Stem::kAuto}) {
      SCOPED_TRACE(model.name);
      const int64_t largest = !is_deit ? 4096 : stem == Stem::kSmall ? 512 : 2048;
      EXPECT_TRUE(BuildModel(model.name, {.channels = 1024,
                                          .height = largest,
                                          .width = largest,
                                          .classes = 1'000'000,
                                          .width_multiplier = 4,
                                          .stem = stem})
                      .ok());
      EXPECT_FALSE(BuildModel(model.name, {.height = largest + 16, .width = largest, .stem = stem}).ok());
      const bool one_stem = model.name == "inception_v3";
      const int64_t side = model.smallest_size * (stem == Stem::kImageNet && !one_stem ? 4 : 1);
      EXPECT_TRUE(BuildModel(model.name, {.channels = 1,
                                          .height = side,
                                          .width = side,
                                          .classes = 1,
                                          .width_multiplier = 0.1,
                                          .stem = stem})
                      .ok());
      EXPECT_FALSE(BuildModel(model.name, {.height = side - 1, .width = side, .stem = stem}).ok());
    }
  }
}

TEST(ModelZoo, EfficientNetsSqueezeAQuarterOfTheBlocksInput) {
  const ModelGraph graph = Build("efficientnet_b0", ImageNet());
  EXPECT_EQ(NodeNamed(graph, "stage2.block0.se.reduce").shape[0], 16 / 4);
  EXPECT_EQ(NodeNamed(graph, "stage2.block1.se.reduce").shape[0], 24 / 4);
  EXPECT_EQ(NodeNamed(graph, "stage2.block1.se.expand").shape[0], 24 * 6);
  EXPECT_THAT(NodeNamed(graph, "stage2.block1.se.multiply").shape, ElementsAre(144, 56, 56));
}

TEST(ModelZoo, InceptionV3HasThePublishedGrids) {
  const ModelGraph graph = Build("inception_v3", {.height = 299, .width = 299, .classes = 1000});
  EXPECT_THAT(NodeNamed(graph, "stem.pool2").shape, ElementsAre(192, 35, 35));
  EXPECT_THAT(NodeNamed(graph, "mixed2.concat").shape, ElementsAre(288, 35, 35));
  EXPECT_THAT(NodeNamed(graph, "mixed7.concat").shape, ElementsAre(768, 17, 17));
  EXPECT_THAT(NodeNamed(graph, "mixed10.concat").shape, ElementsAre(2048, 8, 8));
  EXPECT_THAT(NodeNamed(Build("inception_v3", {.height = 75, .width = 75}), "mixed10.concat").shape,
              ElementsAre(2048, 1, 1));
}

TEST(ModelZoo, DeitsHaveTheHeadsOfThePaper) {
  const auto scores = [](const std::string& model, const ModelOptions& options) {
    return NodeNamed(Build(model, options), "block11.attention.scores").shape;
  };
  EXPECT_THAT(scores("deit_tiny", ImageNet()), ElementsAre(3, 197, 197));
  EXPECT_THAT(scores("deit_small", ImageNet()), ElementsAre(6, 197, 197));
  EXPECT_THAT(scores("deit_base", ImageNet()), ElementsAre(12, 197, 197));
  EXPECT_THAT(scores("deit_small", ImageNet(0.75)), ElementsAre(9, 197, 197));   // 288 = 9 · 32
  EXPECT_THAT(scores("deit_base", ImageNet(0.875)), ElementsAre(21, 197, 197));  // 672 = 21 · 32
  EXPECT_THAT(scores("deit_base", ImageNet(0.75)), ElementsAre(9, 197, 197));    // 576 = 9 · 64
  EXPECT_THAT(scores("deit_tiny", {.height = 32, .width = 28}), ElementsAre(3, 8 * 7 + 1, 8 * 7 + 1));
  EXPECT_THAT(scores("deit_tiny", {.height = 96, .width = 96}), ElementsAre(3, 37, 37));
}

TEST(ModelZoo, QueryKeyAndValueOfABlockAreOneGroup) {
  const ModelGraph graph = Build("deit_tiny", ImageNet());
  std::map<std::string, std::vector<std::string>> groups;
  for (const Layer& layer : graph.Layers()) {
    if (!layer.group.empty()) groups[layer.group].push_back(layer.name);
  }
  EXPECT_EQ(groups.size(), 12u);
  EXPECT_THAT(groups["block3.attention.qkv"],
              ElementsAre("block3.attention.q", "block3.attention.k", "block3.attention.v"));
  for (const Layer& layer : Build("resnet50").Layers()) EXPECT_EQ(layer.group, "");
}

// Only a softmax or what a ReLU gives is known to be positive; SiLU, GELU and layer norms are not.
TEST(ModelZoo, KnowsWhichInputsAreNeverNegative) {
  const auto nonnegative = [](const ModelGraph& graph, const std::string& name) {
    for (const Layer& layer : graph.Layers()) {
      if (layer.name == name) return layer.nonnegative_input;
    }
    ADD_FAILURE() << "no layer " << name;
    return false;
  };
  const ModelGraph deit = Build("deit_tiny", ImageNet());
  EXPECT_TRUE(nonnegative(deit, "block0.attention.mix"));
  for (const char* name :
       {"block0.attention.scores", "block0.attention.q", "block0.mlp.project", "classifier"})
    EXPECT_FALSE(nonnegative(deit, name)) << name;
  const ModelGraph inception = Build("inception_v3", {.height = 75, .width = 75});
  for (const char* name : {"mixed5.branch3.0.conv", "mixed5.branch0.0.conv", "classifier"})
    EXPECT_TRUE(nonnegative(inception, name)) << name;
  const ModelGraph efficient = Build("efficientnet_b0");
  for (const char* name : {"stage2.block1.project.conv", "stage2.block1.se.reduce"})
    EXPECT_FALSE(nonnegative(efficient, name)) << name;
}

TEST(ModelZoo, UnknownNamesGetASuggestion) {
  const absl::Status status = BuildModel("resnet10", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"resnet10\""), HasSubstr("Did you mean \"resnet"),
                    HasSubstr("resnet8, resnet20, resnet32, resnet56, resnet18")));
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
  EXPECT_THAT(refusal("inception_v3", {.height = 74, .width = 80}),
              HasSubstr("height is 74, allowed are 75"));
  EXPECT_THAT(refusal("inception_v3", {}), HasSubstr("width is 32, allowed are 75 to 4096"));
  EXPECT_THAT(refusal("deit_tiny", {.height = 30}),
              HasSubstr("height is 30, which patches of 4 pixels do not fill: 28 or 32 would do"));
  EXPECT_THAT(refusal("deit_tiny", {.height = 1024, .width = 32}), HasSubstr("allowed are 4 to 512"));
  EXPECT_THAT(refusal("deit_base", {.height = 15, .width = 16, .stem = Stem::kImageNet}),
              HasSubstr("allowed are 16 to 2048"));
}

}  // namespace
}  // namespace precis
