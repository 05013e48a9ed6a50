// The zoo: each network as a few calls of a builder that adds named nodes.
#include "supernet/graph/model_zoo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"
#include "supernet/formats/did_you_mean.h"

namespace precis {
namespace {

constexpr int64_t kMaxImageSide = 4096;
constexpr int64_t kMaxImageChannels = 1024;
constexpr int64_t kMaxClasses = 1'000'000;
constexpr int64_t kImageNetStemFrom = 96;

// The nearest multiple of 8, at least 8, and never less than nine tenths of what was asked for (Sandler
// et al. 2018, reference implementation).
int64_t RoundChannels(double channels) {
  const int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * channels ? rounded + 8 : rounded;
}

// Adds nodes whose faults would be ours: BuildModel has checked the options.
class Builder {
 public:
  Builder(std::string_view name, const ModelOptions& options)
      : graph_(std::string(name), {options.channels, options.height, options.width}),
        width_multiplier_(options.width_multiplier) {}

  int64_t Width(int64_t channels) const {
    return RoundChannels(static_cast<double>(channels) * width_multiplier_);
  }

  int64_t ChannelsOf(NodeId node) const { return graph_.node(node).shape[0]; }

  NodeId Add(const std::string& name, const NodeOp& op, std::vector<NodeId> inputs) {
    absl::StatusOr<NodeId> node = graph_.Add(name, op, std::move(inputs));
    PRECIS_CHECK(node.ok());
    return *node;
  }

  // A convolution that keeps the image's size but for the stride, and its batch norm: PREFIX.conv SUFFIX.
  NodeId ConvNorm(const std::string& prefix, const std::string& suffix, NodeId input, Conv2dNode conv) {
    conv.padding = conv.kernel / 2;
    const NodeId node = Add(absl::StrCat(prefix, ".conv", suffix), conv, {input});
    return Add(absl::StrCat(prefix, ".bn", suffix), BatchNormNode{}, {node});
  }

  NodeId Activation(const std::string& name, ActivationKind kind, NodeId input) {
    return Add(name, ActivationNode{kind}, {input});
  }

  // relu(body + shortcut).
  NodeId Join(const std::string& prefix, NodeId body, NodeId shortcut) {
    const NodeId sum = Add(prefix + ".add", AddNode{}, {body, shortcut});
    return Activation(prefix + ".relu_out", ActivationKind::kRelu, sum);
  }

  ModelGraph Classify(NodeId input, int64_t classes) && {
    const NodeId pooled = Add("pool", GlobalAveragePoolNode{}, {input});
    Add("classifier", LinearNode{.out_features = classes}, {pooled});
    return std::move(graph_);
  }

