// Vision transformers: Dosovitskiy et al. 2021 in the sizes of DeiT (Touvron et al. 2021), without the
// distillation token.
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/graph/zoo_builder.h"

namespace precis::zoo {
namespace {

constexpr int kBlocks = 12;
constexpr int64_t kExpansion = 4;
constexpr int64_t kHeadFeatures = 64;
constexpr int64_t kNarrowHeadFeatures = 32;  // of embeddings that 64 does not divide
constexpr double kLayerNormEpsilon = 1e-6;

int64_t EmbeddingOf(std::string_view name) {
  if (name == "deit_tiny") return 192;
  if (name == "deit_small") return 384;
  PRECIS_CHECK(name == "deit_base");
  return 768;
}

class Transformer {
 public:
  Transformer(std::string_view name, const ModelOptions& options)
      : builder_(name, options, {.width = options.width_multiplier, .divisor = kNarrowHeadFeatures}),
        patch_(DeitPatch(options.stem)),
        features_(builder_.Width(EmbeddingOf(name))),
        heads_(features_ / (features_ % kHeadFeatures == 0 ? kHeadFeatures : kNarrowHeadFeatures)) {}

  ModelGraph Build(int64_t classes) && {
    NodeId x = Embed();
    for (int i = 0; i < kBlocks; ++i) x = Block(absl::StrCat("block", i), x);
    x = Norm("norm", x);
    x = builder_.Add("class", SelectNode{.axis = 0, .index = 0}, {x});
    return std::move(builder_).Classify(x, classes);
  }

 private:
  // Image -> {1 + patches, features}.
  NodeId Embed() {
    const Conv2dNode conv{.out_channels = features_, .kernel = patch_, .stride = patch_, .bias = true};
    NodeId x = builder_.Add("patch.conv", conv, {0});
    const Shape image = builder_.ShapeOf(x);
    tokens_ = image[1] * image[2] + 1;
    x = builder_.Add("patch.flatten", ReshapeNode{{features_, tokens_ - 1}}, {x});
    x = builder_.Add("patch.tokens", TransposeNode{{1, 0}}, {x});
    x = builder_.Add("class_token", ClassTokenNode{}, {x});
    return builder_.Add("position", PositionEmbeddingNode{}, {x});
  }

  NodeId Norm(const std::string& name, NodeId input) {
    return builder_.Add(name, LayerNormNode{kLayerNormEpsilon}, {input});
  }

  NodeId Linear(const std::string& name, NodeId input, int64_t features, const std::string& group = {}) {
    return builder_.Add(name, LinearNode{.out_features = features}, {input}, group);
  }

  // {tokens, features} -> {heads, tokens, features of a head}.
  NodeId SplitHeads(const std::string& name, NodeId input) {
    const NodeId split =
        builder_.Add(name + ".split", ReshapeNode{{tokens_, heads_, features_ / heads_}}, {input});
    return builder_.Add(name + ".heads", TransposeNode{{1, 0, 2}}, {split});
  }

  // Of one input, so one format serves all three.
  NodeId Projection(const std::string& attention, const char* which, NodeId input) {
    const std::string name = attention + "." + which;
    return SplitHeads(name, Linear(name, input, features_, attention + ".qkv"));
  }

  NodeId Attention(const std::string& name, NodeId input) {
    const NodeId q = Projection(name, "q", input);
    const NodeId k = Projection(name, "k", input);
    const NodeId v = Projection(name, "v", input);
    NodeId x = builder_.Add(name + ".scores", MatMulNode{.transpose_second = true}, {q, k});
    const double factor = 1 / std::sqrt(static_cast<double>(features_ / heads_));
    x = builder_.Add(name + ".scale", ScaleNode{factor}, {x});
    x = builder_.Add(name + ".softmax", SoftmaxNode{}, {x});
    x = builder_.Add(name + ".mix", MatMulNode{}, {x, v});
    x = builder_.Add(name + ".gather", TransposeNode{{1, 0, 2}}, {x});
    x = builder_.Add(name + ".join", ReshapeNode{{tokens_, features_}}, {x});
    return Linear(name + ".out", x, features_);
  }

  NodeId Block(const std::string& name, NodeId input) {
    NodeId x = Attention(name + ".attention", Norm(name + ".norm1", input));
    const NodeId attended = builder_.Add(name + ".add1", AddNode{}, {x, input});
    x = Linear(name + ".mlp.expand", Norm(name + ".norm2", attended), kExpansion * features_);
    x = builder_.Activation(name + ".mlp.gelu", ActivationKind::kGelu, x);
    x = Linear(name + ".mlp.project", x, features_);
    return builder_.Add(name + ".add2", AddNode{}, {x, attended});
  }

  Builder builder_;
  int64_t patch_;
  int64_t features_;
  int64_t heads_;
  int64_t tokens_ = 0;
};

}  // namespace

int64_t DeitPatch(Stem stem) { return stem == Stem::kImageNet ? 16 : 4; }

ModelGraph BuildDeit(std::string_view name, const ModelOptions& options) {
  return Transformer(name, options).Build(options.classes);
}

}  // namespace precis::zoo
