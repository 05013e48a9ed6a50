// Operations on tensors: against definitions written out element by element, and their gradients against
// finite differences. In double, so that a difference is an error and not rounding.
#include "supernet/execution/run_node.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>
#include <limits>

#include "supernet/graph/node_op.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

at::Tensor Random(const std::vector<int64_t>& shape) { return at::randn(shape, at::kDouble); }

at::Tensor PlainOutput(const NodeOp& op, const std::vector<at::Tensor>& inputs, const at::Tensor& weight = {},
                       const at::Tensor& bias = {}) {
  return RunPlainNode(op, inputs, {weight, bias}, /*overwrite=*/false);
}

// The pixel, or `outside` beyond the image.
double Pixel(const at::Tensor& image, int64_t n, int64_t c, int64_t y, int64_t x, double outside) {
  const bool inside = y >= 0 && y < image.size(2) && x >= 0 && x < image.size(3);
  return inside ? image[n][c][y][x].item<double>() : outside;
}

// One number for each window: fold(values, how many of them are pixels).
at::Tensor Windows(const at::Tensor& image, const Extent& kernel, const Extent& stride,
                   const Padding& padding, double outside,
                   const std::function<double(const std::vector<double>&, int)>& fold) {
  const int64_t height = (image.size(2) + padding.top + padding.bottom - kernel.height) / stride.height + 1;
  const int64_t width = (image.size(3) + padding.left + padding.right - kernel.width) / stride.width + 1;
  at::Tensor out = at::empty({image.size(0), image.size(1), height, width}, at::kDouble);
  for (int64_t n = 0; n < out.size(0); ++n) {
    for (int64_t c = 0; c < out.size(1); ++c) {
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          std::vector<double> values;
          int pixels = 0;
          for (int64_t dy = 0; dy < kernel.height; ++dy) {
            for (int64_t dx = 0; dx < kernel.width; ++dx) {
              const int64_t at_y = y * stride.height - padding.top + dy;
              const int64_t at_x = x * stride.width - padding.left + dx;
              values.push_back(Pixel(image, n, c, at_y, at_x, outside));
              pixels += at_y >= 0 && at_y < image.size(2) && at_x >= 0 && at_x < image.size(3) ? 1 : 0;
            }
          }
          out[n][c][y][x] = fold(values, pixels);
        }
      }
    }
  }
  return out;
}

const Padding kPaddings[] = {Padding(0), Padding(1), Padding(1, 0), Padding(1, 0, 0, 1), Padding(0, 1, 1, 1)};

TEST(RunNode, PoolsAreTheirWindowsWhateverThePadding) {
  const at::Tensor image = Random({2, 3, 6, 7});
  const Extent kernel(3, 2);
  const Extent stride(2, 1);
  for (const Padding& padding : kPaddings) {
    SCOPED_TRACE(PaddingText(padding));
    const at::Tensor maximum =
        Windows(image, kernel, stride, padding, -INFINITY,
                [](const auto& values, int) { return *std::max_element(values.begin(), values.end()); });
    EXPECT_TRUE(at::equal(PlainOutput(MaxPoolNode{kernel, stride, padding}, {image}), maximum));
    for (const bool include : {false, true}) {
      const at::Tensor mean =
          Windows(image, kernel, stride, padding, 0, [&](const std::vector<double>& values, int pixels) {
            double sum = 0;
            for (const double value : values) sum += value;
            return sum / (include ? static_cast<double>(values.size()) : pixels);
          });
      EXPECT_TRUE(
          at::allclose(PlainOutput(AveragePoolNode{kernel, stride, padding, include}, {image}), mean));
    }
  }
}

