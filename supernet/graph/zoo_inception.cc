// InceptionV3: Szegedy et al. 2016, as its authors' implementation has it: no convolution before an
// inception module but the third is padded, nor one that strides; without the auxiliary classifier, which
// serves training alone.
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/graph/zoo_builder.h"

namespace precis::zoo {
namespace {

struct Conv {
  int64_t channels;
  Extent kernel = 1;
  int64_t stride = 1;
};

class Inception {
 public:
  explicit Inception(const ModelOptions& options)
      // Channels are multiples of 4, so that the multiples of a quarter that are in use round nothing.
      : builder_("inception_v3", options,
                 {.width = options.width_multiplier, .divisor = 4, .norm_epsilon = 1e-3}) {}

  // Convolution, batch norm, ReLU; one that strides is not padded.
  NodeId ConvRelu(const std::string& name, NodeId input, const Conv& conv, bool padded) {
    const Conv2dNode node{
        .out_channels = builder_.Width(conv.channels), .kernel = conv.kernel, .stride = conv.stride};
    const NodeId norm = padded && conv.stride == 1 ? builder_.SameConvNorm(name, "", input, node)
                                                   : builder_.ConvNorm(name, "", input, node);
    return builder_.Activation(name + ".relu", ActivationKind::kRelu, norm);
  }

  NodeId Chain(const std::string& name, NodeId input, std::initializer_list<Conv> convs) {
    int number = 0;
    for (const Conv& conv : convs) input = ConvRelu(absl::StrCat(name, ".", number++), input, conv, true);
    return input;
  }

  NodeId MaxPool(const std::string& name, NodeId input) {
    return builder_.Add(name, MaxPoolNode{.kernel = 3, .stride = 2}, {input});
  }

  NodeId Stem() {
    NodeId x = ConvRelu("stem.0", 0, {32, 3, 2}, false);
    x = ConvRelu("stem.1", x, {32, 3}, false);
    x = ConvRelu("stem.2", x, {64, 3}, true);
    x = MaxPool("stem.pool1", x);
    x = ConvRelu("stem.3", x, {80}, false);
    x = ConvRelu("stem.4", x, {192, 3}, false);
    return MaxPool("stem.pool2", x);
  }

  NodeId PoolBranch(const std::string& name, NodeId input, int64_t channels) {
    const NodeId pooled =
        builder_.Add(name + ".pool", AveragePoolNode{.kernel = 3, .stride = 1, .padding = 1}, {input});
    return ConvRelu(name + ".0", pooled, {channels}, true);
  }

  NodeId Concat(const std::string& name, std::vector<NodeId> branches) {
    return builder_.Add(name + ".concat", ConcatNode{.axis = 0}, std::move(branches));
  }

  // Figure 5.
  NodeId ModuleA(const std::string& name, NodeId x, int64_t pool_channels) {
    return Concat(name, {Chain(name + ".branch0", x, {{64}}), Chain(name + ".branch1", x, {{48}, {64, 5}}),
                         Chain(name + ".branch2", x, {{64}, {96, 3}, {96, 3}}),
                         PoolBranch(name + ".branch3", x, pool_channels)});
  }

  NodeId ReductionA(const std::string& name, NodeId x) {
    return Concat(
        name, {Chain(name + ".branch0", x, {{384, 3, 2}}),
               Chain(name + ".branch1", x, {{64}, {96, 3}, {96, 3, 2}}), MaxPool(name + ".branch2.pool", x)});
  }

  // Figure 6 with n = 7.
  NodeId ModuleB(const std::string& name, NodeId x, int64_t inner) {
    const Extent row(1, 7);
    const Extent column(7, 1);
    return Concat(name, {Chain(name + ".branch0", x, {{192}}),
                         Chain(name + ".branch1", x, {{inner}, {inner, row}, {192, column}}),
                         Chain(name + ".branch2", x,
                               {{inner}, {inner, column}, {inner, row}, {inner, column}, {192, row}}),
                         PoolBranch(name + ".branch3", x, 192)});
  }

  NodeId ReductionB(const std::string& name, NodeId x) {
    return Concat(name, {Chain(name + ".branch0", x, {{192}, {320, 3, 2}}),
                         Chain(name + ".branch1", x, {{192}, {192, {1, 7}}, {192, {7, 1}}, {192, 3, 2}}),
                         MaxPool(name + ".branch2.pool", x)});
  }

  // A row and a column side by side.
  NodeId Fork(const std::string& name, NodeId x) {
    return Concat(name, {ConvRelu(name + ".row", x, {384, {1, 3}}, true),
                         ConvRelu(name + ".column", x, {384, {3, 1}}, true)});
  }

  // Figure 7.
  NodeId ModuleC(const std::string& name, NodeId x) {
    const NodeId single = Chain(name + ".branch1", x, {{384}});
    const NodeId twofold = Chain(name + ".branch2", x, {{448}, {384, 3}});
    return Concat(name, {Chain(name + ".branch0", x, {{320}}), Fork(name + ".branch1", single),
                         Fork(name + ".branch2", twofold), PoolBranch(name + ".branch3", x, 192)});
  }

  ModelGraph Build(int64_t classes) && {
    NodeId x = Stem();
    int number = 0;
    const auto next = [&number] { return absl::StrCat("mixed", number++); };
    for (const int64_t pool_channels : {32, 64, 64}) x = ModuleA(next(), x, pool_channels);
    x = ReductionA(next(), x);
    for (const int64_t inner : {128, 160, 160, 192}) x = ModuleB(next(), x, inner);
    x = ReductionB(next(), x);
    for (int i = 0; i < 2; ++i) x = ModuleC(next(), x);
    return std::move(builder_).Classify(x, classes);
  }

 private:
  Builder builder_;
};

}  // namespace

ModelGraph BuildInceptionV3(std::string_view /*name*/, const ModelOptions& options) {
  return Inception(options).Build(options.classes);
}

}  // namespace precis::zoo
