// Every family of the zoo against the same network written by hand in ATen calls, with the weights found by
// name: what the papers say, read a second time.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/execution/supernet.h"
#include "supernet/graph/model_zoo.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

using at::Tensor;

// Weights by name, and the pieces that networks are made of. Batch norms use the batch's statistics.
class Hand {
 public:
  Hand(const Supernet& net, double epsilon, at::ScalarType type) : epsilon_(epsilon) {
    for (const Parameter& parameter : net.parameters()) {
      weights_[parameter.name] = parameter.value.to(type);
    }
  }

  bool Has(const std::string& name) const { return weights_.count(name) > 0; }
  const Tensor& W(const std::string& name) const { return weights_.at(name); }

  Tensor ConvNorm(const std::string& prefix, const std::string& suffix, const Tensor& x,
                  at::IntArrayRef stride, at::IntArrayRef padding, int64_t groups = 1) const {
    const Tensor y = at::conv2d(x, W(prefix + ".conv" + suffix + ".weight"), {}, stride, padding, 1, groups);
    const std::string norm = prefix + ".bn" + suffix;
    return at::batch_norm(y, W(norm + ".weight"), W(norm + ".bias"), {}, {}, true, 0, epsilon_, false);
  }
  Tensor Linear(const std::string& name, const Tensor& x) const {
    return at::linear(x, W(name + ".weight"), W(name + ".bias"));
  }

 private:
  double epsilon_;
  std::map<std::string, Tensor> weights_;
};

Tensor ResNet(const Hand& net, Tensor x, const std::vector<int>& blocks, bool bottleneck, bool small) {
  x = net.ConvNorm("stem", "", x, small ? 1 : 2, small ? 1 : 3).relu();
  if (!small) x = at::max_pool2d(x, 3, 2, 1);
  for (size_t stage = 1; stage <= blocks.size(); ++stage) {
    for (int block = 0; block < blocks[stage - 1]; ++block) {
      const std::string name = absl::StrCat("stage", stage, ".block", block);
      const int64_t stride = stage > 1 && block == 0 ? 2 : 1;
      Tensor y;
      if (bottleneck) {
        y = net.ConvNorm(name, "1", x, 1, 0).relu();
        y = net.ConvNorm(name, "2", y, stride, 1).relu();
        y = net.ConvNorm(name, "3", y, 1, 0);
      } else {
        y = net.ConvNorm(name, "1", x, stride, 1).relu();
        y = net.ConvNorm(name, "2", y, 1, 1);
      }
      const bool projects = net.Has(name + ".shortcut.conv.weight");
      x = (y + (projects ? net.ConvNorm(name + ".shortcut", "", x, stride, 0) : x)).relu();
    }
  }
  return net.Linear("classifier", x.mean({2, 3}));
}

struct MobileStage {
  int blocks;
  int64_t kernel;
  int64_t stride;
};

Tensor Mobile(const Hand& net, Tensor x, const std::vector<MobileStage>& stages, bool efficient, bool small) {
  const auto act = [&](const Tensor& y) { return efficient ? at::silu(y) : at::hardtanh(y, 0, 6); };
  x = act(net.ConvNorm("stem", "", x, small ? 1 : 2, 1));
  for (size_t stage = 1; stage <= stages.size(); ++stage) {
    for (int block = 0; block < stages[stage - 1].blocks; ++block) {
      const std::string name = absl::StrCat("stage", stage, ".block", block);
      const bool drops_stride = block > 0 || (small && stage == 2);
      const int64_t stride = drops_stride ? 1 : stages[stage - 1].stride;
      Tensor y = x;
      if (stage > 1) y = act(net.ConvNorm(name + ".expand", "", y, 1, 0));
      y = act(net.ConvNorm(name + ".depthwise", "", y, stride, stages[stage - 1].kernel / 2, y.size(1)));
      if (efficient) {
        const Tensor squeezed = at::silu(net.Linear(name + ".se.reduce", y.mean({2, 3})));
        const Tensor factor = at::sigmoid(net.Linear(name + ".se.expand", squeezed));
        y = y * factor.view({y.size(0), y.size(1), 1, 1});
      }
      y = net.ConvNorm(name + ".project", "", y, 1, 0);
      x = y.sizes() == x.sizes() ? x + y : y;
    }
  }
  x = act(net.ConvNorm("head", "", x, 1, 0));
  return net.Linear("classifier", x.mean({2, 3}));
}

