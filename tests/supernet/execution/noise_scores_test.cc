// Scores of formats against loops over single numbers: noise shares summed one by one, and gradients by
// central differences.
#include "supernet/execution/noise_scores.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "supernet/formats/scalar.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

// Without batch norm, so that images are independent.
ModelGraph HandGraph() {
  ModelGraph graph("hand", {2, 8, 8});
  const NodeId conv =
      Append(graph, "conv", Conv2dNode{.out_channels = 3, .kernel = 3, .padding = 1, .bias = true}, {0});
  const NodeId act = Append(graph, "act", ActivationNode{ActivationKind::kSilu}, {conv});
  const NodeId mean = Append(graph, "mean", GlobalAveragePoolNode{}, {act});
  Append(graph, "linear", LinearNode{.out_features = 4}, {mean});
  return graph;
}
constexpr NodeId kConv = 1, kLinear = 4;

LayerFormats Formats(const char* weight, const char* activation) {
  return {*ParseFormat(weight), *ParseFormat(activation)};
}

class NoiseScoresTest : public ::testing::Test {
 protected:
  NoiseScoresTest()
      : dataset_(SquaresDataset()),
        images_(dataset_, dataset_.train, at::kCPU),
        net_(HandGraph(), 3, at::kCPU),
        indices_(6) {
    std::iota(indices_.begin(), indices_.end(), 10);
  }

  LayerScores Measure(NoiseMeasure measure, const LayerOptions& options) const {
    return *MeasureNoise(net_, measure, UniformAssignment(2, *ParseFormat("fp32")), options, images_,
                         indices_, 16);
  }

  Dataset dataset_;
  ImageStore images_;
  Supernet net_;
  std::vector<int64_t> indices_;
};

// Every value rounded by the scalar reference, under the largest magnitude of its row of `rows`.
at::Tensor Rounded(const at::Tensor& x, const Format& format, int64_t rows) {
  if (format == *ParseFormat("fp32")) return x;
  const at::Tensor flat = x.detach().contiguous().reshape({rows, -1}).clone();
  for (int64_t r = 0; r < rows; ++r) {
    float* row = flat[r].data_ptr<float>();
    float most = 0;
    for (int64_t i = 0; i < flat.size(1); ++i) most = std::max(most, std::fabs(row[i]));
    const float scale = ScaleForMaxAbs(format, most);
    for (int64_t i = 0; i < flat.size(1); ++i) row[i] = QuantizeScaled(format.element, row[i], scale);
  }
  return flat.reshape(x.sizes());
}

double NoiseShare(const at::Tensor& x, const at::Tensor& rounded) {
  const at::Tensor a = x.detach().contiguous().flatten(), b = rounded.contiguous().flatten();
  double noise = 0, signal = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double value = a.data_ptr<float>()[i];
    noise += std::pow(value - b.data_ptr<float>()[i], 2);
    signal += value * value;
  }
  return noise / signal;
}

TEST_F(NoiseScoresTest, QsnrIsNoiseOverSignalOfWeightsAndInput) {
  const LayerOptions options = {{Formats("int4", "int3"), Formats("fp32", "int8")},
                                {Formats("e2m1", "fp32"), Formats("int2", "int5"), Formats("fp32", "fp32")}};
  const LayerScores scores = Measure(NoiseMeasure::kQsnr, options);
  const at::Tensor images = images_.Get(indices_).images;
  const at::Tensor pooled =
      at::silu(at::conv2d(images, net_.Weight(kConv), net_.Bias(kConv), 1, 1)).mean({2, 3});
  ASSERT_EQ(scores.size(), 2u);
  for (size_t layer = 0; layer < 2; ++layer) {
    const at::Tensor& weight = net_.Weight(layer == 0 ? kConv : kLinear);
    const at::Tensor& x = layer == 0 ? images : pooled;
    for (size_t o = 0; o < options[layer].size(); ++o) {
      const LayerFormats& formats = options[layer][o];
      const double expected = NoiseShare(weight, Rounded(weight, formats.weight, weight.size(0))) +
                              NoiseShare(x, Rounded(x, formats.activation, 1));
      EXPECT_NEAR(scores[layer][o], expected, 1e-5 * expected) << layer << " " << o;
      EXPECT_EQ(expected == 0, layer == 1 && o == 2);
    }
  }
}

// Loss of one image, in double, with `shift` added to one output of the layer.
double LossOf(const Supernet& net, const at::Tensor& image, int64_t label, NodeId layer, int64_t element,
              double shift) {
  const c10::NoGradGuard no_gradients;
  const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
  at::Tensor y = at::conv2d(wide(image), wide(net.Weight(kConv)), wide(net.Bias(kConv)), 1, 1).contiguous();
  if (layer == kConv) y.data_ptr<double>()[element] += shift;
  at::Tensor logits =
      at::linear(at::silu(y).mean({2, 3}), wide(net.Weight(kLinear)), wide(net.Bias(kLinear))).contiguous();
  if (layer == kLinear) logits.data_ptr<double>()[element] += shift;
  return (logits.logsumexp(1) - logits[0][label]).item<double>();
}

