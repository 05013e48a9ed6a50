// Fake quantisation through autograd: values, layouts, and the straight-through rule at both edges.
#include "supernet/quantizers/fake_quantize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "supernet/formats/hadamard.h"
#include "supernet/formats/scalar.h"
#include "tests/supernet/quantizers/bits.h"

namespace precis {
namespace {

const float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

at::Tensor Scalar(float value) { return at::scalar_tensor(value, at::kFloat); }

at::Tensor QuantizeActivation(const at::Tensor& x, const Format& format, const at::Tensor& range,
                              Clipping clipping = Clipping::kPossible) {
  return FakeQuantize(x, Operand::kActivation, format, {.range = range, .clipping = clipping});
}

at::Tensor QuantizeWeight(const at::Tensor& w, const Format& format, const at::Tensor& range,
                          Clipping clipping = Clipping::kPossible) {
  return FakeQuantize(w, Operand::kWeight, format, {.range = range, .clipping = clipping});
}

at::Tensor MaxAbsPerChannel(const at::Tensor& w) {
  return MeasureRange(w, Operand::kWeight, *ParseFormat("int8"), {});
}

at::Tensor Gradient(const at::Tensor& x, const Format& format, const at::Tensor& max_abs, Clipping clipping,
                    const at::Tensor& grad_out, bool per_channel = false) {
  const at::Tensor leaf = x.detach().clone().requires_grad_(true);
  const at::Tensor y = per_channel ? QuantizeWeight(leaf, format, max_abs, clipping)
                                   : QuantizeActivation(leaf, format, max_abs, clipping);
  y.backward(grad_out);
  return leaf.grad();
}

TEST(FakeQuantize, RoundsToTheGridAndSaturates) {
  const at::Tensor x = at::tensor({0.0f, 0.4f, 0.5f, 1.5f, 2.5f, -2.5f, 7.4f, 9.0f, -9.0f, kInfinity, kNan});
  const at::Tensor y = QuantizeActivation(x, *ParseFormat("int4"), Scalar(7));
  EXPECT_TRUE(SameBits(y, at::tensor({0.0f, 0.0f, 0.0f, 2.0f, 2.0f, -2.0f, 7.0f, 7.0f, -7.0f, 7.0f, kNan})));
}

TEST(FakeQuantize, Fp32IsTheSameTensor) {
  const at::Tensor x = at::randn({5});
  EXPECT_TRUE(IsFloat32(*ParseFormat("fp32")));
  EXPECT_TRUE(QuantizeActivation(x, *ParseFormat("fp32"), at::Tensor()).is_same(x));
  EXPECT_TRUE(QuantizeWeight(x, *ParseFormat("fp32"), at::Tensor()).is_same(x));
  EXPECT_FALSE(IsFloat32(*ParseFormat("bf16")));
}

TEST(FakeQuantize, FormatsWithoutScaleNeedNoRange) {
  const at::Tensor x = at::tensor({1.0f + 1.0f / 512, 70000.0f, -70000.0f});
  EXPECT_TRUE(SameBits(QuantizeActivation(x, *ParseFormat("fp16"), at::Tensor()),
                       at::tensor({1.0f + 1.0f / 512, 65504.0f, -65504.0f})));
  EXPECT_TRUE(SameBits(QuantizeActivation(x, *ParseFormat("bf16"), at::Tensor()),
                       x.to(at::kBFloat16).to(at::kFloat)));
}

TEST(FakeQuantize, UnusableRangesLeaveTheTensorAsItIs) {
  const at::Tensor x = at::randn({50});
  const at::Tensor grad = at::randn({50});
  for (const float range : {0.0f, kInfinity, kNan}) {
    EXPECT_TRUE(SameBits(QuantizeActivation(x, *ParseFormat("int4"), Scalar(range)), x)) << range;
    EXPECT_TRUE(SameBits(Gradient(x, *ParseFormat("int4"), Scalar(range), Clipping::kPossible, grad), grad));
  }
}

TEST(FakeQuantize, EmptyTensorsStayEmpty) {
  const at::Tensor x = at::empty({0, 3});
  EXPECT_EQ(MaxAbsPerTensor(x).item<float>(), 0.0f);
  EXPECT_EQ(QuantizeActivation(x, *ParseFormat("int4"), Scalar(1)).sizes(), x.sizes());
  EXPECT_EQ(QuantizeWeight(x, *ParseFormat("int4"), MaxAbsPerChannel(x)).sizes(), x.sizes());
  const at::Tensor rows = at::empty({3, 0});
  EXPECT_TRUE(SameBits(MaxAbsPerChannel(rows), at::zeros({3})));
  EXPECT_EQ(QuantizeWeight(rows, *ParseFormat("int4"), MaxAbsPerChannel(rows)).sizes(), rows.sizes());
}

// The rule itself: 1 up to and including the edge, 0 one FP32 step beyond it, on both sides.
TEST(FakeQuantize, GradientIsOneInsideAndZeroOutsideBothEdges) {
  const float edge = 0.73f;
  const float outside = std::nextafter(edge, 1.0f);
  const at::Tensor x = at::tensor({edge, -edge, outside, -outside, 0.0f, 5.0f, kInfinity, -kInfinity, kNan});
  const at::Tensor grad = at::arange(1, 10, at::kFloat);
  const at::Tensor expected = at::tensor({1.0f, 2.0f, 0.0f, 0.0f, 5.0f, 0.0f, 0.0f, 0.0f, 0.0f});
  for (const char* name : {"int2", "int8", "e2m1", "e4m3fn"}) {
    EXPECT_TRUE(SameBits(Gradient(x, *ParseFormat(name), Scalar(edge), Clipping::kPossible, grad), expected))
        << name;
  }
}

TEST(FakeQuantize, GradientOfFormatsWithoutScaleEndsAtTheirOwnRange) {
  const at::Tensor x = at::tensor({65504.0f, 65505.0f, -65504.0f, -65505.0f});
  const at::Tensor expected = at::tensor({1.0f, 0.0f, 1.0f, 0.0f});
  for (const Clipping clipping : {Clipping::kPossible, Clipping::kNone}) {
    EXPECT_TRUE(SameBits(Gradient(x, *ParseFormat("fp16"), at::Tensor(), clipping, at::ones({4})), expected));
  }
}

TEST(FakeQuantize, MeasuredRangesGiveTheIdentityGradientAndKeepNothing) {
  const at::Tensor x = at::randn({2, 3, 4, 4});
  const at::Tensor grad = at::randn({2, 3, 4, 4});
  const Format format = *ParseFormat("int3");
  for (const Clipping clipping : {Clipping::kPossible, Clipping::kNone}) {
    EXPECT_TRUE(SameBits(Gradient(x, format, MaxAbsPerTensor(x), clipping, grad), grad));
    EXPECT_TRUE(SameBits(Gradient(x, format, MaxAbsPerChannel(x), clipping, grad, true), grad));
  }
  const at::Tensor leaf = x.clone().requires_grad_(true);
  const at::Tensor inner = leaf * 2;
  const int64_t users = inner.use_count();
  const at::Tensor y = QuantizeActivation(inner, format, MaxAbsPerTensor(inner), Clipping::kNone);
  EXPECT_EQ(inner.use_count(), users);
}

TEST(FakeQuantize, GradientPerChannelUsesEachChannelsRange) {
  const at::Tensor w = at::tensor({1.0f, 2.0f}).expand({3, 2}).contiguous();
  const at::Tensor ranges = at::tensor({1.0f, 2.0f, 0.0f});
  const at::Tensor grad = at::ones({3, 2});
  EXPECT_TRUE(SameBits(Gradient(w, *ParseFormat("int4"), ranges, Clipping::kPossible, grad, true),
                       at::tensor({1.0f, 0.0f, 1.0f, 1.0f, 1.0f, 1.0f}).reshape({3, 2})));
}

TEST(FakeQuantize, KeepsEveryLayoutWithTheSameValuesAndGradients) {
  const at::Tensor base = at::randn({4, 6, 5, 3});
  const at::Tensor grad = at::randn({4, 6, 5, 3});
  const Format format = *ParseFormat("int4");
  const at::Tensor range = Scalar(1.0f);
  const at::Tensor ranges = MaxAbsPerChannel(base) * 0.5;
  const at::Tensor expected = QuantizeActivation(base, format, range);
  const at::Tensor expected_rows = QuantizeWeight(base, format, ranges);
  const at::Tensor expected_grad = Gradient(base, format, range, Clipping::kPossible, grad);
  const at::Tensor expected_rows_grad = Gradient(base, format, ranges, Clipping::kPossible, grad, true);

  const at::Tensor padded = at::zeros({4, 6, 5, 7});
  padded.slice(3, 2, 5).copy_(base);
  const std::vector<at::Tensor> layouts = {
      base, base.contiguous(at::MemoryFormat::ChannelsLast),
      base.permute({1, 0, 3, 2}).contiguous().permute({1, 0, 3, 2}),  // dense, rows not in order
      padded.slice(3, 2, 5),                                          // gaps
  };
  for (size_t i = 0; i < layouts.size(); ++i) {
    SCOPED_TRACE(i);
    const at::Tensor y = QuantizeActivation(layouts[i], format, range);
    EXPECT_TRUE(SameBits(y, expected));
    if (layouts[i].is_non_overlapping_and_dense()) {
      EXPECT_EQ(y.strides(), layouts[i].strides());
    }
    EXPECT_TRUE(SameBits(QuantizeWeight(layouts[i], format, ranges), expected_rows));
    for (const at::Tensor& grad_layout : {grad, grad.contiguous(at::MemoryFormat::ChannelsLast)}) {
      const at::Tensor leaf = layouts[i].detach().requires_grad_(true);
      const auto gradient_of = [&](const at::Tensor& output) {
        return torch::autograd::grad({output}, {leaf}, {grad_layout})[0];
      };
      EXPECT_TRUE(SameBits(gradient_of(QuantizeActivation(leaf, format, range)), expected_grad));
      EXPECT_TRUE(SameBits(gradient_of(QuantizeWeight(leaf, format, ranges)), expected_rows_grad));
    }
  }
}

TEST(FakeQuantize, LargeTensorsAreTheSameOnEveryThreadCount) {
  const at::Tensor x = at::randn({300000});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor alone = QuantizeActivation(x, *ParseFormat("e4m3"), MaxAbsPerTensor(x));
  at::set_num_threads(2);
  EXPECT_TRUE(SameBits(QuantizeActivation(x, *ParseFormat("e4m3"), MaxAbsPerTensor(x)), alone));
  at::set_num_threads(threads);
}

TEST(FakeQuantize, GradientOfAZeroPointEndsAtBothEnds) {
  const at::Tensor x = at::tensor({-0.5f, -0.51f, 0.0f, 2.0f, 2.01f});
  EXPECT_TRUE(SameBits(Gradient(x, *ParseFormat("uint4_affine"), at::tensor({-0.5f, 2.0f}),
                                Clipping::kPossible, at::ones({5})),
                       at::tensor({1.0f, 0.0f, 1.0f, 1.0f, 0.0f})));
}

TEST(FakeQuantize, GradientOfUnsignedFormatsEndsAtZero) {
  const at::Tensor x = at::tensor({-0.1f, 0.0f, 2.0f, 2.01f});
  EXPECT_TRUE(SameBits(Gradient(x, *ParseFormat("uint4"), Scalar(2), Clipping::kPossible, at::ones({4})),
                       at::tensor({0.0f, 1.0f, 1.0f, 0.0f})));
}

TEST(FakeQuantize, BlocksPassTheWholeGradient) {
  const at::Tensor x = at::randn({2, 64, 3, 3}), grad = at::randn({2, 64, 3, 3});
  EXPECT_TRUE(SameBits(Gradient(x, *ParseFormat("mxfp4"), at::Tensor(), Clipping::kPossible, grad), grad));
  EXPECT_TRUE(SameBits(Gradient(x, *ParseFormat("nvfp4"), Scalar(0.1f), Clipping::kPossible, grad), grad));
}

// R⁻¹ Q(R x): with a range that clips nothing the gradient is that of R⁻¹ R, which is the identity; with one
// that clips, it is R⁻¹ M R for the mask M of the rotated values.
TEST(FakeQuantize, RotationsCarryTheGradientThroughTheRotatedMask) {
  const at::Tensor x = at::randn({3, 8}), grad = at::randn({3, 8});
  const Format format = *ParseFormat("int4+hadamard8");
  const at::Tensor range = MeasureRange(x, Operand::kActivation, format, {});
  EXPECT_TRUE(at::allclose(Gradient(x, format, range, Clipping::kPossible, grad), grad, 1e-5, 1e-6));

  at::Tensor rotation = at::empty({8, 8});  // rows are images of unit vectors
  for (uint32_t i = 0; i < 8; ++i) {
    std::vector<float> unit(8, 0.0f);
    unit[i] = 1;
    HadamardRotate(8, 0, unit.data(), unit.data(), 8);
    rotation[i].copy_(at::tensor(at::ArrayRef<float>(unit)));
  }
  const at::Tensor limit = range * 0.4;
  const at::Tensor mask = at::matmul(x, rotation).abs().le(limit).to(at::kFloat);
  EXPECT_LT(mask.sum().item<float>(), 24);
  const at::Tensor expected = at::matmul(at::matmul(grad, rotation) * mask, rotation.t());
  EXPECT_TRUE(at::allclose(Gradient(x, format, limit, Clipping::kPossible, grad), expected, 1e-4, 1e-5));
  const at::Tensor plain = QuantizeActivation(at::matmul(x, rotation), *ParseFormat("int4"), limit);
  EXPECT_TRUE(
      at::allclose(QuantizeActivation(x, format, limit), at::matmul(plain, rotation.t()), 1e-4, 1e-5));
}

// √(Q / N) · Σ …, N the elements of one image or of one channel; x gets its gradient beside it.
TEST(FakeQuantize, LearnedRangesTakeTheScaledGradient) {
  const at::Tensor x = at::tensor({0.3f, -0.9f, 2.0f, -3.0f, 0.1f, 0.6f}).reshape({2, 3});
  const at::Tensor grad = at::tensor({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}).reshape({2, 3});
  const Format format = *ParseFormat("int3");  // Q = 3
  for (const bool weight : {false, true}) {
    at::Tensor range = weight ? at::tensor({1.2f, 1.2f}) : Scalar(1.2f);
    range.requires_grad_(true);
    const at::Tensor leaf = x.clone().requires_grad_(true);
    const at::Tensor y =
        weight ? QuantizeWeight(leaf, format, range) : QuantizeActivation(leaf, format, range);
    y.backward(grad);
    at::Tensor terms = at::where(x.abs().le(1.2), y.detach() - x, y.detach()) * grad / 1.2;
    const at::Tensor sums = weight ? terms.sum(1) : terms.sum();
    EXPECT_TRUE(at::allclose(range.grad(), sums * std::sqrt(3.0 / 3.0), 1e-5, 1e-6)) << weight;
    EXPECT_TRUE(SameBits(leaf.grad(), at::where(x.abs().le(1.2), grad, at::zeros({}))));
  }
  at::Tensor range = Scalar(1.2f).requires_grad_(true);
  QuantizeActivation(x.reshape({1, 6}), *ParseFormat("int5"), range).backward(grad.reshape({1, 6}));
  at::Tensor again = Scalar(1.2f).requires_grad_(true);
  QuantizeActivation(x.reshape({6, 1}), *ParseFormat("int5"), again).backward(grad.reshape({6, 1}));
  EXPECT_NEAR(again.grad().item<double>() / range.grad().item<double>(), std::sqrt(6.0), 1e-4);
}

TEST(FakeQuantize, RangesTakeNoGradient) {
  const at::Tensor x = at::randn({10}).requires_grad_(true);
  EXPECT_FALSE(MaxAbsPerTensor(x).requires_grad());
  const at::Tensor w = at::randn({10, 3}).requires_grad_(true);
  EXPECT_FALSE(MaxAbsPerChannel(w).requires_grad());
  const c10::NoGradGuard guard;
  EXPECT_FALSE(QuantizeActivation(x, *ParseFormat("int4"), Scalar(1)).requires_grad());
}

}  // namespace
}  // namespace precis