TEST(RunNode, ConvolutionsOfAnyShapeAreTheirSums) {
  const at::Tensor image = Random({2, 4, 6, 7});
  for (const Padding& padding : kPaddings) {
    for (const Extent& dilation : {Extent(1), Extent(2, 1)}) {
      SCOPED_TRACE(PaddingText(padding));
      const Conv2dNode conv{.out_channels = 6,
                            .kernel = {2, 3},
                            .stride = {1, 2},
                            .padding = padding,
                            .dilation = dilation,
                            .groups = 2,
                            .bias = true};
      const at::Tensor weight = Random({6, 2, 2, 3});
      const at::Tensor bias = Random({6});
      const at::Tensor y = RunLayer(conv, image, weight, bias);
      ModelGraph graph("shape", {4, 6, 7});
      const Shape shape = graph.node(Append(graph, "conv", conv, {0})).shape;
      ASSERT_EQ(y.sizes(), at::IntArrayRef({2, shape[0], shape[1], shape[2]}));
      for (int64_t o = 0; o < 6; ++o) {
        for (int64_t row = 0; row < shape[1]; ++row) {
          for (int64_t column = 0; column < shape[2]; ++column) {
            double sum = bias[o].item<double>();
            for (int64_t i = 0; i < 2; ++i) {
              for (int64_t dy = 0; dy < 2; ++dy) {
                for (int64_t dx = 0; dx < 3; ++dx) {
                  sum += weight[o][i][dy][dx].item<double>() *
                         Pixel(image, 1, o / 3 * 2 + i, row - padding.top + dy * dilation.height,
                               column * 2 - padding.left + dx * dilation.width, 0);
                }
              }
            }
            EXPECT_NEAR(y[1][o][row][column].item<double>(), sum, 1e-12);
          }
        }
      }
    }
  }
}

TEST(RunNode, ActivationsAreTheirFormulas) {
  const at::Tensor x = at::linspace(-8, 8, 257, at::kDouble).reshape({1, 257});
  const auto expect = [&](const ActivationNode& activation, const std::function<double(double)>& formula) {
    const at::Tensor y = PlainOutput(activation, {x});
    const at::Tensor in_place = RunPlainNode(activation, {x.clone()}, {}, /*overwrite=*/true);
    for (int64_t i = 0; i < x.numel(); ++i) {
      EXPECT_NEAR(y[0][i].item<double>(), formula(x[0][i].item<double>()), 1e-12) << OpText(activation);
    }
    EXPECT_TRUE(at::equal(y, in_place)) << OpText(activation);
  };
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  const auto hard = [](double v) { return std::min(1.0, std::max(0.0, v / 6 + 0.5)); };
  expect({ActivationKind::kRelu}, [](double v) { return std::max(v, 0.0); });
  expect({ActivationKind::kRelu6}, [](double v) { return std::min(6.0, std::max(v, 0.0)); });
  expect({ActivationKind::kSigmoid}, sigmoid);
  expect({ActivationKind::kSilu}, [&](double v) { return v * sigmoid(v); });
  expect({ActivationKind::kHardSigmoid}, hard);
  expect({ActivationKind::kHardSwish}, [&](double v) { return v * hard(v); });
  expect({ActivationKind::kGelu}, [](double v) { return v * 0.5 * std::erfc(-v / std::sqrt(2.0)); });
  expect({ActivationKind::kTanh}, [](double v) { return std::tanh(v); });
  expect({ActivationKind::kLeakyRelu, 0.3}, [](double v) { return v < 0 ? 0.3 * v : v; });
  expect({ActivationKind::kElu, 0.7}, [](double v) { return v < 0 ? 0.7 * std::expm1(v) : v; });
  expect({ActivationKind::kClip, -0.5, 2}, [](double v) { return std::min(2.0, std::max(v, -0.5)); });
  expect({ActivationKind::kPower, 2}, [](double v) { return v * v; });
  expect({ActivationKind::kErf}, [](double v) { return std::erf(v); });
  expect({ActivationKind::kExp}, [](double v) { return std::exp(v); });
  expect({ActivationKind::kSoftplus}, [](double v) { return std::log1p(std::exp(v)); });
}

