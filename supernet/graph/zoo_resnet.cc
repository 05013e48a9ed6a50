// Residual networks: He et al. 2016.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/graph/zoo_builder.h"

namespace precis::zoo {
namespace {

struct Stage {
  int64_t channels;
  int blocks;
};

struct ResNet {
  const char* name;
  int64_t stem_channels;
  std::vector<Stage> stages;
  bool bottleneck = false;
};

constexpr int64_t kBottleneckExpansion = 4;

const ResNet& ResNetNamed(std::string_view name) {
  static const auto& networks = *new std::vector<ResNet>{
      {"resnet8", 16, {{16, 1}, {32, 1}, {64, 1}}},
      {"resnet20", 16, {{16, 3}, {32, 3}, {64, 3}}},
      {"resnet32", 16, {{16, 5}, {32, 5}, {64, 5}}},
      {"resnet56", 16, {{16, 9}, {32, 9}, {64, 9}}},
      {"resnet18", 64, {{64, 2}, {128, 2}, {256, 2}, {512, 2}}},
      {"resnet34", 64, {{64, 3}, {128, 4}, {256, 6}, {512, 3}}},
      {"resnet50", 64, {{64, 3}, {128, 4}, {256, 6}, {512, 3}}, /*bottleneck=*/true},
  };
  for (const ResNet& network : networks) {
    if (network.name == name) return network;
  }
  PRECIS_CHECK(false);
}

NodeId AddStem(Builder& builder, NodeId image, int64_t channels, Stem stem) {
  const bool imagenet = stem == Stem::kImageNet;
  const Conv2dNode conv{
      .out_channels = builder.Width(channels), .kernel = imagenet ? 7 : 3, .stride = imagenet ? 2 : 1};
  const NodeId norm = builder.SameConvNorm("stem", "", image, conv);
  const NodeId relu = builder.Activation("stem.relu", ActivationKind::kRelu, norm);
  if (!imagenet) return relu;
  return builder.Add("stem.pool", MaxPoolNode{.kernel = 3, .stride = 2, .padding = 1}, {relu});
}

NodeId BasicBody(Builder& builder, const std::string& name, NodeId input, int64_t channels, int64_t stride) {
  const NodeId first = builder.SameConvNorm(
      name, "1", input, {.out_channels = builder.Width(channels), .kernel = 3, .stride = stride});
  const NodeId relu = builder.Activation(name + ".relu1", ActivationKind::kRelu, first);
  return builder.SameConvNorm(name, "2", relu, {.out_channels = builder.Width(channels), .kernel = 3});
}

// Version 1.5: the stride sits in the 3×3 convolution.
NodeId BottleneckBody(Builder& builder, const std::string& name, NodeId input, int64_t channels,
                      int64_t stride) {
  const int64_t inner = builder.Width(channels);
  const NodeId first = builder.SameConvNorm(name, "1", input, {.out_channels = inner});
  const NodeId relu1 = builder.Activation(name + ".relu1", ActivationKind::kRelu, first);
  const NodeId second =
      builder.SameConvNorm(name, "2", relu1, {.out_channels = inner, .kernel = 3, .stride = stride});
  const NodeId relu2 = builder.Activation(name + ".relu2", ActivationKind::kRelu, second);
  return builder.SameConvNorm(name, "3", relu2, {.out_channels = kBottleneckExpansion * inner});
}

// relu(body + shortcut).
NodeId Join(Builder& builder, const std::string& name, NodeId body, NodeId shortcut) {
  const NodeId sum = builder.Add(name + ".add", AddNode{}, {body, shortcut});
  return builder.Activation(name + ".relu_out", ActivationKind::kRelu, sum);
}

}  // namespace

ModelGraph BuildResNet(std::string_view name, const ModelOptions& options) {
  const ResNet& network = ResNetNamed(name);
  Builder builder(name, options, {.width = options.width_multiplier});
  NodeId x = AddStem(builder, 0, network.stem_channels, options.stem);
  for (size_t stage = 0; stage < network.stages.size(); ++stage) {
    for (int block = 0; block < network.stages[stage].blocks; ++block) {
      const std::string prefix = absl::StrCat("stage", stage + 1, ".block", block);
      const int64_t channels = network.stages[stage].channels;
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const NodeId body = network.bottleneck ? BottleneckBody(builder, prefix, x, channels, stride)
                                             : BasicBody(builder, prefix, x, channels, stride);
      const bool wanted = name == "resnet18" && stage == 0 && block == 0 && options.stage1_projection;
      NodeId shortcut = x;
      if (wanted || stride != 1 || builder.ChannelsOf(x) != builder.ChannelsOf(body)) {
        shortcut = builder.SameConvNorm(prefix + ".shortcut", "", x,
                                        {.out_channels = builder.ChannelsOf(body), .stride = stride});
      }
      x = Join(builder, prefix, body, shortcut);
    }
  }
  return std::move(builder).Classify(x, options.classes);
}

}  // namespace precis::zoo
