// The operations beyond those of residual networks: shapes, refusals, parameters, layers, text, signs.
#include "supernet/graph/node_op.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "supernet/graph/model_graph.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

NodeId MustAdd(ModelGraph& graph, const std::string& name, const NodeOp& op, std::vector<NodeId> inputs,
               const std::string& group = "") {
  const absl::StatusOr<NodeId> node = graph.Add(name, op, std::move(inputs), group);
  EXPECT_TRUE(node.ok()) << node.status();
  return node.value_or(0);
}

// The shape of a node on inputs of these shapes; empty, if it is refused.
Shape ShapeOf(const NodeOp& op, const std::vector<Shape>& inputs) {
  std::vector<const Shape*> pointers;
  for (const Shape& input : inputs) pointers.push_back(&input);
  NodeFaults faults;
  Shape shape = InferShape(op, pointers, faults);
  return faults.empty() ? shape : Shape{};
}

std::string FaultOf(const NodeOp& op, const std::vector<Shape>& inputs) {
  std::vector<const Shape*> pointers;
  for (const Shape& input : inputs) pointers.push_back(&input);
  NodeFaults faults;
  InferShape(op, pointers, faults);
  return faults.Text();
}

// By counting the windows one by one.
int64_t Positions(int64_t size, int64_t kernel, int64_t stride, int64_t before, int64_t after,
                  int64_t dilation) {
  int64_t count = 0;
  for (int64_t at = -before; at + (kernel - 1) * dilation < size + after; at += stride) ++count;
  return count;
}

TEST(NodeOp, WindowsOfEveryKindFitAsOftenAsCounted) {
  for (int64_t size = 1; size <= 9; ++size) {
    for (int64_t kernel = 1; kernel <= 4; ++kernel) {
      for (int64_t stride = 1; stride <= 3; ++stride) {
        for (int64_t before = 0; before <= 2; ++before) {
          for (int64_t after = 0; after <= 2; ++after) {
            for (int64_t dilation = 1; dilation <= 3; ++dilation) {
              const int64_t expected = Positions(size, kernel, stride, before, after, dilation);
              const Conv2dNode down{.out_channels = 5,
                                    .kernel = {kernel, 1},
                                    .stride = {stride, 1},
                                    .padding = {before, 0, after, 0},
                                    .dilation = {dilation, 1}};
              const Conv2dNode across{.out_channels = 5,
                                      .kernel = {1, kernel},
                                      .stride = {1, stride},
                                      .padding = {0, before, 0, after},
                                      .dilation = {1, dilation}};
              const bool fits = expected > 0;
              EXPECT_EQ(ShapeOf(down, {{2, size, 7}}), fits ? Shape({5, expected, 7}) : Shape());
              EXPECT_EQ(ShapeOf(across, {{2, 7, size}}), fits ? Shape({5, 7, expected}) : Shape());
              if (dilation != 1 || std::max(before, after) >= kernel) continue;
              const AveragePoolNode pool{
                  .kernel = {kernel, 1}, .stride = {stride, 1}, .padding = {before, 0, after, 0}};
              const MaxPoolNode maximum{
                  .kernel = {1, kernel}, .stride = {1, stride}, .padding = {0, before, 0, after}};
              EXPECT_EQ(ShapeOf(pool, {{2, size, 7}}), fits ? Shape({2, expected, 7}) : Shape());
              EXPECT_EQ(ShapeOf(maximum, {{2, 7, size}}), fits ? Shape({2, 7, expected}) : Shape());
            }
          }
        }
      }
    }
  }
}

