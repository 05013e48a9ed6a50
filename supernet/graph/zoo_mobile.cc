// Networks of inverted residuals: MobileNetV2 (Sandler et al. 2018) and EfficientNet (Tan and Le 2019).
#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/graph/zoo_builder.h"

namespace precis::zoo {
namespace {

struct Stage {
  int64_t expansion;
  int64_t kernel;
  int64_t channels;
  int blocks;
  int64_t stride;
};

// Sandler et al. 2018, table 2.
constexpr Stage kMobileNetV2Stages[] = {
    {1, 3, 16, 1, 1}, {6, 3, 24, 2, 2},  {6, 3, 32, 3, 2},  {6, 3, 64, 4, 2},
    {6, 3, 96, 3, 1}, {6, 3, 160, 3, 2}, {6, 3, 320, 1, 1},
};
// Tan and Le 2019, table 1: B0.
constexpr Stage kEfficientNetStages[] = {
    {1, 3, 16, 1, 1},  {6, 3, 24, 2, 2},  {6, 5, 40, 2, 2},  {6, 3, 80, 3, 2},
    {6, 5, 112, 3, 1}, {6, 5, 192, 4, 2}, {6, 3, 320, 1, 1},
};
constexpr int64_t kStem = 32;
constexpr int64_t kHead = 1280;

// Tan and Le 2019, as their reference implementation scales B0.
struct Scaling {
  const char* name;
  double width;
  double depth;
};
constexpr Scaling kEfficientNets[] = {
    {"efficientnet_b0", 1.0, 1.0}, {"efficientnet_b1", 1.0, 1.1}, {"efficientnet_b2", 1.1, 1.2},
    {"efficientnet_b3", 1.2, 1.4}, {"efficientnet_b4", 1.4, 1.8},
};

const Scaling& ScalingOf(std::string_view name) {
  for (const Scaling& scaling : kEfficientNets) {
    if (scaling.name == name) return scaling;
  }
  PRECIS_CHECK(false);
}

struct Family {
  ActivationKind activation;
  bool squeeze_and_excite;
};

// "relu", "silu".
std::string ActivationName(ActivationKind kind) { return kind == ActivationKind::kSilu ? ".silu" : ".relu"; }

// x times a factor a channel, which two linear layers find from the channels' means (Hu et al. 2018).
NodeId SqueezeAndExcite(Builder& builder, const std::string& name, NodeId input, int64_t squeezed) {
  NodeId x = builder.Add(name + ".pool", GlobalAveragePoolNode{}, {input});
  x = builder.Add(name + ".reduce", LinearNode{.out_features = squeezed}, {x});
  x = builder.Activation(name + ".silu", ActivationKind::kSilu, x);
  x = builder.Add(name + ".expand", LinearNode{.out_features = builder.ChannelsOf(input)}, {x});
  x = builder.Activation(name + ".sigmoid", ActivationKind::kSigmoid, x);
  return builder.Add(name + ".multiply", MultiplyNode{}, {input, x});
}

// `stage` has this block's kernel, expansion and channels.
NodeId InvertedResidual(Builder& builder, const Family& family, const std::string& name, NodeId input,
                        const Stage& stage, int64_t stride) {
  const int64_t hidden = stage.expansion * builder.ChannelsOf(input);
  const std::string activation = ActivationName(family.activation);
  NodeId x = input;
  if (stage.expansion != 1) {
    x = builder.SameConvNorm(name + ".expand", "", x, {.out_channels = hidden});
    x = builder.Activation(name + ".expand" + activation, family.activation, x);
  }
  x = builder.SameConvNorm(
      name + ".depthwise", "", x,
      {.out_channels = hidden, .kernel = stage.kernel, .stride = stride, .groups = hidden});
  x = builder.Activation(name + ".depthwise" + activation, family.activation, x);
  if (family.squeeze_and_excite) {
    x = SqueezeAndExcite(builder, name + ".se", x, std::max<int64_t>(1, builder.ChannelsOf(input) / 4));
  }
  x = builder.SameConvNorm(name + ".project", "", x, {.out_channels = stage.channels});
  if (stride != 1 || builder.ChannelsOf(input) != builder.ChannelsOf(x)) return x;
  return builder.Add(name + ".add", AddNode{}, {x, input});
}

template <size_t N>
NodeId Trunk(Builder& builder, const Family& family, const Stage (&stages)[N], double depth, bool small,
             Chooser& chooser) {
  const auto width = [&](const std::string& name, int64_t channels) {
    return chooser.Width(name, [&](double factor) { return builder.Width(channels, factor); });
  };
  const Conv2dNode stem{.out_channels = width("stem", kStem), .kernel = 3, .stride = small ? 1 : 2};
  NodeId x = builder.SameConvNorm("stem", "", 0, stem);
  x = builder.Activation("stem" + ActivationName(family.activation), family.activation, x);
  int stage_number = 0;
  for (const Stage& stage : stages) {
    ++stage_number;
    const int64_t first_stride = small && stage_number == 2 ? 1 : stage.stride;
    const int blocks = static_cast<int>(std::ceil(depth * stage.blocks));
    const int64_t channels = width(absl::StrCat("stage", stage_number), stage.channels);
    for (int block = 0; block < blocks; ++block) {
      const std::string name = absl::StrCat("stage", stage_number, ".block", block);
      Stage here = stage;
      here.channels = channels;
      here.kernel = chooser.Kernel(name, stage.kernel);
      // Without an expansion there is no layer that could have another.
      if (stage.expansion != 1) here.expansion = chooser.Expansion(name, stage.expansion);
      // A stage's first block changes shape.
      if (block > 0 && !chooser.Keeps(name)) continue;
      x = InvertedResidual(builder, family, name, x, here, block == 0 ? first_stride : 1);
    }
  }
  return x;
}

NodeId Head(Builder& builder, const Family& family, NodeId input, int64_t channels) {
  const NodeId x = builder.SameConvNorm("head", "", input, {.out_channels = channels});
  return builder.Activation("head" + ActivationName(family.activation), family.activation, x);
}

}  // namespace

ModelGraph BuildMobileNetV2(std::string_view name, const ModelOptions& options, Chooser& chooser) {
  const Family family = {.activation = ActivationKind::kRelu6, .squeeze_and_excite = false};
  Builder builder(name, options, {.width = options.width_multiplier});
  const NodeId x =
      Trunk(builder, family, kMobileNetV2Stages, /*depth=*/1, options.stem == Stem::kSmall, chooser);
  // The head shrinks with no multiplier: the paper applies those below 1 to all layers but the last.
  const NodeId head = Head(builder, family, x, std::max(kHead, builder.Width(kHead)));
  return std::move(builder).Classify(head, options.classes);
}

ModelGraph BuildMobileNetV2(std::string_view name, const ModelOptions& options) {
  const ElasticOptions fixed;
  Chooser chooser(fixed, {});
  return BuildMobileNetV2(name, options, chooser);
}

ModelGraph BuildEfficientNet(std::string_view name, const ModelOptions& options) {
  const Family family = {.activation = ActivationKind::kSilu, .squeeze_and_excite = true};
  const Scaling& scaling = ScalingOf(name);
  Builder builder(name, options, {.width = scaling.width * options.width_multiplier, .norm_epsilon = 1e-3});
  const ElasticOptions fixed;
  Chooser chooser(fixed, {});
  const NodeId x =
      Trunk(builder, family, kEfficientNetStages, scaling.depth, options.stem == Stem::kSmall, chooser);
  const NodeId head = Head(builder, family, x, builder.Width(kHead));
  return std::move(builder).Classify(head, options.classes);
}

}  // namespace precis::zoo
