// Shape inference, refusals, the layer list and the canonical text.
#include "supernet/graph/model_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

NodeId MustAdd(ModelGraph& graph, const std::string& name, const NodeOp& op, std::vector<NodeId> inputs) {
  const absl::StatusOr<NodeId> node = graph.Add(name, op, std::move(inputs));
  EXPECT_TRUE(node.ok()) << node.status();
  return node.value_or(0);
}

// The message with which `graph` refuses the node; the graph must not change.
std::string Refusal(ModelGraph& graph, const std::string& name, const NodeOp& op,
                    std::vector<NodeId> inputs) {
  const std::string before = graph.CanonicalText();
  const absl::StatusOr<NodeId> node = graph.Add(name, op, std::move(inputs));
  EXPECT_EQ(node.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(graph.CanonicalText(), before);
  EXPECT_THAT(std::string(node.status().message()), HasSubstr("node \"" + name + "\""));
  return std::string(node.status().message());
}

TEST(ModelGraph, StartsWithItsInput) {
  const ModelGraph graph("tiny", {3, 8, 10});
  EXPECT_EQ(graph.name(), "tiny");
  EXPECT_EQ(graph.nodes().size(), 1u);
  EXPECT_EQ(graph.node(0).name, "input");
  EXPECT_EQ(graph.output(), 0);
  EXPECT_THAT(graph.input_shape(), ElementsAre(3, 8, 10));
  EXPECT_TRUE(graph.Layers().empty());
  EXPECT_EQ(graph.ParameterCount(), 0);
}

TEST(ModelGraph, InfersShapes) {
  ModelGraph graph("shapes", {3, 9, 12});
  const NodeId conv = MustAdd(graph, "conv", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = 1}, {0});
  EXPECT_THAT(graph.node(conv).shape, ElementsAre(8, 9, 12));
  const NodeId strided = MustAdd(
      graph, "strided", Conv2dNode{.out_channels = 6, .kernel = 3, .stride = 2, .padding = 1}, {conv});
  EXPECT_THAT(graph.node(strided).shape, ElementsAre(6, 5, 6));  // floor((9 + 2 - 3) / 2) + 1
  const NodeId norm = MustAdd(graph, "norm", BatchNormNode{}, {strided});
  EXPECT_THAT(graph.node(norm).shape, ElementsAre(6, 5, 6));
  const NodeId relu = MustAdd(graph, "relu", ActivationNode{}, {norm});
  EXPECT_THAT(graph.node(relu).shape, ElementsAre(6, 5, 6));
  const NodeId sum = MustAdd(graph, "sum", AddNode{}, {relu, strided});
  EXPECT_THAT(graph.node(sum).shape, ElementsAre(6, 5, 6));
  const NodeId window = MustAdd(graph, "window", MaxPoolNode{.kernel = 3, .stride = 2, .padding = 1}, {sum});
  EXPECT_THAT(graph.node(window).shape, ElementsAre(6, 3, 3));
  const NodeId pool = MustAdd(graph, "pool", GlobalAveragePoolNode{}, {window});
  EXPECT_THAT(graph.node(pool).shape, ElementsAre(6));
  const NodeId linear = MustAdd(graph, "linear", LinearNode{.out_features = 10}, {pool});
  EXPECT_THAT(graph.node(linear).shape, ElementsAre(10));
  EXPECT_THAT(graph.node(MustAdd(graph, "last", ActivationNode{}, {linear})).shape, ElementsAre(10));
}