TEST(NodeOp, ShapesOfTokensAndHeads) {
  EXPECT_EQ(ShapeOf(ReshapeNode{{12, 4}}, {{12, 2, 2}}), Shape({12, 4}));
  EXPECT_EQ(ShapeOf(TransposeNode{{2, 0, 1}}, {{3, 4, 5}}), Shape({5, 3, 4}));
  EXPECT_EQ(ShapeOf(ClassTokenNode{}, {{4, 12}}), Shape({5, 12}));
  EXPECT_EQ(ShapeOf(PositionEmbeddingNode{}, {{5, 12}}), Shape({5, 12}));
  EXPECT_EQ(ShapeOf(LayerNormNode{}, {{5, 12}}), Shape({5, 12}));
  EXPECT_EQ(ShapeOf(LinearNode{.out_features = 7}, {{5, 12}}), Shape({5, 7}));
  EXPECT_EQ(ShapeOf(MatMulNode{}, {{3, 5, 4}, {3, 4, 6}}), Shape({3, 5, 6}));
  EXPECT_EQ(ShapeOf(MatMulNode{.transpose_second = true}, {{3, 5, 4}, {3, 6, 4}}), Shape({3, 5, 6}));
  EXPECT_EQ(ShapeOf(MatMulNode{}, {{5, 4}, {4, 6}}), Shape({5, 6}));
  EXPECT_EQ(ShapeOf(SoftmaxNode{}, {{3, 5, 5}}), Shape({3, 5, 5}));
  EXPECT_EQ(ShapeOf(ScaleNode{0.5}, {{3, 5, 5}}), Shape({3, 5, 5}));
  EXPECT_EQ(ShapeOf(SelectNode{.axis = 0, .index = 4}, {{5, 12}}), Shape({12}));
  EXPECT_EQ(ShapeOf(SelectNode{.axis = 1, .index = 0}, {{5, 12, 2}}), Shape({5, 2}));
  EXPECT_EQ(ShapeOf(SliceNode{.axis = 1, .begin = 3, .end = 12}, {{5, 12}}), Shape({5, 9}));
  EXPECT_EQ(ShapeOf(ConcatNode{.axis = 0}, {{2, 3, 3}, {5, 3, 3}, {1, 3, 3}}), Shape({8, 3, 3}));
  EXPECT_EQ(ShapeOf(ConcatNode{.axis = 1}, {{2, 3}, {2, 4}}), Shape({2, 7}));
  EXPECT_EQ(ShapeOf(MultiplyNode{}, {{4, 3, 3}, {4}}), Shape({4, 3, 3}));
  EXPECT_EQ(ShapeOf(MultiplyNode{}, {{4, 3, 3}, {4, 3, 3}}), Shape({4, 3, 3}));
  EXPECT_EQ(ShapeOf(MultiplyNode{}, {{4, 3, 3}, {4, 1, 1}}), Shape({4, 3, 3}));
  EXPECT_EQ(ShapeOf(AddNode{}, {{1, 3}, {5, 1}}), Shape({5, 3}));
  EXPECT_EQ(ShapeOf(GainNode{{4, 1, 1}}, {{4, 3, 3}}), Shape({4, 3, 3}));
  EXPECT_EQ(ShapeOf(OffsetNode{{1, 3}}, {{5, 1}}), Shape({5, 3}));
  EXPECT_EQ(ShapeOf(MeanNode{{0, 2}}, {{4, 3, 5}}), Shape({1, 3, 1}));
  EXPECT_EQ(ShapeOf(SliceNode{.axis = 0, .begin = 1, .end = 6, .step = 2}, {{6, 2}}), Shape({3, 2}));
  EXPECT_EQ(ShapeOf(SliceNode{.axis = 0, .begin = 1, .end = 5, .step = 2}, {{6, 2}}), Shape({2, 2}));
  EXPECT_EQ(ShapeOf(PadNode{{1, 0}, {2, 3}, 0.5}, {{4, 2}}), Shape({7, 5}));
  EXPECT_EQ(ShapeOf(SampleNode{1, {0, 0.5, 2, 1}}, {{4, 3}}), Shape({4, 4}));
  EXPECT_EQ(ShapeOf(MaxPoolNode{.kernel = 3, .stride = 1, .dilation = 2}, {{4, 6, 5}}), Shape({4, 2, 1}));
}

TEST(NodeOp, ReductionAxesAreWhereProductsAreSummed) {
  EXPECT_EQ(ReductionAxis(Conv2dNode{}, false, 3), 0);
  EXPECT_EQ(ReductionAxis(LinearNode{}, false, 1), 0);
  EXPECT_EQ(ReductionAxis(LinearNode{}, false, 2), 1);
  EXPECT_EQ(ReductionAxis(MatMulNode{}, false, 3), 2);
  EXPECT_EQ(ReductionAxis(MatMulNode{}, true, 3), 1);
  EXPECT_EQ(ReductionAxis(MatMulNode{.transpose_second = true}, true, 3), 2);
}