TEST(RunNode, PaddingSamplingAndMeansAreTheirElements) {
  const at::Tensor x = Random({2, 3, 4, 5});
  const at::Tensor padded = PlainOutput(PadNode{{1, 0, 0}, {0, 2, 3}, 0.5}, {x});
  ASSERT_EQ(padded.sizes(), at::IntArrayRef({2, 4, 6, 8}));
  EXPECT_TRUE(at::equal(padded.slice(1, 1).slice(2, 0, 4).slice(3, 0, 5), x));
  EXPECT_EQ(padded[1][0][3][4].item<double>(), 0.5);
  EXPECT_EQ(padded[0][2][5][1].item<double>(), 0.5);
  EXPECT_EQ(padded[0][2][1][7].item<double>(), 0.5);
  EXPECT_NEAR(padded.sum().item<double>(), x.sum().item<double>() + 0.5 * (padded.numel() - x.numel()), 1e-9);

  const at::Tensor sampled = PlainOutput(SampleNode{1, {3, 0, 0, 1.25}}, {x});
  ASSERT_EQ(sampled.sizes(), at::IntArrayRef({2, 3, 4, 5}));
  EXPECT_TRUE(at::equal(sampled.select(2, 0), x.select(2, 3)));
  EXPECT_TRUE(at::equal(sampled.select(2, 2), x.select(2, 0)));
  EXPECT_TRUE(at::allclose(sampled.select(2, 3), 0.75 * x.select(2, 1) + 0.25 * x.select(2, 2)));
  EXPECT_TRUE(
      at::equal(PlainOutput(SampleNode{2, {4, 1}}, {x}), at::stack({x.select(3, 4), x.select(3, 1)}, 3)));

  EXPECT_TRUE(at::allclose(PlainOutput(MeanNode{{0, 2}}, {x}), x.sum({1, 3}, true) / 15));
  EXPECT_TRUE(at::equal(PlainOutput(SliceNode{.axis = 2, .begin = 1, .end = 5, .step = 2}, {x}),
                        at::stack({x.select(3, 1), x.select(3, 3)}, 3)));
  const at::Tensor gain = Random({3, 1, 1});
  EXPECT_TRUE(at::equal(PlainOutput(GainNode{{3, 1, 1}}, {x}, gain), x * gain));
  EXPECT_TRUE(at::equal(PlainOutput(OffsetNode{{3, 1, 1}}, {x}, gain), x + gain));
  EXPECT_TRUE(at::allclose(PlainOutput(ScaleNode{-2, 0.5}, {x}), 0.5 - 2 * x));
  EXPECT_TRUE(at::allclose(PlainOutput(LayerNormNode{.epsilon = 0.5, .affine = false}, {x}),
                           (x - x.mean({3}, true)) / (x.var({3}, false, true) + 0.5).sqrt()));
  const at::Tensor dilated = PlainOutput(MaxPoolNode{.kernel = {2, 1}, .stride = 1, .dilation = {3, 1}}, {x});
  EXPECT_TRUE(at::equal(dilated.select(2, 0), at::maximum(x.select(2, 0), x.select(2, 3))));
}

// An operand whose shape is not that of the result must not become the result.
TEST(RunNode, OverwritingIsForOperandsOfTheResultsShape) {
  const at::Tensor image = Random({2, 3, 4, 4});
  const at::Tensor factor = Random({2, 3, 1, 1});
  for (const bool overwrite : {false, true}) {
    EXPECT_TRUE(
        at::equal(RunPlainNode(MultiplyNode{}, {factor.clone(), image}, {}, overwrite), factor * image));
    EXPECT_TRUE(at::equal(RunPlainNode(AddNode{}, {factor.clone(), image}, {}, overwrite), factor + image));
    EXPECT_TRUE(at::equal(RunPlainNode(AddNode{}, {image.clone(), factor}, {}, overwrite), image + factor));
  }
}