TEST(ModelGraph, ListsLayersWithTheirWork) {
  ModelGraph graph("layers", {4, 6, 6});
  MustAdd(graph, "plain", Conv2dNode{.out_channels = 8, .kernel = 3, .stride = 2, .padding = 1}, {0});
  MustAdd(graph, "norm", BatchNormNode{}, {1});
  MustAdd(graph, "depthwise", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = 1, .groups = 8}, {2});
  MustAdd(graph, "grouped", Conv2dNode{.out_channels = 6, .kernel = 1, .groups = 2, .bias = true}, {3});
  MustAdd(graph, "pool", GlobalAveragePoolNode{}, {4});
  MustAdd(graph, "linear", LinearNode{.out_features = 10}, {5});
  MustAdd(graph, "no_bias", LinearNode{.out_features = 2, .bias = false}, {6});
  const std::vector<Layer> layers = graph.Layers();
  ASSERT_EQ(layers.size(), 5u);

  EXPECT_EQ(layers[0].name, "plain");
  EXPECT_EQ(layers[0].node, 1);
  EXPECT_EQ(layers[0].kind, Layer::Kind::kConv2d);
  EXPECT_EQ(layers[0].reduction, 4 * 9);
  EXPECT_EQ(layers[0].weights, 8 * 4 * 9);
  EXPECT_EQ(layers[0].output_channels, 8);
  EXPECT_EQ(layers[0].macs, 8 * 3 * 3 * 4 * 9);
  EXPECT_EQ(layers[0].input_elements, 4 * 6 * 6);

  EXPECT_EQ(layers[1].kind, Layer::Kind::kDepthwiseConv2d);
  EXPECT_EQ(layers[1].reduction, 9);
  EXPECT_EQ(layers[1].macs, 8 * 3 * 3 * 9);

  EXPECT_EQ(layers[2].kind, Layer::Kind::kConv2d);
  EXPECT_EQ(layers[2].reduction, 4);
  EXPECT_EQ(layers[2].weights, 6 * 4);

  EXPECT_EQ(layers[3].kind, Layer::Kind::kLinear);
  EXPECT_EQ(layers[3].reduction, 6);
  EXPECT_EQ(layers[3].macs, 60);
  EXPECT_EQ(layers[3].input_elements, 6);
  EXPECT_EQ(layers[4].macs, 20);

  int64_t macs = 0;
  for (const Layer& layer : layers) {
    macs += layer.macs;
    EXPECT_EQ(layer.weights, layer.output_channels * layer.reduction);
  }
  EXPECT_EQ(TotalMacs(graph), macs);
  EXPECT_EQ(graph.ParameterCount(), 8 * 36 + 2 * 8 + 8 * 9 + (6 * 4 + 6) + (60 + 10) + 20);
}

TEST(ModelGraph, AConvolutionOfOneChannelIsNotDepthwise) {
  ModelGraph graph("grey", {1, 8, 8});
  MustAdd(graph, "stem", Conv2dNode{.out_channels = 4, .kernel = 3}, {0});
  EXPECT_EQ(graph.Layers()[0].kind, Layer::Kind::kConv2d);
}

TEST(ModelGraph, RefusesNamesThatAreTakenOrNoWord) {
  ModelGraph graph("names", {3, 8, 8});
  MustAdd(graph, "a", ActivationNode{}, {0});
  EXPECT_THAT(Refusal(graph, "a", ActivationNode{}, {0}), HasSubstr("name is taken"));
  EXPECT_THAT(Refusal(graph, "input", ActivationNode{}, {0}), HasSubstr("name is taken"));
  for (const std::string name : {"", "two words", "line\n", "tab\t", "\xC3\xBC"}) {
    EXPECT_THAT(Refusal(graph, name, ActivationNode{}, {0}), HasSubstr("printable ASCII"));
  }
}

TEST(ModelGraph, RefusesInputsThatDoNotSuit) {
  ModelGraph graph("inputs", {3, 8, 8});
  const NodeId pool = MustAdd(graph, "pool", GlobalAveragePoolNode{}, {0});
  const NodeId conv = MustAdd(graph, "conv", Conv2dNode{.out_channels = 4}, {0});
  EXPECT_THAT(Refusal(graph, "x", InputNode{}, {}), HasSubstr("one input"));
  EXPECT_THAT(Refusal(graph, "x", AddNode{}, {0}), HasSubstr("takes 2 input(s), not 1"));
  EXPECT_THAT(Refusal(graph, "x", ActivationNode{}, {}), HasSubstr("takes 1 input(s), not 0"));
  EXPECT_THAT(Refusal(graph, "x", ActivationNode{}, {-1}), HasSubstr("no node -1"));
  EXPECT_THAT(Refusal(graph, "x", ActivationNode{}, {3}), HasSubstr("no node 3"));
  EXPECT_THAT(Refusal(graph, "x", AddNode{}, {0, conv}), HasSubstr("{3x8x8} and {4x8x8}"));
  EXPECT_THAT(Refusal(graph, "x", LinearNode{.out_features = 2}, {0}), HasSubstr("vector"));
  for (const NodeOp& op :
       {NodeOp{Conv2dNode{.out_channels = 4}}, NodeOp{MaxPoolNode{}}, NodeOp{GlobalAveragePoolNode{}}}) {
    EXPECT_THAT(Refusal(graph, "x", op, {pool}), HasSubstr("image {channels, height, width}, not {3}"));
  }
}