TEST(NodeOp, TrainedTensorsAreParametersOfTheirShape) {
  ModelGraph graph("g", {4, 3, 3});
  const NodeId gain = MustAdd(graph, "gain", GainNode{{4, 1, 1}}, {0});
  const NodeId offset = MustAdd(graph, "offset", OffsetNode{{1, 3, 3}}, {gain});
  MustAdd(graph, "norm", LayerNormNode{.affine = false}, {offset});
  ASSERT_EQ(graph.Parameters().size(), 2u);
  EXPECT_EQ(graph.Parameters()[0].name, "gain.weight");
  EXPECT_EQ(graph.Parameters()[0].shape, Shape({4, 1, 1}));
  EXPECT_EQ(graph.Parameters()[1].shape, Shape({1, 3, 3}));
  EXPECT_TRUE(graph.Layers().empty());
}

TEST(NodeOp, RefusalsSayWhatIsWrong) {
  const Shape image = {4, 8, 8};
  EXPECT_THAT(FaultOf(Conv2dNode{.out_channels = 1, .kernel = {3, 0}}, {image}),
              HasSubstr("kernel width is 0"));
  EXPECT_THAT(FaultOf(Conv2dNode{.out_channels = 1, .padding = {0, 0, -1, 0}}, {image}),
              HasSubstr("padding bottom is -1"));
  EXPECT_THAT(FaultOf(Conv2dNode{.out_channels = 1, .dilation = 0}, {image}), HasSubstr("dilation is 0"));
  EXPECT_THAT(FaultOf(Conv2dNode{.out_channels = 1, .kernel = {1, 7}, .dilation = 2}, {image}),
              HasSubstr("a kernel of 1x7 dilated by 2 does not fit an image of 8x8 with padding 0"));
  EXPECT_THAT(FaultOf(AveragePoolNode{.kernel = 3, .padding = {0, 0, 0, 3}}, {image}),
              HasSubstr("padding 0,0,0,3 is no less than kernel 3"));
  EXPECT_THAT(FaultOf(LinearNode{.out_features = 2}, {image}), HasSubstr("tokens {tokens, features}"));
  EXPECT_THAT(FaultOf(MatMulNode{}, {{3, 5, 4}, {3, 5, 4}}),
              HasSubstr("{3x5x4} and {3x5x4} have no product"));
  EXPECT_THAT(FaultOf(MatMulNode{.transpose_second = true}, {{3, 5, 4}, {2, 5, 4}}),
              HasSubstr("with the second transposed"));
  EXPECT_THAT(FaultOf(MatMulNode{}, {{5}, {5}}), HasSubstr("two dimensions or both three"));
  EXPECT_THAT(FaultOf(BatchNormNode{}, {{5, 4}}), HasSubstr("an image or a vector, not {5x4}"));
  EXPECT_THAT(FaultOf(BatchNormNode{0}, {image}), HasSubstr("epsilon is 0"));
  EXPECT_THAT(FaultOf(LayerNormNode{NAN}, {image}), HasSubstr("epsilon is nan"));
  EXPECT_THAT(FaultOf(ActivationNode{.kind = ActivationKind::kRelu, .alpha = 1}, {image}),
              HasSubstr("alpha is 1, and this activation has none"));
  EXPECT_THAT(FaultOf(ActivationNode{.kind = ActivationKind::kElu, .alpha = INFINITY}, {image}),
              HasSubstr("alpha is inf"));
  EXPECT_THAT(FaultOf(ScaleNode{NAN}, {image}), HasSubstr("factor is nan"));
  EXPECT_THAT(FaultOf(MultiplyNode{}, {image, {5}}), HasSubstr("a factor for each of its channels"));
  EXPECT_THAT(FaultOf(MultiplyNode{}, {{4}, image}), HasSubstr("{4} and {4x8x8}"));
  EXPECT_THAT(FaultOf(ConcatNode{.axis = 3}, {image, image}), HasSubstr("axis is 3, but {4x8x8}"));
  EXPECT_THAT(FaultOf(ConcatNode{.axis = 0}, {image, {4, 8, 7}, {4, 8}}),
              AllOf(HasSubstr("input 1 {4x8x7} and the first"), HasSubstr("input 2 has 2 dimension(s)")));
  EXPECT_THAT(FaultOf(ReshapeNode{{4, 63}}, {image}), HasSubstr("256 elements, {4x63} 252"));
  EXPECT_THAT(FaultOf(ReshapeNode{{-1, 64}}, {image}), HasSubstr("all above 0, not {-1x64}"));
  EXPECT_THAT(FaultOf(ReshapeNode{}, {image}), HasSubstr("one dimension or more"));
  for (const std::vector<int64_t>& wrong :
       {std::vector<int64_t>{0, 1}, {0, 1, 1}, {1, 2, 3}, {0, 1, 2, 3}, {}}) {
    EXPECT_THAT(FaultOf(TransposeNode{wrong}, {image}), HasSubstr("does not permute the 3 dimension(s)"));
  }
  for (const auto& [begin, end] : {std::pair{-1, 2}, {2, 2}, {3, 2}, {0, 9}}) {
    EXPECT_THAT(FaultOf(SliceNode{.axis = 1, .begin = begin, .end = end}, {image}),
                HasSubstr("is no part of dimension 1, which has 8"));
  }
  EXPECT_THAT(FaultOf(SliceNode{.axis = 1, .begin = 0, .end = 2, .step = 0}, {image}),
              HasSubstr("step is 0"));
  EXPECT_THAT(FaultOf(AddNode{}, {image, {4, 2, 8}}), HasSubstr("different shapes, {4x8x8} and {4x2x8}"));
  EXPECT_THAT(FaultOf(GainNode{{3, 1, 1}}, {image}), HasSubstr("different shapes, {4x8x8} and {3x1x1}"));
  EXPECT_THAT(FaultOf(OffsetNode{{8}}, {image}), HasSubstr("different shapes"));
  EXPECT_THAT(FaultOf(OffsetNode{{4, 0, 1}}, {image}), HasSubstr("above 0, not {4x0x1}"));
  EXPECT_THAT(FaultOf(MeanNode{{1, 1}}, {image}), HasSubstr("axes must rise"));
  EXPECT_THAT(FaultOf(MeanNode{{3}}, {image}), HasSubstr("axis is 3"));
  EXPECT_THAT(FaultOf(MeanNode{}, {image}), HasSubstr("no axis"));
  EXPECT_THAT(FaultOf(PadNode{{1, 0}, {0, 0}}, {image}), HasSubstr("one entry a dimension"));
  EXPECT_THAT(FaultOf(PadNode{{0, 0, -1}, {0, 0, 0}}, {image}), HasSubstr("before is -1"));
  EXPECT_THAT(FaultOf(PadNode{{0, 0, 0}, {0, 0, 0}, INFINITY}, {image}), HasSubstr("value is inf"));
  EXPECT_THAT(FaultOf(SampleNode{2, {0, 7.5}}, {image}), HasSubstr("position 7.5 is outside of dimension 2"));
  EXPECT_THAT(FaultOf(SampleNode{2, {}}, {image}), HasSubstr("the number of positions is 0"));
  EXPECT_THAT(FaultOf(ScaleNode{1, NAN}, {image}), HasSubstr("offset is nan"));
  EXPECT_THAT(FaultOf(ActivationNode{ActivationKind::kClip, 1, 0}, {image}), HasSubstr("beta is 0"));
  EXPECT_THAT(FaultOf(ActivationNode{ActivationKind::kErf, 0, 1}, {image}), HasSubstr("beta is 1"));
  EXPECT_THAT(FaultOf(SelectNode{.axis = 0, .index = 4}, {image}),
              HasSubstr("index is 4, allowed are 0 to 3"));
  EXPECT_THAT(FaultOf(SelectNode{}, {{4}}), HasSubstr("two dimensions or more"));
  EXPECT_THAT(FaultOf(ClassTokenNode{}, {image}), HasSubstr("must be tokens"));
  const int64_t large = int64_t{1} << 20;
  EXPECT_THAT(FaultOf(MatMulNode{}, {{large, large}, {large, large}}), HasSubstr("multiply-accumulates"));
  EXPECT_THAT(FaultOf(MatMulNode{}, {{8, large, 1}, {8, 1, large}}), HasSubstr("output {8x1048576x1048576}"));
}