 private:
  ModelGraph graph_;
  double width_multiplier_;
};

struct ResNetStage {
  int64_t channels;
  int blocks;
};

struct ResNetPlan {
  int64_t stem_channels;
  std::vector<ResNetStage> stages;
  bool bottleneck = false;
};

constexpr int64_t kBottleneckExpansion = 4;

const ResNetPlan& PlanOf(std::string_view name) {
  static const ResNetPlan resnet8{16, {{16, 1}, {32, 1}, {64, 1}}};
  static const ResNetPlan resnet20{16, {{16, 3}, {32, 3}, {64, 3}}};
  static const ResNetPlan resnet18{64, {{64, 2}, {128, 2}, {256, 2}, {512, 2}}};
  static const ResNetPlan resnet50{64, {{64, 3}, {128, 4}, {256, 6}, {512, 3}}, /*bottleneck=*/true};
  if (name == "resnet8") return resnet8;
  if (name == "resnet20") return resnet20;
  if (name == "resnet18") return resnet18;
  PRECIS_CHECK(name == "resnet50");
  return resnet50;
}

NodeId ResNetStem(Builder& builder, NodeId image, int64_t channels, Stem stem) {
  const bool imagenet = stem == Stem::kImageNet;
  const Conv2dNode conv{
      .out_channels = builder.Width(channels), .kernel = imagenet ? 7 : 3, .stride = imagenet ? 2 : 1};
  const NodeId norm = builder.ConvNorm("stem", "", image, conv);
  const NodeId relu = builder.Activation("stem.relu", ActivationKind::kRelu, norm);
  if (!imagenet) return relu;
  return builder.Add("stem.pool", MaxPoolNode{.kernel = 3, .stride = 2, .padding = 1}, {relu});
}

NodeId BasicBody(Builder& builder, const std::string& name, NodeId input, int64_t channels, int64_t stride) {
  const NodeId first = builder.ConvNorm(
      name, "1", input, {.out_channels = builder.Width(channels), .kernel = 3, .stride = stride});
  const NodeId relu = builder.Activation(name + ".relu1", ActivationKind::kRelu, first);
  return builder.ConvNorm(name, "2", relu, {.out_channels = builder.Width(channels), .kernel = 3});
}

// Version 1.5: the stride sits in the 3×3 convolution.
NodeId BottleneckBody(Builder& builder, const std::string& name, NodeId input, int64_t channels,
                      int64_t stride) {
  const int64_t inner = builder.Width(channels);
  const NodeId first = builder.ConvNorm(name, "1", input, {.out_channels = inner});
  const NodeId relu1 = builder.Activation(name + ".relu1", ActivationKind::kRelu, first);
  const NodeId second =
      builder.ConvNorm(name, "2", relu1, {.out_channels = inner, .kernel = 3, .stride = stride});
  const NodeId relu2 = builder.Activation(name + ".relu2", ActivationKind::kRelu, second);
  return builder.ConvNorm(name, "3", relu2, {.out_channels = kBottleneckExpansion * inner});
}

ModelGraph BuildResNet(std::string_view name, const ModelOptions& options) {
  const ResNetPlan& plan = PlanOf(name);
  Builder builder(name, options);
  NodeId x = ResNetStem(builder, 0, plan.stem_channels, options.stem);
  for (size_t stage = 0; stage < plan.stages.size(); ++stage) {
    for (int block = 0; block < plan.stages[stage].blocks; ++block) {
      const std::string prefix = absl::StrCat("stage", stage + 1, ".block", block);
      const int64_t channels = plan.stages[stage].channels;
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const NodeId body = plan.bottleneck ? BottleneckBody(builder, prefix, x, channels, stride)
                                          : BasicBody(builder, prefix, x, channels, stride);
      const bool wanted = name == "resnet18" && stage == 0 && block == 0 && options.stage1_projection;
      NodeId shortcut = x;
      if (wanted || stride != 1 || builder.ChannelsOf(x) != builder.ChannelsOf(body)) {
        shortcut = builder.ConvNorm(prefix + ".shortcut", "", x,
                                    {.out_channels = builder.ChannelsOf(body), .stride = stride});
      }
      x = builder.Join(prefix, body, shortcut);
    }
  }
  return std::move(builder).Classify(x, options.classes);
}

struct InvertedResidualStage {
  int64_t expansion;
  int64_t channels;
  int blocks;
  int64_t stride;
};

// Sandler et al. 2018, table 2.
constexpr InvertedResidualStage kMobileNetV2Stages[] = {
    {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
};
constexpr int64_t kMobileNetV2Stem = 32;
constexpr int64_t kMobileNetV2Head = 1280;

NodeId InvertedResidual(Builder& builder, const std::string& name, NodeId input, int64_t expansion,
                        int64_t channels, int64_t stride) {
  const int64_t hidden = expansion * builder.ChannelsOf(input);
  NodeId x = input;
  if (expansion != 1) {
    x = builder.ConvNorm(name + ".expand", "", x, {.out_channels = hidden});
    x = builder.Activation(name + ".expand.relu", ActivationKind::kRelu6, x);
  }
  x = builder.ConvNorm(name + ".depthwise", "", x,
                       {.out_channels = hidden, .kernel = 3, .stride = stride, .groups = hidden});
  x = builder.Activation(name + ".depthwise.relu", ActivationKind::kRelu6, x);
  x = builder.ConvNorm(name + ".project", "", x, {.out_channels = builder.Width(channels)});
  if (stride != 1 || builder.ChannelsOf(input) != builder.ChannelsOf(x)) return x;
  return builder.Add(name + ".add", AddNode{}, {x, input});
}

ModelGraph BuildMobileNetV2(const ModelOptions& options) {
  Builder builder("mobilenet_v2", options);
  const bool small = options.stem == Stem::kSmall;
  const Conv2dNode stem{
      .out_channels = builder.Width(kMobileNetV2Stem), .kernel = 3, .stride = small ? 1 : 2};
  NodeId x = builder.ConvNorm("stem", "", 0, stem);
  x = builder.Activation("stem.relu", ActivationKind::kRelu6, x);
  int stage_number = 0;
  for (const InvertedResidualStage& stage : kMobileNetV2Stages) {
    ++stage_number;
    const int64_t first_stride = small && stage_number == 2 ? 1 : stage.stride;
    for (int block = 0; block < stage.blocks; ++block) {
      x = InvertedResidual(builder, absl::StrCat("stage", stage_number, ".block", block), x, stage.expansion,
                           stage.channels, block == 0 ? first_stride : 1);
    }
  }
  // The head shrinks with no multiplier: the paper applies those below 1 to all layers but the last.
  const int64_t head = std::max(kMobileNetV2Head, builder.Width(kMobileNetV2Head));
  x = builder.ConvNorm("head", "", x, {.out_channels = head});
  x = builder.Activation("head.relu", ActivationKind::kRelu6, x);
  return std::move(builder).Classify(x, options.classes);
}

Stem ResolveStem(const ModelOptions& options) {
  if (options.stem != Stem::kAuto) return options.stem;
  return std::min(options.height, options.width) >= kImageNetStemFrom ? Stem::kImageNet : Stem::kSmall;
}

// By how much each side of the image is divided before the last pooling.
int64_t TotalStride(std::string_view name, Stem stem) {
  const int64_t body = name == "resnet8" || name == "resnet20" ? 4 : 8;
  return stem == Stem::kImageNet ? 4 * body : body;
}

std::vector<std::string> OptionFaults(std::string_view name, const ModelOptions& options) {
  std::vector<std::string> faults;
  const auto require = [&](const char* option, int64_t value, int64_t lowest, int64_t highest) {
    if (value >= lowest && value <= highest) return;
    faults.push_back(absl::StrCat(option, " is ", value, ", allowed are ", lowest, " to ", highest));
  };
  require("channels", options.channels, 1, kMaxImageChannels);
  require("classes", options.classes, 1, kMaxClasses);
  const int64_t smallest_side = TotalStride(name, ResolveStem(options));
  require("height", options.height, smallest_side, kMaxImageSide);
  require("width", options.width, smallest_side, kMaxImageSide);
  if (!(options.width_multiplier >= 0.1 && options.width_multiplier <= 4)) {
    faults.push_back(
        absl::StrCat("width_multiplier is ", options.width_multiplier, ", allowed are 0.1 to 4"));
  }
  return faults;
}

}  // namespace

const std::vector<ModelInfo>& Models() {
  static const std::vector<ModelInfo> models = {
      {"resnet8", "residual network of 8 layers for small images (He et al. 2016, section 4.2, n = 1)", 32},
      {"resnet20", "residual network of 20 layers for small images (He et al. 2016, section 4.2, n = 3)", 32},
      {"resnet18", "residual network of 18 layers, basic blocks (He et al. 2016)", 224},
      {"resnet50", "residual network of 50 layers, bottleneck blocks, version 1.5 (He et al. 2016)", 224},
      {"mobilenet_v2", "inverted residuals with linear bottlenecks, any width (Sandler et al. 2018)", 224},
  };
  return models;
}

absl::StatusOr<ModelGraph> BuildModel(std::string_view name, const ModelOptions& options) {
  std::vector<std::string> names;
  for (const ModelInfo& model : Models()) names.push_back(model.name);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return absl::NotFoundError(absl::StrCat("there is no model \"", std::string(name), "\".",
                                            DidYouMean(name, names), " Known are ",
                                            absl::StrJoin(names, ", "), "."));
  }
  const std::vector<std::string> faults = OptionFaults(name, options);
  if (!faults.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", std::string(name), "\": ", absl::StrJoin(faults, "; ")));
  }
  ModelOptions resolved = options;
  resolved.stem = ResolveStem(options);
  return name == "mobilenet_v2" ? BuildMobileNetV2(resolved) : BuildResNet(name, resolved);
}

}  // namespace precis