TEST(RunNode, TokensAndHeadsMoveWhereTheShapesSay) {
  const at::Tensor image = Random({2, 6, 2, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor flat = PlainOutput(ReshapeNode{{6, 6}}, {image});
  const at::Tensor tokens = PlainOutput(TransposeNode{{1, 0}}, {flat});
  EXPECT_EQ(tokens[1][4][5].item<double>(), image[1][5][1][1].item<double>());
  const at::Tensor token = Random({1, 6});
  const at::Tensor with_class = PlainOutput(ClassTokenNode{}, {tokens}, token);
  ASSERT_EQ(with_class.sizes(), at::IntArrayRef({2, 7, 6}));
  EXPECT_EQ(with_class[1][0][3].item<double>(), token[0][3].item<double>());
  EXPECT_EQ(with_class[1][5][5].item<double>(), tokens[1][4][5].item<double>());
  const at::Tensor positions = Random({7, 6});
  const at::Tensor placed = PlainOutput(PositionEmbeddingNode{}, {with_class}, positions);
  EXPECT_EQ(placed[1][2][4].item<double>(),
            with_class[1][2][4].item<double>() + positions[2][4].item<double>());
  EXPECT_TRUE(at::equal(PlainOutput(SelectNode{.axis = 0, .index = 3}, {placed})[1], placed[1][3]));
  EXPECT_TRUE(at::equal(PlainOutput(SliceNode{.axis = 1, .begin = 2, .end = 4}, {placed})[1][6],
                        at::stack({placed[1][6][2], placed[1][6][3]})));
  const at::Tensor joined = PlainOutput(ConcatNode{.axis = 1}, {placed, placed, tokens.new_zeros({2, 7, 1})});
  ASSERT_EQ(joined.sizes(), at::IntArrayRef({2, 7, 13}));
  EXPECT_EQ(joined[0][2][9].item<double>(), placed[0][2][3].item<double>());
}

TEST(RunNode, NormsSoftmaxAndProductsAreTheirSums) {
  const at::Tensor x = Random({2, 3, 5});
  const at::Tensor weight = Random({5});
  const at::Tensor bias = Random({5});
  const at::Tensor mean = x.mean({2}, true);
  const at::Tensor variance = (x - mean).square().mean({2}, true);
  EXPECT_TRUE(at::allclose(PlainOutput(LayerNormNode{0.5}, {x}, weight, bias),
                           (x - mean) / (variance + 0.5).sqrt() * weight + bias));
  EXPECT_TRUE(at::allclose(PlainOutput(SoftmaxNode{}, {x}), x.exp() / x.exp().sum({2}, true)));
  EXPECT_TRUE(at::equal(PlainOutput(ScaleNode{-0.25}, {x}), x * -0.25));
  const at::Tensor image = Random({2, 3, 4, 4});
  const at::Tensor factor = Random({2, 3});
  EXPECT_EQ(PlainOutput(MultiplyNode{}, {image, factor})[1][2][3][0].item<double>(),
            image[1][2][3][0].item<double>() * factor[1][2].item<double>());

  const at::Tensor a = Random({2, 3, 4, 5});
  const at::Tensor b = Random({2, 3, 6, 5});
  const at::Tensor product = RunLayer(MatMulNode{.transpose_second = true}, a, b, {});
  ASSERT_EQ(product.sizes(), at::IntArrayRef({2, 3, 4, 6}));
  EXPECT_NEAR(product[1][2][3][4].item<double>(), (a[1][2][3] * b[1][2][4]).sum().item<double>(), 1e-12);
  EXPECT_TRUE(at::allclose(RunLayer(MatMulNode{}, a, b.transpose(2, 3), {}), product));
}

// Σ of the output times fixed directions, differentiated by each element of each tensor.
void ExpectGradient(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& run,
                    std::vector<at::Tensor> tensors) {
  for (at::Tensor& tensor : tensors) tensor.requires_grad_(true);
  const at::Tensor y = run(tensors);
  const at::Tensor direction = at::randn_like(y);
  const auto gradients = torch::autograd::grad({y}, tensors, {direction});
  const c10::NoGradGuard no_gradients;
  const double step = 1e-6;
  for (size_t t = 0; t < tensors.size(); ++t) {
    at::Tensor flat = tensors[t].view({-1});
    for (int64_t i = 0; i < flat.numel(); ++i) {
      const double before = flat[i].item<double>();
      flat[i] = before + step;
      const double above = (run(tensors) * direction).sum().item<double>();
      flat[i] = before - step;
      const double below = (run(tensors) * direction).sum().item<double>();
      flat[i] = before;
      EXPECT_NEAR(gradients[t].reshape({-1})[i].item<double>(), (above - below) / (2 * step), 1e-6);
    }
  }
}

TEST(RunNode, GradientsAreThoseOfFiniteDifferences) {
  const auto plain = [](const NodeOp& op, const std::vector<at::Tensor>& inputs) {
    SCOPED_TRACE(OpText(op));
    ExpectGradient([&](const std::vector<at::Tensor>& in) { return PlainOutput(op, in); }, inputs);
  };
  const auto trained = [](const NodeOp& op, const at::Tensor& input,
                          const std::vector<at::Tensor>& parameters) {
    SCOPED_TRACE(OpText(op));
    std::vector<at::Tensor> tensors = {input};
    tensors.insert(tensors.end(), parameters.begin(), parameters.end());
    ExpectGradient(
        [&](const std::vector<at::Tensor>& in) {
          return PlainOutput(op, {in[0]}, in[1], in.size() > 2 ? in[2] : at::Tensor());
        },
        tensors);
  };
  for (const ActivationKind kind :
       {ActivationKind::kSigmoid, ActivationKind::kSilu, ActivationKind::kHardSigmoid,
        ActivationKind::kHardSwish, ActivationKind::kGelu, ActivationKind::kTanh, ActivationKind::kLeakyRelu,
        ActivationKind::kElu}) {
    const bool has_alpha = kind == ActivationKind::kLeakyRelu || kind == ActivationKind::kElu;
    plain(ActivationNode{kind, has_alpha ? 0.3 : 0}, {Random({2, 5})});
  }
  plain(SoftmaxNode{}, {Random({2, 3, 4})});
  plain(ScaleNode{0.3}, {Random({2, 3})});
  plain(MultiplyNode{}, {Random({2, 3, 2, 2}), Random({2, 3})});
  plain(MultiplyNode{}, {Random({2, 3, 2}), Random({2, 3, 2})});
  plain(ConcatNode{.axis = 0}, {Random({2, 3, 2}), Random({2, 1, 2})});
  plain(AveragePoolNode{3, 1, 1, false}, {Random({1, 2, 4, 4})});
  plain(AveragePoolNode{3, 2, {1, 0, 0, 1}, false}, {Random({1, 2, 4, 4})});
  plain(AveragePoolNode{2, 1, {1, 0, 0, 1}, true}, {Random({1, 2, 4, 4})});
  plain(MaxPoolNode{3, 2, {1, 0, 0, 1}}, {Random({1, 2, 4, 4})});
  plain(ReshapeNode{{2, 6}}, {Random({2, 3, 2, 2})});
  plain(TransposeNode{{1, 0, 2}}, {Random({2, 3, 2, 2})});
  plain(SliceNode{.axis = 0, .begin = 1, .end = 3}, {Random({2, 3, 2})});
  plain(SelectNode{.axis = 0, .index = 1}, {Random({2, 3, 2})});
  trained(LayerNormNode{1e-6}, Random({2, 3, 4}), {Random({4}), Random({4})});
  plain(AddNode{}, {Random({2, 3, 1}), Random({2, 1, 4})});
  plain(MultiplyNode{}, {Random({2, 3, 2, 2}), Random({2, 3, 1, 1})});
  plain(ScaleNode{0.3, 2}, {Random({2, 3})});
  plain(ActivationNode{ActivationKind::kPower, 3}, {Random({2, 5})});
  plain(ActivationNode{ActivationKind::kErf}, {Random({2, 5})});
  plain(ActivationNode{ActivationKind::kExp}, {Random({2, 5})});
  plain(ActivationNode{ActivationKind::kSoftplus}, {Random({2, 5})});
  plain(SliceNode{.axis = 0, .begin = 0, .end = 3, .step = 2}, {Random({2, 3, 2})});
  plain(PadNode{{1, 0}, {0, 2}, 0.5}, {Random({2, 3, 2})});
  plain(SampleNode{0, {0, 0.5, 2, 1}}, {Random({2, 3, 2})});
  plain(MeanNode{{0}}, {Random({2, 3, 2})});
  plain(LayerNormNode{.epsilon = 1e-3, .affine = false}, {Random({2, 3, 4})});
  plain(MaxPoolNode{.kernel = 2, .stride = 1, .dilation = 2}, {Random({1, 2, 4, 4})});
  plain(AveragePoolNode{3, 1, 2, false}, {Random({1, 2, 3, 3})});
  plain(MaxPoolNode{3, 1, 2}, {Random({1, 2, 3, 3})});
  trained(GainNode{{3, 1}}, Random({2, 3, 4}), {Random({3, 1})});
  trained(OffsetNode{{1, 4}}, Random({2, 3, 1}), {Random({1, 4})});
  trained(ClassTokenNode{}, Random({2, 3, 4}), {Random({1, 4})});
  trained(PositionEmbeddingNode{}, Random({2, 3, 4}), {Random({3, 4})});

  const auto layer = [](const NodeOp& op, const std::vector<at::Tensor>& tensors) {
    SCOPED_TRACE(OpText(op));
    ExpectGradient([&](const std::vector<at::Tensor>& in) { return RunLayer(op, in[0], in[1], {}); },
                   tensors);
  };
  layer(MatMulNode{.transpose_second = true}, {Random({2, 2, 3, 4}), Random({2, 2, 5, 4})});
  layer(MatMulNode{}, {Random({2, 3, 4}), Random({2, 4, 2})});
  layer(LinearNode{.out_features = 3}, {Random({2, 3, 4}), Random({3, 4})});
  layer(Conv2dNode{.out_channels = 2, .kernel = {1, 3}, .padding = {0, 1}},
        {Random({1, 2, 3, 4}), Random({2, 2, 1, 3})});
  layer(Conv2dNode{.out_channels = 2, .kernel = 2, .padding = {0, 0, 1, 1}, .dilation = 2},
        {Random({1, 2, 4, 4}), Random({2, 2, 2, 2})});
}

// Each row along the axis by itself, as a vector that the axis is the features of.
TEST(RunNode, BlocksAndRotationsRunAlongTheAxis) {
  for (const char* name : {"int4", "mxfp4", "nvfp4", "int4@fp32:8", "int8+hadamard8", "mxint8+hadamard32"}) {
    SCOPED_TRACE(name);
    const Format format = *ParseFormat(name);
    for (const bool heads : {false, true}) {
      for (const int64_t from_end : {1, 2}) {
        const std::vector<int64_t> shape =
            heads ? std::vector<int64_t>{2, 3, 32, 64} : std::vector<int64_t>{2, 32, 64};
        const at::Tensor x = at::randn(shape) * 3;
        const int64_t axis = x.dim() - from_end;
        FakeQuantizeOptions how;
        how.range = MeasureRangeAlong(axis, x, format, {});
        const at::Tensor y = FakeQuantizeAlong(axis, x, format, how);
        const at::Tensor rows = x.transpose(axis, -1).reshape({-1, x.size(axis)}).contiguous();
        const at::Tensor range = MeasureRange(rows, Operand::kActivation, format, {});
        const at::Tensor expected = FakeQuantize(rows, Operand::kActivation, format, {.range = range});
        EXPECT_TRUE(at::equal(y.transpose(axis, -1).reshape({-1, x.size(axis)}), expected));
        EXPECT_EQ(y.sizes(), x.sizes());
        if (range.defined()) {
          EXPECT_TRUE(at::equal(how.range, range));
        }
      }
    }
  }
}

}  // namespace
}  // namespace precis