TEST(NodeOp, ConcatTakesAnyNumberOfInputsFromTwo) {
  ModelGraph graph("g", {2, 4, 4});
  EXPECT_THAT(std::string(graph.Add("x", ConcatNode{}, {0}).status().message()),
              HasSubstr("takes 2 or more input(s), not 1"));
  const NodeId many = MustAdd(graph, "x", ConcatNode{}, {0, 0, 0, 0, 0});
  EXPECT_THAT(graph.node(many).shape, ElementsAre(10, 4, 4));
}

// One attention head by hand, to the last count.
TEST(NodeOp, ProductsAreLayersWithoutWeights) {
  ModelGraph graph("attention", {6, 3, 2});
  NodeId x = MustAdd(graph, "flat", ReshapeNode{{6, 6}}, {0});
  x = MustAdd(graph, "tokens", TransposeNode{{1, 0}}, {x});
  x = MustAdd(graph, "class", ClassTokenNode{}, {x});
  x = MustAdd(graph, "position", PositionEmbeddingNode{}, {x});
  const NodeId norm = MustAdd(graph, "norm", LayerNormNode{}, {x});
  const NodeId q = MustAdd(graph, "q", LinearNode{.out_features = 4}, {norm}, "qk");
  const NodeId k = MustAdd(graph, "k", LinearNode{.out_features = 4, .bias = false}, {norm}, "qk");
  const NodeId scores = MustAdd(graph, "scores", MatMulNode{.transpose_second = true}, {q, k});
  const NodeId weights = MustAdd(graph, "softmax", SoftmaxNode{}, {scores});
  MustAdd(graph, "mix", MatMulNode{}, {weights, norm});

  const std::vector<Layer> layers = graph.Layers();
  ASSERT_EQ(layers.size(), 4u);
  EXPECT_EQ(layers[0].macs, 7 * 6 * 4);
  EXPECT_EQ(layers[0].input_elements, 7 * 6);
  EXPECT_EQ(layers[0].group, "qk");
  EXPECT_EQ(layers[1].group, "qk");
  EXPECT_EQ(layers[2].kind, Layer::Kind::kMatMul);
  EXPECT_STREQ(LayerKindName(layers[2].kind), "matmul");
  EXPECT_EQ(layers[2].macs, 7 * 7 * 4);
  EXPECT_EQ(layers[2].reduction, 4);
  EXPECT_EQ(layers[2].weights, 0);
  EXPECT_EQ(layers[2].input_elements, 7 * 4);
  EXPECT_FALSE(layers[2].nonnegative_input);
  EXPECT_EQ(layers[3].macs, 7 * 7 * 6);
  EXPECT_EQ(layers[3].reduction, 7);
  EXPECT_TRUE(layers[3].nonnegative_input) << "a softmax";
  EXPECT_FALSE(layers[3].HasWeight());
  EXPECT_EQ(TotalMacs(graph), 2 * 7 * 6 * 4 + 7 * 7 * 4 + 7 * 7 * 6);

  std::vector<std::string> parameters;
  for (const ParameterInfo& each : graph.Parameters()) {
    parameters.push_back(absl::StrCat(each.name, " ", ShapeText(each.shape)));
  }
  EXPECT_THAT(parameters, ElementsAre("class.weight 1x6", "position.weight 7x6", "norm.weight 6",
                                      "norm.bias 6", "q.weight 4x6", "q.bias 4", "k.weight 4x6"));
  EXPECT_EQ(graph.ParameterCount(), 6 + 42 + 12 + 28 + 24);

  std::vector<std::string> operands;
  for (const ActivationOperand& each : graph.ActivationOperands()) {
    operands.push_back(absl::StrCat(layers[each.layer].name, each.is_second ? " second " : " first ",
                                    graph.node(each.node).name));
  }
  EXPECT_THAT(operands, ElementsAre("q first norm", "k first norm", "scores first q", "mix first softmax",
                                    "scores second k", "mix second norm"));
}

