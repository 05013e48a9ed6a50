// The differentiable pass: fresh weights, every network of the zoo, what quantisation does and does not do.
#include "supernet/execution/supernet.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <string>
#include <vector>

#include "supernet/graph/model_zoo.h"
#include "supernet/quantizers/fake_quantize.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

std::vector<at::Tensor> Values(const Supernet& net) {
  std::vector<at::Tensor> values;
  for (const Parameter& parameter : net.parameters()) values.push_back(parameter.value);
  return values;
}

class Ranges : public ForwardObserver {
 public:
  void OnOperand(size_t operand, const at::Tensor& max_abs) override {
    EXPECT_EQ(operand, operands.size());
    operands.push_back(max_abs.item<float>());
  }
  void OnBatchNorm(NodeId, const at::Tensor& mean, const at::Tensor& inverse_deviation) override {
    EXPECT_EQ(mean.sizes(), inverse_deviation.sizes());
    ++batch_norms;
  }
  std::vector<float> operands;
  int batch_norms = 0;
};

// This number must never change: it is what a seed promises.
TEST(Supernet, FreshWeightsAreAFunctionOfTheSeed) {
  const Supernet a(SmallGraph(), 5, at::kCPU);
  const Supernet b(SmallGraph(), 5, at::kCPU);
  const Supernet c(SmallGraph(), 6, at::kCPU);
  for (size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.parameters()[i].value, b.parameters()[i].value));
  }
  EXPECT_FALSE(at::equal(a.parameters()[0].value, c.parameters()[0].value));
  EXPECT_EQ(a.parameters()[0].name, "stem.conv.weight");
}

TEST(Supernet, FreshWeightsHaveHesVariance) {
  ModelGraph graph("wide", {64, 8, 8});
  const NodeId conv = Append(graph, "conv", Conv2dNode{.out_channels = 128, .kernel = 3, .padding = 1}, {0});
  const NodeId mean = Append(graph, "mean", GlobalAveragePoolNode{}, {conv});
  const NodeId linear = Append(graph, "linear", LinearNode{.out_features = 500}, {mean});
  const Supernet net(graph, 5, at::kCPU);
  EXPECT_NEAR(net.Weight(conv).var().item<double>(), 2.0 / (64 * 9), 2e-5);
  EXPECT_NEAR(net.Weight(conv).mean().item<double>(), 0, 1e-3);
  EXPECT_NEAR(net.Weight(linear).var().item<double>(), 1.0 / 128, 2e-4);
  EXPECT_EQ(net.Bias(linear).abs().sum().item<float>(), 0);
}

TEST(Supernet, FreshTokensAndPositionsAreNearNormal) {
  ModelGraph graph("tokens", {64, 300});
  const NodeId token = Append(graph, "token", ClassTokenNode{}, {0});
  const NodeId position = Append(graph, "position", PositionEmbeddingNode{}, {token});
  const NodeId norm = Append(graph, "norm", LayerNormNode{}, {position});
  const Supernet net(graph, 5, at::kCPU);
  const at::Tensor& values = net.Weight(position);
  // A normal of deviation 0.02, cut at two deviations, has 0.88 of it.
  EXPECT_NEAR(values.std().item<double>(), 0.02 * 0.8796, 3e-4);
  EXPECT_NEAR(values.mean().item<double>(), 0, 5e-4);
  EXPECT_LE(values.abs().max().item<float>(), 0.04f);
  EXPECT_GT(values.abs().max().item<float>(), 0.039f);
  EXPECT_GT(net.Weight(token).abs().max().item<float>(), 0.0f);
  EXPECT_TRUE(net.Weight(norm).eq(1).all().item<bool>());
}

TEST(Supernet, WeightsOfConvolutionsAndLinearLayersAloneDecay) {
  const Supernet net(AttentionGraph(), 1, at::kCPU);
  std::vector<std::string> decaying;
  for (const Parameter& parameter : net.parameters()) {
    if (parameter.decays) decaying.push_back(parameter.name);
  }
  EXPECT_EQ(decaying, (std::vector<std::string>{"patch.weight", "q.weight", "k.weight", "out.weight",
                                                "conv.weight", "se.reduce.weight", "se.expand.weight",
                                                "grouped.weight", "classifier.weight"}));
}

