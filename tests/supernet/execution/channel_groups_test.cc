// Which channels can be scaled together.
#include "supernet/execution/channel_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "producer producer > consumer consumer", a group each.
std::vector<std::string> Texts(const ModelGraph& graph) {
  std::vector<std::string> texts;
  for (const ChannelGroup& group : FindChannelGroups(graph)) {
    std::string& text = texts.emplace_back();
    for (const NodeId id : group.producers) text += graph.node(id).name + " ";
    text += ">";
    for (const NodeId id : group.consumers) text += " " + graph.node(id).name;
  }
  return texts;
}

TEST(ChannelGroups, EndWhereAFactorDoesNotPass) {
  EXPECT_THAT(Texts(SmallGraph()), ElementsAre("stem.norm > block.a block.shortcut", "block.norm > head.conv",
                                               "head.conv > head.hidden", "head.norm > head.classifier"));
}

TEST(ChannelGroups, TokensAreScaledByTheirNorms) {
  EXPECT_THAT(Texts(AttentionGraph()), ElementsAre("norm > q k"));
}

TEST(ChannelGroups, AResidualStreamIsOneGroup) {
  ModelGraph g("stream", {4, 8, 8});
  const Conv2dNode conv{.out_channels = 4, .kernel = 3, .padding = 1};
  const auto normed = [&](const std::string& name, NodeId x) {
    return Append(g, name + ".norm", BatchNormNode{}, {Append(g, name, conv, {x})});
  };
  const NodeId a = Append(g, "a.relu", ActivationNode{}, {normed("a", 0)});
  const NodeId b = Append(g, "b.relu", ActivationNode{}, {normed("b", a)});
  const NodeId sum = Append(g, "sum", AddNode{}, {normed("c", b), a});
  const NodeId sum_relu = Append(g, "sum.relu", ActivationNode{ActivationKind::kLeakyRelu, 0.1}, {sum});
  const NodeId pool = Append(g, "pool", AveragePoolNode{}, {sum_relu});
  const NodeId cut = Append(g, "cut", SliceNode{.axis = 1, .begin = 0, .end = 4, .step = 2}, {pool});
  const NodeId mean = Append(g, "mean", GlobalAveragePoolNode{}, {cut});
  Append(g, "head", LinearNode{.out_features = 4}, {mean});
  EXPECT_THAT(Texts(g), ElementsAre("a.norm c.norm > b head", "b.norm > c"));

  // What goes around it ends it.
  const NodeId wide = Append(g, "wide", PadNode{.before = {2, 0, 0}, .after = {2, 0, 0}}, {sum});
  Append(g, "end", Conv2dNode{.out_channels = 4}, {wide});
  EXPECT_THAT(Texts(g), ElementsAre("b.norm > c"));
}

TEST(ChannelGroups, TheOutputStaysWhatItIs) {
  ModelGraph g("short", {4, 8, 8});
  const NodeId a = Append(g, "a", Conv2dNode{.out_channels = 4}, {0});
  const NodeId relu = Append(g, "relu", ActivationNode{}, {a});
  Append(g, "b", Conv2dNode{.out_channels = 4}, {relu});
  EXPECT_THAT(Texts(g), ElementsAre("a > b"));
  Append(g, "sum", AddNode{}, {relu, 4 - 1});
  EXPECT_THAT(Texts(g), IsEmpty());
}

}  // namespace
}  // namespace precis