TEST(NodeOp, OnlyLayersHaveAGroup) {
  ModelGraph graph("g", {2, 4, 4});
  EXPECT_THAT(std::string(graph.Add("x", ActivationNode{}, {0}, "group").status().message()),
              HasSubstr("no layer, so it is in no group"));
  EXPECT_THAT(std::string(graph.Add("x", Conv2dNode{.out_channels = 2}, {0}, "two words").status().message()),
              HasSubstr("a group is printable ASCII"));
  MustAdd(graph, "x", Conv2dNode{.out_channels = 2}, {0}, "group");
  EXPECT_THAT(graph.CanonicalText(), HasSubstr("bias=0 input -> 2x4x4 group=group\n"));
}

TEST(NodeOp, TextsSayEveryAttributeThatIsNotTheDefaultOfOld) {
  EXPECT_EQ(OpText(Conv2dNode{.out_channels = 3, .kernel = {1, 7}, .padding = {0, 3}}),
            "conv2d out_channels=3 kernel=1x7 stride=1 padding=0x3 groups=1 bias=0");
  EXPECT_EQ(OpText(Conv2dNode{.out_channels = 3,
                              .kernel = 3,
                              .stride = {2, 1},
                              .padding = {0, 1, 2, 3},
                              .dilation = 2,
                              .bias = true}),
            "conv2d out_channels=3 kernel=3 stride=2x1 padding=0,1,2,3 groups=1 bias=1 dilation=2");
  EXPECT_EQ(OpText(BatchNormNode{}), "batch_norm");
  EXPECT_EQ(OpText(BatchNormNode{1e-3}), "batch_norm epsilon=0.001");
  EXPECT_EQ(OpText(LayerNormNode{1e-6}), "layer_norm epsilon=1e-06");
  EXPECT_EQ(OpText(MatMulNode{.transpose_second = true}), "matmul transpose_second=1");
  EXPECT_EQ(OpText(ScaleNode{1.0 / 3}), "scale factor=0.3333333333333333");
  EXPECT_EQ(OpText(AveragePoolNode{.kernel = 3, .stride = 1, .padding = 1}),
            "average_pool kernel=3 stride=1 padding=1 count_include_pad=0");
  EXPECT_EQ(OpText(TransposeNode{{1, 0, 2}}), "transpose permutation=1,0,2");
  EXPECT_EQ(OpText(SliceNode{.axis = 1, .begin = 2, .end = 3}), "slice axis=1 begin=2 end=3");
  EXPECT_EQ(OpText(SelectNode{.axis = 0, .index = 2}), "select axis=0 index=2");
  EXPECT_EQ(OpText(ConcatNode{.axis = 1}), "concat axis=1");
  EXPECT_EQ(OpText(SliceNode{.axis = 1, .begin = 2, .end = 5, .step = 2}),
            "slice axis=1 begin=2 end=5 step=2");
  EXPECT_EQ(OpText(ScaleNode{0.5, -1}), "scale factor=0.5 offset=-1");
  EXPECT_EQ(OpText(GainNode{{4, 1, 1}}), "gain shape=4x1x1");
  EXPECT_EQ(OpText(OffsetNode{{4}}), "offset shape=4");
  EXPECT_EQ(OpText(MeanNode{{0, 1}}), "mean axes=0,1");
  EXPECT_EQ(OpText(PadNode{{0, 1}, {2, 0}, 0.5}), "pad before=0,1 after=2,0 value=0.5");
  EXPECT_EQ(OpText(SampleNode{0, {0, 0.5}}), "sample axis=0 positions=0,0.5");
  EXPECT_EQ(OpText(LayerNormNode{.affine = false}), "layer_norm affine=0");
  EXPECT_EQ(OpText(ActivationNode{ActivationKind::kClip, -1, 1}), "clip alpha=-1 beta=1");
  EXPECT_EQ(OpText(MaxPoolNode{.kernel = 3, .stride = 1, .dilation = 2}),
            "max_pool kernel=3 stride=1 padding=0 dilation=2");
}