TEST(Supernet, EveryNetworkOfTheZooRunsForwardAndBackward) {
  at::set_num_threads(1);  // small tensors
  for (const ModelInfo& info : Models()) {
    SCOPED_TRACE(info.name);
    const ModelOptions options = SmallestOptions(info, 0.25);
    const ModelGraph graph = *BuildModel(info.name, options);
    const Supernet net(graph, 1, at::kCPU);
    const at::Tensor images =
        at::randn({4, 2, options.height, options.width}).contiguous(at::MemoryFormat::ChannelsLast);
    for (const char* format : {"fp32", "int8", "e2m1"}) {
      const at::Tensor logits =
          net.Forward(images, UniformAssignment(net.layer_count(), *ParseFormat(format)));
      EXPECT_EQ(logits.sizes(), at::IntArrayRef({4, 4}));
      const at::Tensor loss = at::cross_entropy_loss(logits, at::arange(4));
      for (const at::Tensor& gradient : torch::autograd::grad({loss}, Values(net))) {
        EXPECT_TRUE(gradient.isfinite().all().item<bool>());
      }
    }
  }
}

// Batch of two classes of input: the gradient of the pass is that of the same network written by hand.
TEST(Supernet, ComputesTheQuantisedNetworkAndItsStraightThroughGradient) {
  ModelGraph graph("hand", {2, 4, 4});
  const NodeId conv = Append(graph, "conv", Conv2dNode{.out_channels = 3, .kernel = 3, .padding = 1}, {0});
  const NodeId norm = Append(graph, "norm", BatchNormNode{}, {conv});
  const NodeId act = Append(graph, "act", ActivationNode{}, {norm});
  const NodeId mean = Append(graph, "mean", GlobalAveragePoolNode{}, {act});
  const NodeId linear = Append(graph, "linear", LinearNode{.out_features = 2}, {mean});
  const Supernet net(graph, 1, at::kCPU);
  Assignment assignment = UniformAssignment(2, *ParseFormat("int4"));
  assignment.layers[1] = {*ParseFormat("int3"), *ParseFormat("e2m1")};
  const at::Tensor images = at::randn({5, 2, 4, 4});

  auto quantise = [](const at::Tensor& x, const Format& format) {
    return x + (FakeQuantize(x.detach(), Operand::kActivation, format, {.range = MaxAbsPerTensor(x)}) -
                x.detach());
  };
  auto quantise_rows = [](const at::Tensor& w, const Format& format) {
    return w + (FakeQuantize(w.detach(), Operand::kWeight, format,
                             {.range = MeasureRange(w, Operand::kWeight, format, {})}) -
                w.detach());
  };
  at::Tensor x = at::conv2d(quantise(images, assignment.layers[0].activation),
                            quantise_rows(net.Weight(conv), assignment.layers[0].weight), {}, 1, 1);
  x = at::batch_norm(x, net.Weight(norm), net.Bias(norm), {}, {}, true, 0, 1e-5, false).relu();
  x = x.mean({2, 3});
  const at::Tensor expected =
      at::linear(quantise(x, assignment.layers[1].activation),
                 quantise_rows(net.Weight(linear), assignment.layers[1].weight), net.Bias(linear));

  const at::Tensor logits = net.Forward(images, assignment);
  EXPECT_TRUE(at::allclose(logits, expected, 1e-4, 1e-5));
  const at::Tensor direction = at::randn_like(logits);
  const auto gradients = torch::autograd::grad({logits}, Values(net), {direction});
  const auto expected_gradients = torch::autograd::grad({expected}, Values(net), {direction});
  for (size_t i = 0; i < gradients.size(); ++i) {
    EXPECT_TRUE(at::allclose(gradients[i], expected_gradients[i], 1e-4, 1e-5)) << net.parameters()[i].name;
  }
}