TEST(ModelGraph, RefusesAttributesOutOfRange) {
  ModelGraph graph("attributes", {4, 8, 8});
  const NodeId pool = MustAdd(graph, "pool", GlobalAveragePoolNode{}, {0});
  const auto conv = [&](const Conv2dNode& node) { return Refusal(graph, "x", node, {0}); };
  EXPECT_THAT(conv({}), HasSubstr("out_channels is 0"));
  EXPECT_THAT(conv({.out_channels = 4, .kernel = 0}), HasSubstr("kernel is 0"));
  EXPECT_THAT(conv({.out_channels = 4, .stride = -1}), HasSubstr("stride is -1"));
  EXPECT_THAT(conv({.out_channels = 4, .padding = -1}), HasSubstr("padding is -1"));
  EXPECT_THAT(conv({.out_channels = 4, .groups = 0}), HasSubstr("groups is 0"));
  EXPECT_THAT(conv({.out_channels = 4, .groups = 3}), HasSubstr("must divide the 4 input and 4 output"));
  EXPECT_THAT(conv({.out_channels = 6, .groups = 4}), HasSubstr("must divide"));
  EXPECT_THAT(conv({.out_channels = 4, .kernel = 11, .padding = 1}), HasSubstr("does not fit"));
  EXPECT_THAT(conv({.out_channels = int64_t{1} << 40}), HasSubstr("out_channels is 1099511627776"));
  EXPECT_THAT(Refusal(graph, "x", LinearNode{}, {pool}), HasSubstr("out_features is 0"));
  EXPECT_THAT(Refusal(graph, "x", MaxPoolNode{.kernel = 2, .padding = 2}, {0}),
              HasSubstr("no less than kernel"));
  EXPECT_THAT(Refusal(graph, "x", MaxPoolNode{.kernel = 9, .stride = 1}, {0}), HasSubstr("does not fit"));
  EXPECT_THAT(Refusal(graph, "x", MaxPoolNode{.kernel = 2, .stride = 0}, {0}), HasSubstr("stride is 0"));
}

TEST(ModelGraph, NamesAllFaultsOfANodeAtOnce) {
  ModelGraph graph("many", {4, 8, 8});
  const std::string message =
      Refusal(graph, "input", Conv2dNode{.out_channels = -1, .kernel = 0, .stride = 0}, {0});
  EXPECT_THAT(Refusal(graph, "input", Conv2dNode{.out_channels = 3, .kernel = 99, .groups = 2}, {0}),
              AllOf(HasSubstr("taken"), HasSubstr("must divide"), HasSubstr("does not fit")));
  EXPECT_THAT(message, AllOf(HasSubstr("taken"), HasSubstr("out_channels"), HasSubstr("kernel"),
                             HasSubstr("stride"), Not(HasSubstr("padding"))));
}

TEST(ModelGraph, RefusesNodesTooLargeToCount) {
  ModelGraph graph("large", {1 << 10, 1 << 10, 1 << 10});
  EXPECT_THAT(
      Refusal(graph, "x", Conv2dNode{.out_channels = 1 << 20, .kernel = 1 << 10, .padding = 1 << 19}, {0}),
      HasSubstr("too large"));
  EXPECT_THAT(Refusal(graph, "x", Conv2dNode{.out_channels = 1 << 20, .kernel = 65, .padding = 32}, {0}),
              AllOf(HasSubstr("the weight is too large"), HasSubstr("multiply-accumulates")));
}