constexpr ActivationKind kAllActivations[] = {
    ActivationKind::kRelu, ActivationKind::kRelu6,       ActivationKind::kSigmoid,
    ActivationKind::kSilu, ActivationKind::kHardSigmoid, ActivationKind::kHardSwish,
    ActivationKind::kGelu, ActivationKind::kTanh,        ActivationKind::kLeakyRelu,
    ActivationKind::kElu,  ActivationKind::kClip,        ActivationKind::kPower,
    ActivationKind::kErf,  ActivationKind::kExp,         ActivationKind::kSoftplus};

TEST(NodeOp, TextsOfActivationsDiffer) {
  std::set<std::string> texts;
  for (const ActivationKind kind : kAllActivations) texts.insert(OpText(ActivationNode{.kind = kind}));
  EXPECT_EQ(texts.size(), std::size(kAllActivations));
  EXPECT_NE(OpText(ActivationNode{.kind = ActivationKind::kElu, .alpha = 1}),
            OpText(ActivationNode{.kind = ActivationKind::kElu, .alpha = 2}));
  EXPECT_NE(OpText(ActivationNode{.kind = ActivationKind::kLeakyRelu, .alpha = 0.1}),
            OpText(ActivationNode{.kind = ActivationKind::kLeakyRelu, .alpha = 0.01}));
}