TEST_F(NoiseScoresTest, FisherIsHalfTheSquaredGradientTimesTheSquaredChangeOfEveryOutput) {
  const LayerOptions options = {{Formats("int4", "int3"), Formats("fp32", "int8")},
                                {Formats("e2m1", "int2"), Formats("fp32", "fp32")}};
  const LayerScores scores = Measure(NoiseMeasure::kFisher, options);
  const Batch batch = images_.Get(indices_);
  const at::Tensor pooled =
      at::silu(at::conv2d(batch.images, net_.Weight(kConv), net_.Bias(kConv), 1, 1)).mean({2, 3});
  for (size_t layer = 0; layer < 2; ++layer) {
    const NodeId node = layer == 0 ? kConv : kLinear;
    const at::Tensor& weight = net_.Weight(node);
    const at::Tensor& x = layer == 0 ? batch.images : pooled;
    const auto run = [&](const at::Tensor& in, const at::Tensor& w) {
      return (layer == 0 ? at::conv2d(in, w, {}, 1, 1) : at::linear(in, w)).detach().contiguous();
    };
    for (size_t o = 0; o < options[layer].size(); ++o) {
      const LayerFormats& formats = options[layer][o];
      const at::Tensor change =
          run(Rounded(x, formats.activation, 1), Rounded(weight, formats.weight, weight.size(0))) -
          run(x, weight);
      double expected = 0;
      for (int64_t n = 0; n < change.size(0); ++n) {
        const at::Tensor image = batch.images.narrow(0, n, 1);
        const int64_t label = batch.labels[n].item<int64_t>();
        const at::Tensor of_image = change[n].contiguous();
        for (int64_t i = 0; i < of_image.numel(); ++i) {
          constexpr double kStep = 1e-4;
          const double slope =
              (LossOf(net_, image, label, node, i, kStep) - LossOf(net_, image, label, node, i, -kStep)) /
              (2 * kStep);
          expected += std::pow(slope * of_image.data_ptr<float>()[i], 2) / 2;
        }
      }
      expected /= static_cast<double>(change.size(0));
      EXPECT_NEAR(scores[layer][o], expected, 1e-4 * expected) << layer << " " << o;
      EXPECT_EQ(expected == 0, layer == 1 && o == 1);
    }
  }
}

TEST_F(NoiseScoresTest, BatchesCountByTheirImages) {
  indices_.resize(25);
  std::iota(indices_.begin(), indices_.end(), 3);
  const LayerOptions options(2, {Formats("int4", "int3")});
  const Assignment base = UniformAssignment(2, *ParseFormat("int8"));
  const std::span<const int64_t> all(indices_);
  for (const NoiseMeasure measure : {NoiseMeasure::kQsnr, NoiseMeasure::kFisher}) {
    const auto of = [&](std::span<const int64_t> part) {
      return *MeasureNoise(net_, measure, base, options, images_, part, 15);
    };
    const LayerScores together = of(all), first = of(all.first(15)), second = of(all.last(10));
    for (size_t layer = 0; layer < 2; ++layer) {
      EXPECT_NEAR(together[layer][0], (15 * first[layer][0] + 10 * second[layer][0]) / 25,
                  1e-9 * together[layer][0]);
    }
  }
}

// Both factors of a product are read in formats; so is the input that several layers share.
TEST(NoiseScores, OperandsAddUpInEveryLayer) {
  const Dataset dataset = SquaresDataset();
  const ImageStore images(dataset, dataset.train, at::kCPU);
  const Supernet net(AttentionGraph(), 3, at::kCPU);
  const std::vector<int64_t> indices = {1, 2, 3, 4, 5};
  const LayerOptions options(net.layer_count(),
                             {Formats("int3", "fp32"), Formats("fp32", "int3"), Formats("int3", "int3")});
  const LayerScores scores =
      *MeasureNoise(net, NoiseMeasure::kQsnr, UniformAssignment(net.layer_count(), *ParseFormat("int8")),
                    options, images, indices, 8);
  for (size_t layer = 0; layer < scores.size(); ++layer) {
    EXPECT_GT(scores[layer][0], 0.001) << net.layers()[layer].name;
    EXPECT_GT(scores[layer][1], 0.001) << net.layers()[layer].name;
    EXPECT_DOUBLE_EQ(scores[layer][2], scores[layer][0] + scores[layer][1]) << net.layers()[layer].name;
  }
  const LayerScores foretold =
      *MeasureNoise(net, NoiseMeasure::kFisher, UniformAssignment(net.layer_count(), *ParseFormat("int8")),
                    options, images, indices, 8);
  for (const std::vector<double>& layer : foretold) {
    for (double score : layer) EXPECT_GT(score, 0);
  }
}

}  // namespace
}  // namespace precis