TEST(ModelGraph, CanonicalTextDiffersWhereGraphsDo) {
  const auto build = [](const char* name, const char* node_name, const Shape& shape, const NodeOp& op,
                        std::vector<NodeId> inputs) {
    ModelGraph graph(name, shape);
    MustAdd(graph, "first", Conv2dNode{.out_channels = 3}, {0});
    MustAdd(graph, node_name, op, std::move(inputs));
    return graph.CanonicalText();
  };
  const Shape shape = {3, 8, 8};
  const Conv2dNode conv{.out_channels = 6, .kernel = 3, .padding = 1};
  std::vector<std::string> texts = {
      build("g", "n", shape, conv, {0}),
      build("h", "n", shape, conv, {0}),
      build("g", "m", shape, conv, {0}),
      build("g", "n", {3, 8, 9}, conv, {0}),
      build("g", "n", shape, conv, {1}),
      build("g", "n", shape, ActivationNode{ActivationKind::kRelu}, {0}),
      build("g", "n", shape, ActivationNode{ActivationKind::kRelu6}, {0}),
      build("g", "n", shape, BatchNormNode{}, {0}),
      build("g", "n", shape, GlobalAveragePoolNode{}, {0}),
      build("g", "n", shape, AddNode{}, {0, 1}),
      build("g", "n", shape, AddNode{}, {1, 0}),
      build("g", "n", shape, MaxPoolNode{.kernel = 3, .stride = 1, .padding = 1}, {0}),
      build("g", "n", shape, MaxPoolNode{.kernel = 3, .stride = 1, .padding = 0}, {0}),
      build("g", "n", shape, MaxPoolNode{.kernel = 2, .stride = 1, .padding = 0}, {0}),
  };
  for (Conv2dNode other : {Conv2dNode{.out_channels = 9, .kernel = 3, .padding = 1},
                           Conv2dNode{.out_channels = 6, .kernel = 1, .padding = 0},
                           Conv2dNode{.out_channels = 6, .kernel = 3, .stride = 2, .padding = 1},
                           Conv2dNode{.out_channels = 6, .kernel = 3, .padding = 0},
                           Conv2dNode{.out_channels = 6, .kernel = 3, .padding = 1, .groups = 3},
                           Conv2dNode{.out_channels = 6, .kernel = 3, .padding = 1, .bias = true}}) {
    texts.push_back(build("g", "n", shape, other, {0}));
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(texts[i], texts[j]);
  }
  EXPECT_EQ(texts[0], build("g", "n", shape, conv, {0}));
}

TEST(ModelGraph, CanonicalTextIsReadable) {
  ModelGraph graph("tiny", {1, 4, 4});
  MustAdd(graph, "stem.conv", Conv2dNode{.out_channels = 2, .kernel = 3, .padding = 1}, {0});
  MustAdd(graph, "sum", AddNode{}, {1, 1});
  EXPECT_EQ(graph.CanonicalText(),
            "graph tiny\n"
            "input = input -> 1x4x4\n"
            "stem.conv = conv2d out_channels=2 kernel=3 stride=1 padding=1 groups=1 bias=0 input -> 2x4x4\n"
            "sum = add stem.conv stem.conv -> 2x4x4\n");
}

TEST(ModelGraph, IsAValue) {
  ModelGraph graph("value", {1, 4, 4});
  const ModelGraph copy = graph;
  MustAdd(graph, "relu", ActivationNode{}, {0});
  EXPECT_EQ(copy.nodes().size(), 1u);
}

TEST(ModelGraphDeathTest, RefusesAnInputThatIsNone) {
  EXPECT_DEATH(ModelGraph("g", {3, 0, 8}), "broken invariant");
  EXPECT_DEATH(ModelGraph("g", {}), "broken invariant");
  EXPECT_DEATH(ModelGraph("two words", {3}), "broken invariant");
}

TEST(LayerKindName, NamesEveryKind) {
  EXPECT_STREQ(LayerKindName(Layer::Kind::kConv2d), "conv2d");
  EXPECT_STREQ(LayerKindName(Layer::Kind::kDepthwiseConv2d), "depthwise_conv2d");
  EXPECT_STREQ(LayerKindName(Layer::Kind::kLinear), "linear");
}

}  // namespace
}  // namespace precis