TEST(NodeOp, SignsFollowTheDefinitions) {
  const auto value = [](ActivationKind kind, double x) {
    const double sigmoid = 1 / (1 + std::exp(-x));
    const double hard = std::min(1.0, std::max(0.0, x / 6 + 0.5));
    switch (kind) {
      case ActivationKind::kRelu:
        return std::max(0.0, x);
      case ActivationKind::kRelu6:
        return std::min(6.0, std::max(0.0, x));
      case ActivationKind::kSigmoid:
        return sigmoid;
      case ActivationKind::kSilu:
        return x * sigmoid;
      case ActivationKind::kHardSigmoid:
        return hard;
      case ActivationKind::kHardSwish:
        return x * hard;
      case ActivationKind::kGelu:
        return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
      case ActivationKind::kTanh:
        return std::tanh(x);
      case ActivationKind::kLeakyRelu:
        return x < 0 ? 0.1 * x : x;
      case ActivationKind::kElu:
        return x < 0 ? 0.1 * std::expm1(x) : x;
      case ActivationKind::kClip:  // with both ends at 0
        return 0.0;
      case ActivationKind::kPower:
        return x * x * x;
      case ActivationKind::kErf:
        return std::erf(x);
      case ActivationKind::kExp:
        return std::exp(x);
      case ActivationKind::kSoftplus:
        return std::log1p(std::exp(x));
    }
    return 0.0;
  };
  for (const ActivationKind kind : kAllActivations) {
    bool ever_negative = false;
    for (double x = -8; x <= 8; x += 0.125) {
      if (x >= 0) {
        EXPECT_GE(value(kind, x), 0);
      }
      ever_negative |= value(kind, x) < 0;
    }
    EXPECT_EQ(IsNonnegative(ActivationNode{.kind = kind}), !ever_negative) << static_cast<int>(kind);
    EXPECT_TRUE(KeepsNonnegative(ActivationNode{.kind = kind}));
  }
  EXPECT_TRUE(KeepsNonnegative(ScaleNode{0.5}));
  EXPECT_FALSE(KeepsNonnegative(ScaleNode{-0.5}));
  EXPECT_FALSE(KeepsNonnegative(ScaleNode{0.5, -1}));
  EXPECT_FALSE(IsNonnegative(ActivationNode{ActivationKind::kClip, -1, 1}));
  EXPECT_FALSE(KeepsNonnegative(ActivationNode{ActivationKind::kClip, -2, -1}));
  EXPECT_FALSE(KeepsNonnegative(PadNode{{0}, {1}, -1}));
  EXPECT_TRUE(KeepsNonnegative(SampleNode{0, {0.5}}));
  EXPECT_FALSE(KeepsNonnegative(GainNode{{1}}));
  EXPECT_FALSE(KeepsNonnegative(OffsetNode{{1}}));
  EXPECT_TRUE(KeepsNonnegative(MatMulNode{}));
  EXPECT_FALSE(KeepsNonnegative(LayerNormNode{}));
  EXPECT_FALSE(KeepsNonnegative(PositionEmbeddingNode{}));
  EXPECT_FALSE(KeepsNonnegative(ClassTokenNode{}));
  EXPECT_FALSE(KeepsNonnegative(BatchNormNode{}));
  EXPECT_FALSE(KeepsNonnegative(Conv2dNode{}));
}

}  // namespace
}  // namespace precis