// A product quantises both of its operands, and its gradient is that of the same written by hand.
TEST(Supernet, QuantisesBothOperandsOfAProduct) {
  ModelGraph graph("products", {2, 8, 4});
  const NodeId position = Append(graph, "position", PositionEmbeddingNode{}, {0});
  const NodeId scores = Append(graph, "scores", MatMulNode{.transpose_second = true}, {position, 0});
  const NodeId weights = Append(graph, "weights", SoftmaxNode{}, {scores});
  Append(graph, "mix", MatMulNode{}, {weights, position});
  const Supernet net(graph, 1, at::kCPU);
  Assignment assignment = UniformAssignment(2, *ParseFormat("int4"));
  assignment.layers[0] = {*ParseFormat("e2m1"), *ParseFormat("int3")};
  assignment.layers[1] = {*ParseFormat("int4"), *ParseFormat("uint4")};
  const at::Tensor images = at::randn({3, 2, 8, 4});
  const auto quantise = [](const at::Tensor& x, const char* name) {
    const Format format = *ParseFormat(name);
    const at::Tensor y =
        FakeQuantize(x.detach(), Operand::kActivation, format, {.range = MaxAbsPerTensor(x)});
    return x + (y - x.detach());
  };
  const at::Tensor placed = images + net.Weight(position);
  const at::Tensor a = at::matmul(quantise(placed, "int3"), quantise(images, "e2m1").transpose(2, 3));
  const at::Tensor expected = at::matmul(quantise(a.softmax(3), "uint4"), quantise(placed, "int4"));

  const at::Tensor y = net.Forward(images, assignment);
  EXPECT_TRUE(at::allclose(y, expected, 1e-5, 1e-6));
  const at::Tensor direction = at::randn_like(y);
  const auto gradients = torch::autograd::grad({y}, Values(net), {direction});
  const auto expected_gradients = torch::autograd::grad({expected}, Values(net), {direction});
  EXPECT_TRUE(at::allclose(gradients[0], expected_gradients[0], 1e-4, 1e-5));
}

TEST(Supernet, MeasuresEveryOperandOfAttention) {
  class Seen : public ForwardObserver {
   public:
    void OnOperand(size_t operand, const at::Tensor& range) override {
      EXPECT_TRUE(ranges.emplace(operand, range.item<float>()).second);
    }
    void OnBatchNorm(NodeId, const at::Tensor&, const at::Tensor&) override {}
    std::map<size_t, float> ranges;
  };
  const Supernet net(AttentionGraph(), 1, at::kCPU);
  Seen seen;
  net.Forward(at::randn({5, 2, 8, 8}), UniformAssignment(net.layer_count(), *ParseFormat("int8")),
              {.observer = &seen});
  EXPECT_EQ(net.operands().size(), net.layer_count() + 4);
  EXPECT_EQ(seen.ranges.size(), net.operands().size());
  for (const auto& [operand, range] : seen.ranges) {
    EXPECT_GT(range, 0) << operand;
    // One tensor has one largest magnitude, whoever reads it.
    for (const auto& [other, other_range] : seen.ranges) {
      if (net.operands()[other].node != net.operands()[operand].node) continue;
      EXPECT_EQ(range, other_range);
    }
  }
}

TEST(Supernet, MeasuresEveryLayerForAnObserverAndNothingChanges) {
  const Supernet net(SmallGraph(), 1, at::kCPU);
  const at::Tensor images = at::randn({5, 2, 8, 8});
  for (const char* format : {"fp32", "bf16", "int4"}) {
    const Assignment assignment = UniformAssignment(net.layer_count(), *ParseFormat(format));
    Ranges ranges;
    const at::Tensor watched = net.Forward(images, assignment, {.observer = &ranges});
    EXPECT_TRUE(at::equal(watched, net.Forward(images, assignment)));
    EXPECT_EQ(ranges.operands.size(), net.layer_count());
    EXPECT_EQ(ranges.operands[0], images.abs().max().item<float>());
    EXPECT_EQ(ranges.batch_norms, 5);
  }
}

// Two layers that read one tensor share its quantised copy only if they want the same format.
TEST(Supernet, LayersThatShareAnInputKeepTheirOwnFormats) {
  const Supernet net(SmallGraph(), 1, at::kCPU);
  const at::Tensor images = at::randn({5, 2, 8, 8});
  const Assignment coarse = UniformAssignment(net.layer_count(), *ParseFormat("int4"));
  Assignment mixed = coarse;
  mixed.layers[1].activation = *ParseFormat("int8");  // block.a; block.shortcut reads the same tensor
  Assignment other = coarse;
  other.layers[3].activation = *ParseFormat("int8");
  const at::Tensor a = net.Forward(images, coarse);
  const at::Tensor b = net.Forward(images, mixed);
  const at::Tensor c = net.Forward(images, other);
  EXPECT_FALSE(at::equal(a, b));
  EXPECT_FALSE(at::equal(a, c));
  EXPECT_FALSE(at::equal(b, c));
}

}  // namespace
}  // namespace precis