Tensor Inception(const Hand& net, const Tensor& image) {
  using Padding = std::vector<int64_t>;
  const auto conv = [&](const std::string& name, const Tensor& x, Padding padding = {0, 0},
                        int64_t stride = 1) { return net.ConvNorm(name, "", x, stride, padding).relu(); };
  const auto pooled = [&](const std::string& name, const Tensor& x) {
    return conv(name + ".branch3.0", at::avg_pool2d(x, 3, 1, 1, false, /*count_include_pad=*/false));
  };
  const Padding row = {0, 3};
  const Padding column = {3, 0};
  const Padding same3 = {1, 1};

  Tensor x = conv("stem.0", image, {0, 0}, 2);
  x = conv("stem.2", conv("stem.1", x), same3);
  x = conv("stem.4", conv("stem.3", at::max_pool2d(x, 3, 2)));
  x = at::max_pool2d(x, 3, 2);
  for (const std::string m : {"mixed0", "mixed1", "mixed2"}) {
    const Tensor five = conv(m + ".branch1.1", conv(m + ".branch1.0", x), {2, 2});
    const Tensor three =
        conv(m + ".branch2.2", conv(m + ".branch2.1", conv(m + ".branch2.0", x), same3), same3);
    x = at::cat({conv(m + ".branch0.0", x), five, three, pooled(m, x)}, 1);
  }
  Tensor deep = conv("mixed3.branch1.1", conv("mixed3.branch1.0", x), same3);
  x = at::cat({conv("mixed3.branch0.0", x, {0, 0}, 2), conv("mixed3.branch1.2", deep, {0, 0}, 2),
               at::max_pool2d(x, 3, 2)},
              1);
  for (const std::string m : {"mixed4", "mixed5", "mixed6", "mixed7"}) {
    Tensor seven = conv(m + ".branch1.2", conv(m + ".branch1.1", conv(m + ".branch1.0", x), row), column);
    Tensor twice = conv(m + ".branch2.1", conv(m + ".branch2.0", x), column);
    twice = conv(m + ".branch2.3", conv(m + ".branch2.2", twice, row), column);
    x = at::cat({conv(m + ".branch0.0", x), seven, conv(m + ".branch2.4", twice, row), pooled(m, x)}, 1);
  }
  deep = conv("mixed8.branch1.2", conv("mixed8.branch1.1", conv("mixed8.branch1.0", x), row), column);
  x = at::cat({conv("mixed8.branch0.1", conv("mixed8.branch0.0", x), {0, 0}, 2),
               conv("mixed8.branch1.3", deep, {0, 0}, 2), at::max_pool2d(x, 3, 2)},
              1);
  for (const std::string m : {"mixed9", "mixed10"}) {
    const auto fork = [&](const std::string& branch, const Tensor& y) {
      return at::cat({conv(branch + ".row", y, {0, 1}), conv(branch + ".column", y, {1, 0})}, 1);
    };
    const Tensor single = fork(m + ".branch1", conv(m + ".branch1.0", x));
    const Tensor twofold = fork(m + ".branch2", conv(m + ".branch2.1", conv(m + ".branch2.0", x), same3));
    x = at::cat({conv(m + ".branch0.0", x), single, twofold, pooled(m, x)}, 1);
  }
  return net.Linear("classifier", x.mean({2, 3}));
}

Tensor Deit(const Hand& net, const Tensor& image, int64_t patch, int64_t heads) {
  Tensor x = at::conv2d(image, net.W("patch.conv.weight"), net.W("patch.conv.bias"), patch);
  x = x.flatten(2).transpose(1, 2);  // {N, patches, features}
  const int64_t features = x.size(2);
  const auto norm = [&](const std::string& name, const Tensor& y) {
    return at::layer_norm(y, {features}, net.W(name + ".weight"), net.W(name + ".bias"), 1e-6);
  };
  x = at::cat({net.W("class_token.weight").expand({x.size(0), 1, features}), x}, 1) +
      net.W("position.weight");
  for (int i = 0; i < 12; ++i) {
    const std::string block = absl::StrCat("block", i);
    const Tensor y = norm(block + ".norm1", x);
    std::vector<Tensor> mixed;
    for (int64_t head = 0; head < heads; ++head) {
      const auto part = [&](const char* which) {
        return net.Linear(block + ".attention." + which, y).chunk(heads, 2)[static_cast<size_t>(head)];
      };
      const Tensor scores = at::bmm(part("q"), part("k").transpose(1, 2));
      const double root = std::sqrt(static_cast<double>(features) / static_cast<double>(heads));
      mixed.push_back(at::bmm(at::softmax(scores / root, 2), part("v")));
    }
    x = x + net.Linear(block + ".attention.out", at::cat(mixed, 2));
    const Tensor expanded = net.Linear(block + ".mlp.expand", norm(block + ".norm2", x));
    x = x + net.Linear(block + ".mlp.project", 0.5 * expanded * (1 + at::erf(expanded / std::sqrt(2.0))));
  }
  return net.Linear("classifier", norm("norm", x).select(1, 0));
}

