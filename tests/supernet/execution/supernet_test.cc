// The differentiable pass: fresh weights, every network of the zoo, what quantisation does and does not do.
#include "supernet/execution/supernet.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "supernet/execution/norm_activate.h"
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
  void OnLayerInput(size_t layer, const at::Tensor& max_abs) override {
    EXPECT_EQ(layer, layers.size());
    layers.push_back(max_abs.item<float>());
  }
  void OnBatchNorm(NodeId, const at::Tensor& mean, const at::Tensor& inverse_deviation) override {
    EXPECT_EQ(mean.sizes(), inverse_deviation.sizes());
    ++batch_norms;
  }
  std::vector<float> layers;
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

TEST(Supernet, EveryNetworkOfTheZooRunsForwardAndBackward) {
  at::set_num_threads(1);  // small tensors
  for (const ModelInfo& info : Models()) {
    SCOPED_TRACE(info.name);
    const ModelGraph graph =
        *BuildModel(info.name, {.channels = 1, .height = 32, .width = 32, .width_multiplier = 0.25});
    const Supernet net(graph, 1, at::kCPU);
    const at::Tensor images = at::randn({4, 1, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast);
    for (const char* format : {"fp32", "int8", "e2m1"}) {
      const at::Tensor logits =
          net.Forward(images, UniformAssignment(net.layer_count(), *ParseFormat(format)));
      EXPECT_EQ(logits.sizes(), at::IntArrayRef({4, 10}));
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
  x = at::batch_norm(x, net.Weight(norm), net.Bias(norm), {}, {}, true, 0, kBatchNormEpsilon, false).relu();
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

TEST(Supernet, MeasuresEveryLayerForAnObserverAndNothingChanges) {
  const Supernet net(SmallGraph(), 1, at::kCPU);
  const at::Tensor images = at::randn({5, 2, 8, 8});
  for (const char* format : {"fp32", "bf16", "int4"}) {
    const Assignment assignment = UniformAssignment(net.layer_count(), *ParseFormat(format));
    Ranges ranges;
    const at::Tensor watched = net.Forward(images, assignment, {.observer = &ranges});
    EXPECT_TRUE(at::equal(watched, net.Forward(images, assignment)));
    EXPECT_EQ(ranges.layers.size(), net.layer_count());
    EXPECT_EQ(ranges.layers[0], images.abs().max().item<float>());
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
