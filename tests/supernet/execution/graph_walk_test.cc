// Which nodes a batch norm takes along, and when a value may go.
#include "supernet/execution/graph_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supernet/graph/model_zoo.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(GraphWalk, FusesTheAdditionAndActivationBehindABatchNorm) {
  ModelGraph g("g", {2, 4, 4});
  const NodeId a = Append(g, "a", BatchNormNode{}, {0});
  const NodeId a_act = Append(g, "a_act", ActivationNode{ActivationKind::kRelu6}, {a});
  const NodeId b = Append(g, "b", BatchNormNode{}, {a_act});
  const NodeId add = Append(g, "add", AddNode{}, {a_act, b});
  const NodeId act = Append(g, "act", ActivationNode{}, {add});
  const GraphWalk walk(g);
  EXPECT_EQ(walk.Fused(a).output, a_act);
  EXPECT_EQ(walk.Fused(a).residual, -1);
  EXPECT_EQ(walk.Fused(a).activation, ActivationKind::kRelu6);
  EXPECT_EQ(walk.Fused(b).output, act);
  EXPECT_EQ(walk.Fused(b).residual, a_act);
  EXPECT_EQ(walk.Fused(b).activation, ActivationKind::kRelu);
  EXPECT_TRUE(walk.IsInFusedNorm(add));
  EXPECT_FALSE(walk.IsInFusedNorm(b));
  EXPECT_EQ(walk.Readers(a_act), 2);
  EXPECT_THAT(walk.LastReadBy(add), UnorderedElementsAre(a_act, b));
  EXPECT_THAT(walk.LastReadBy(b), IsEmpty());
  EXPECT_THAT(walk.LastReadBy(act), ElementsAre(add));
}

TEST(GraphWalk, TakesNothingThatOthersReadOrThatComesTooSoon) {
  ModelGraph g("g", {2, 4, 4});
  const NodeId early = Append(g, "early", BatchNormNode{}, {0});
  const NodeId late = Append(g, "late", BatchNormNode{}, {0});
  const NodeId add = Append(g, "add", AddNode{}, {early, late});
  const NodeId shared = Append(g, "shared", BatchNormNode{}, {add});
  const NodeId act = Append(g, "act", ActivationNode{}, {shared});
  const NodeId twice = Append(g, "twice", BatchNormNode{}, {act});
  Append(g, "double", AddNode{}, {twice, twice});
  Append(g, "end", AddNode{}, {shared, act});
  const GraphWalk walk(g);
  EXPECT_EQ(walk.Fused(early).output, early);  // the other operand is not there yet
  EXPECT_EQ(walk.Fused(late).output, add);
  EXPECT_EQ(walk.Fused(late).residual, early);
  EXPECT_EQ(walk.Fused(shared).output, shared);  // two readers
  EXPECT_EQ(walk.Fused(twice).output, twice);    // both operands
}

TEST(GraphWalk, LeavesAdditionsThatRepeatAnOperand) {
  ModelGraph g("g", {3, 4, 4});
  const NodeId mean = Append(g, "mean", MeanNode{{1, 2}}, {0});
  const NodeId norm = Append(g, "norm", BatchNormNode{}, {0});
  const NodeId add = Append(g, "add", AddNode{}, {norm, mean});
  const NodeId small = Append(g, "small", BatchNormNode{}, {mean});
  const NodeId repeated = Append(g, "repeated", AddNode{}, {add, small});
  const GraphWalk walk(g);
  EXPECT_EQ(walk.Fused(norm).output, norm);
  EXPECT_EQ(walk.Fused(small).output, small);
  EXPECT_FALSE(walk.IsInFusedNorm(add));
  EXPECT_FALSE(walk.IsInFusedNorm(repeated));
}

TEST(GraphWalk, TakesReluAndRelu6Alone) {
  for (const ActivationKind kind : {ActivationKind::kRelu, ActivationKind::kRelu6, ActivationKind::kSilu,
                                    ActivationKind::kHardSwish, ActivationKind::kSigmoid}) {
    ModelGraph g("g", {2, 4, 4});
    const NodeId norm = Append(g, "norm", BatchNormNode{}, {0});
    const NodeId act = Append(g, "act", ActivationNode{kind}, {norm});
    const bool fusible = kind == ActivationKind::kRelu || kind == ActivationKind::kRelu6;
    EXPECT_EQ(GraphWalk(g).Fused(norm).output, fusible ? act : norm);
    EXPECT_EQ(GraphWalk(g).IsInFusedNorm(act), fusible);
  }
}

TEST(GraphWalk, EveryReluOfTheZooIsFused) {
  for (const ModelInfo& info : Models()) {
    const ModelGraph graph = *BuildModel(info.name, SmallestOptions(info, 0.25));
    const GraphWalk walk(graph);
    for (NodeId id = 0; id <= graph.output(); ++id) {
      const auto* activation = std::get_if<ActivationNode>(&graph.node(id).op);
      if (activation == nullptr) continue;
      const bool is_relu =
          activation->kind == ActivationKind::kRelu || activation->kind == ActivationKind::kRelu6;
      EXPECT_EQ(walk.IsInFusedNorm(id), is_relu) << info.name << " " << graph.node(id).name;
    }
  }
}

}  // namespace
}  // namespace precis