// Both round, and a deep network over noise multiplies what is rounded: judged by the network in double
// precision, the supernet may be no further off than the hand-written one in single precision is.
void ExpectEqual(const std::string& name, const ModelOptions& options, double epsilon,
                 const std::function<Tensor(const Hand&, const Tensor&)>& by_hand) {
  SCOPED_TRACE(name);
  const c10::NoGradGuard no_gradients;
  at::set_num_threads(1);  // small tensors
  const Supernet net(*BuildModel(name, options), 1, at::kCPU);
  for (const Parameter& parameter : net.parameters()) {
    if (!parameter.decays) parameter.value.add_(0.2 * at::rand_like(parameter.value));
  }
  const Tensor images = at::randn({6, options.channels, options.height, options.width});
  const Tensor logits = net.Forward(images, UniformAssignment(net.layer_count(), *ParseFormat("fp32")));
  const Tensor single = by_hand(Hand(net, epsilon, at::kFloat), images);
  const Tensor expected = by_hand(Hand(net, epsilon, at::kDouble), images.to(at::kDouble));
  ASSERT_EQ(logits.sizes(), expected.sizes());
  const double spread = expected.std().item<double>();
  const double rounding = (single - expected).square().mean().sqrt().item<double>();
  const double error = (logits - expected).square().mean().sqrt().item<double>();
  EXPECT_GT(spread, 0.01) << "nothing to compare";
  EXPECT_LT(rounding, 0.01 * spread) << "too much is rounded to compare";
  EXPECT_LT(error, 4 * rounding + 1e-5 * spread);
}

ModelOptions Sized(int64_t side, double width_multiplier) {
  return {.channels = 2, .height = side, .width = side, .classes = 5, .width_multiplier = width_multiplier};
}

TEST(ZooForward, ResNetsAreThePapers) {
  const auto expect = [](const std::string& name, int64_t side, std::vector<int> blocks, bool bottleneck) {
    ExpectEqual(name, Sized(side, 0.25), 1e-5, [&](const Hand& net, const Tensor& images) {
      return ResNet(net, images, blocks, bottleneck, /*small=*/side < 96);
    });
  };
  expect("resnet8", 16, {1, 1, 1}, false);
  expect("resnet20", 16, {3, 3, 3}, false);
  expect("resnet32", 16, {5, 5, 5}, false);
  expect("resnet56", 16, {9, 9, 9}, false);
  expect("resnet18", 16, {2, 2, 2, 2}, false);
  expect("resnet34", 96, {3, 4, 6, 3}, false);
  expect("resnet50", 96, {3, 4, 6, 3}, true);
}

TEST(ZooForward, NetworksOfInvertedResidualsAreThePapers) {
  const auto expect = [](const std::string& name, int64_t side, const std::vector<MobileStage>& stages) {
    const bool efficient = name != "mobilenet_v2";
    ExpectEqual(name, Sized(side, 0.25), efficient ? 1e-3 : 1e-5, [&](const Hand& net, const Tensor& images) {
      return Mobile(net, images, stages, efficient, /*small=*/side < 96);
    });
  };
  expect("mobilenet_v2", 32, {{1, 3, 1}, {2, 3, 2}, {3, 3, 2}, {4, 3, 2}, {3, 3, 1}, {3, 3, 2}, {1, 3, 1}});
  const auto efficientnet = [](std::vector<int> blocks) {
    return std::vector<MobileStage>{{blocks[0], 3, 1}, {blocks[1], 3, 2}, {blocks[2], 5, 2},
                                    {blocks[3], 3, 2}, {blocks[4], 5, 1}, {blocks[5], 5, 2},
                                    {blocks[6], 3, 1}};
  };
  expect("efficientnet_b0", 32, efficientnet({1, 2, 2, 3, 3, 4, 1}));
  expect("efficientnet_b0", 96, efficientnet({1, 2, 2, 3, 3, 4, 1}));
  expect("efficientnet_b1", 32, efficientnet({2, 3, 3, 4, 4, 5, 2}));
  expect("efficientnet_b2", 32, efficientnet({2, 3, 3, 4, 4, 5, 2}));
  expect("efficientnet_b3", 32, efficientnet({2, 3, 3, 5, 5, 6, 2}));
  expect("efficientnet_b4", 32, efficientnet({2, 4, 4, 6, 6, 8, 2}));
}

TEST(ZooForward, InceptionV3IsThePapers) { ExpectEqual("inception_v3", Sized(75, 0.25), 1e-3, Inception); }

TEST(ZooForward, DeitsAreThePapers) {
  const auto expect = [](const std::string& name, int64_t side, double width, int64_t heads) {
    ExpectEqual(name, Sized(side, width), 0, [&](const Hand& net, const Tensor& images) {
      return Deit(net, images, side < 96 ? 4 : 16, heads);
    });
  };
  expect("deit_tiny", 16, 1, 3);
  expect("deit_tiny", 96, 0.5, 3);  // 96 features: three heads of 32
  expect("deit_small", 16, 0.5, 3);
  expect("deit_base", 16, 0.25, 3);
}

}  // namespace
}  // namespace precis
