// The fused and the ATen path against each other and against the scalar reference, for every format.
#include "supernet/quantizers/quantize_paths.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/hadamard.h"
#include "supernet/formats/scalar.h"
#include "supernet/formats/tensor_quantizer.h"
#include "tests/supernet/quantizers/bits.h"

namespace precis {
namespace {

using quantize_paths::BlockRow;
using quantize_paths::GradientLimits;
using quantize_paths::InOrder;
using quantize_paths::LearnedAten;
using quantize_paths::LearnedFused;
using quantize_paths::MaxAbsAten;
using quantize_paths::MaxAbsFused;
using quantize_paths::MeasureAten;
using quantize_paths::MeasureFused;
using quantize_paths::QuantizeAten;
using quantize_paths::QuantizeFused;
using quantize_paths::Request;
using quantize_paths::RotateAten;
using quantize_paths::RotateFused;
using quantize_paths::StraightThroughAten;
using quantize_paths::StraightThroughFused;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Format F(const std::string& name) { return *ParseFormat(name); }

at::Tensor Scalar(float value) { return at::scalar_tensor(value, at::kFloat); }

// Values in channels-last order.
std::vector<float> InOrderValues(const at::Tensor& x) {
  const at::Tensor flat = (x.dim() == 4 ? x.permute({0, 2, 3, 1}) : x).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

// Shapes and operands that matter to blocks: whole blocks, short last ones, fewer channels than a block.
struct Sample {
  at::Tensor x;
  Operand operand;
};

std::vector<Sample> Samples() {
  return {{at::randn({2, 64, 5, 3}), Operand::kActivation},
          {at::randn({2, 48, 5, 3}), Operand::kActivation},
          {at::randn({3, 5, 7, 7}), Operand::kActivation},
          {at::randn({2, 1, 9, 9}), Operand::kActivation},
          {at::randn({4, 100}), Operand::kActivation},
          {at::randn({3, 7}), Operand::kActivation},
          {at::randn({6, 40, 3, 3}), Operand::kWeight},
          {at::randn({32, 1, 3, 3}), Operand::kWeight},
          {at::randn({10, 70}), Operand::kWeight},
          {at::randn({2, 35000}), Operand::kWeight},
          {at::randn({1, 24, 60, 60}).contiguous(at::MemoryFormat::ChannelsLast), Operand::kActivation}};
}

at::Tensor Reference(const at::Tensor& x, const Format& format, float max_abs) {
  const float scale = ScaleForMaxAbs(format, max_abs);
  at::Tensor out = at::empty_like(x);
  for (int64_t i = 0; i < x.numel(); ++i) {
    out.data_ptr<float>()[i] = QuantizeScaled(format.element, x.data_ptr<float>()[i], scale);
  }
  return out;
}

TEST(QuantizePaths, AgreeWithTheScalarReferenceInEveryElement) {
  for (const Format& format : CatalogueFormats()) {
    if (IsFloat32(format) || IsBlockScaled(format) || format.scale.zero_point) continue;
    SCOPED_TRACE(FormatName(format));
    const at::Tensor corners = CornerValues(format.element);
    const auto largest = static_cast<float>(MaxFinite(format.element));
    // A scale of 1, one that is no power of two, one below the smallest normal number, a huge one.
    for (const float max_abs : {largest, 0.7310586f, 1e-38f, 3e38f}) {
      SCOPED_TRACE(max_abs);
      const at::Tensor x = corners * ScaleForMaxAbs(format, max_abs);
      const at::Tensor expected = Reference(x, format, max_abs);
      const Request request = {Operand::kActivation, format, Scalar(max_abs)};
      EXPECT_TRUE(SameBits(QuantizeFused(x, request), expected)) << "fused";
      EXPECT_TRUE(SameBits(QuantizeAten(x, request), expected)) << "ATen";
    }
  }
}

TEST(QuantizePaths, AgreeWithTheScalarReferenceWithZeroPoints) {
  for (const char* name : {"uint2_affine", "uint4_affine", "uint8_affine", "int4_affine", "int8_affine"}) {
    SCOPED_TRACE(name);
    const Format format = F(name);
    for (const auto& [low, high] : {std::pair{0.0f, 3.1f}, {-0.7f, 5.3f}, {-2.0f, 0.0f}, {-1e-39f, 2e-39f}}) {
      SCOPED_TRACE(low);
      const AffineScale affine = AffineScaleForRange(format.element, low, high);
      const at::Tensor x = CornerValues(format.element) * affine.scale;
      at::Tensor expected = at::empty_like(x);
      for (int64_t i = 0; i < x.numel(); ++i) {
        expected.data_ptr<float>()[i] =
            QuantizeAffine(format.element, x.data_ptr<float>()[i], affine.scale, affine.zero_point);
      }
      const Request request = {Operand::kActivation, format, at::tensor({low, high})};
      EXPECT_TRUE(SameBits(QuantizeFused(x, request), expected)) << "fused";
      EXPECT_TRUE(SameBits(QuantizeAten(x, request), expected)) << "ATen";
    }
  }
}

// The block reference over each row that blocks may not cross.
TEST(QuantizePaths, AgreeWithTheBlockReferenceOnEveryShape) {
  for (const char* name : {"mxint8", "mxint4", "mxfp8", "mxfp6", "mxfp4", "mxfp4:ceil", "mxfp4:even",
                           "mxint4:ceil", "nvfp4", "nvint4", "e2m1@ue5m3:16", "e2m1@ue5m3x:16:global",
                           "int4@fp32:8", "mxfp4+sr8", "nvint4+sr4", "mxint8:shift2"}) {
    SCOPED_TRACE(name);
    const Format format = F(name);
    for (Sample& sample : Samples()) {
      SCOPED_TRACE(sample.x.sizes());
      sample.x.mul_(at::where(at::rand_like(sample.x).lt(0.02), 1e-30f, 1.0f));
      sample.x.mul_(at::where(at::rand_like(sample.x).lt(0.02), 300.0f, 1.0f));
      const at::Tensor range = MaxAbsFused(sample.x, false);
      const std::vector<float> in = InOrderValues(sample.x);
      std::vector<float> expected(in.size());
      const GlobalScale global = GlobalScaleFor(format, range.item<float>());
      const auto row = static_cast<size_t>(BlockRow(sample.x, sample.operand, format));
      for (size_t begin = 0; begin < in.size(); begin += row) {
        QuantizeBlocksByReference(format, global, {9, begin}, in.data() + begin, expected.data() + begin,
                                  row);
      }
      const at::Tensor wanted = at::tensor(at::ArrayRef<float>(expected));
      const Request request = {sample.operand, format, range, 9};
      for (const at::Tensor& y : {QuantizeFused(sample.x, request), QuantizeAten(sample.x, request)}) {
        ASSERT_EQ(y.sizes(), sample.x.sizes());
        EXPECT_TRUE(SameBits(at::tensor(at::ArrayRef<float>(InOrderValues(y))), wanted));
      }
    }
  }
}

TEST(QuantizePaths, BlocksRunAlongChannelsOrOnOverThePixels) {
  const Format format = F("mxfp4");
  EXPECT_EQ(BlockRow(at::zeros({2, 64, 4, 4}), Operand::kActivation, format), 64);
  EXPECT_EQ(BlockRow(at::zeros({2, 48, 4, 4}), Operand::kActivation, format), 48);
  EXPECT_EQ(BlockRow(at::zeros({2, 3, 4, 4}), Operand::kActivation, format), 48);
  EXPECT_EQ(BlockRow(at::zeros({2, 500}), Operand::kActivation, format), 500);
  EXPECT_EQ(BlockRow(at::zeros({8, 64, 3, 3}), Operand::kWeight, format), 576);
  EXPECT_EQ(BlockRow(at::zeros({8, 500}), Operand::kWeight, format), 500);
}

TEST(QuantizePaths, AgreeOnBlocksWithBadValuesAndBadRanges) {
  at::Tensor x = at::randn({2, 64, 3, 3});
  x.view(-1)[0] = kNan;
  x.view(-1)[100] = kInfinity;
  x.view(-1).slice(0, 200, 300).zero_();
  for (const char* name : {"mxfp4", "nvfp4", "int4@fp32:8"}) {
    for (const float range : {0.0f, 3.0f, kInfinity, kNan}) {
      const Request request = {Operand::kActivation, F(name), Scalar(range)};
      EXPECT_TRUE(SameBits(QuantizeFused(x, request), QuantizeAten(x, request))) << name << " " << range;
    }
  }
}

TEST(QuantizePaths, AgreeOnStochasticRounding) {
  for (const char* name : {"int2+sr8", "int4+sr1", "uint4+sr8", "e2m1+sr16", "e4m3+sr8", "e3m0+sr4",
                           "e5m2+sr8", "bf16+sr8", "fp16+sr10", "tf32+sr8", "dfp16+sr4"}) {
    SCOPED_TRACE(name);
    const Format format = F(name);
    for (const Sample& sample : Samples()) {
      const at::Tensor ranges = MeasureFused(sample.x, sample.operand, format, {}) * 0.7;
      const Request request = {sample.operand, format, ranges, 77};
      const at::Tensor fused = QuantizeFused(sample.x, request);
      EXPECT_TRUE(SameBits(fused, QuantizeAten(sample.x, request))) << sample.x.sizes();
      EXPECT_TRUE(SameBits(fused, QuantizeFused(InOrder(sample.x), request)));
      EXPECT_FALSE(at::equal(fused, QuantizeFused(sample.x, {sample.operand, format, ranges, 78})));
    }
    const at::Tensor corners = CornerValues(format.element);
    const Request request = {Operand::kActivation, format,
                             Scalar(static_cast<float>(MaxFinite(format.element))), 3};
    EXPECT_TRUE(SameBits(QuantizeFused(corners, request), QuantizeAten(corners, request)));
  }
}

// The whole-tensor quantiser of supernet/formats is the same definition.
TEST(QuantizePaths, AgreeWithTheTensorQuantizer) {
  const at::Tensor w = InOrder(at::randn({6, 32, 3, 3}));
  for (const char* name :
       {"int4", "uint8_affine", "int8@fp32:tensor", "mxfp4", "nvfp4", "dfp16", "int4+sr8"}) {
    const Format format = F(name);
    const QuantizedTensor expected = QuantizeTensor(format, {.seed = 5, .scale = {}}, w.data_ptr<float>(), 6,
                                                    static_cast<size_t>(w.numel() / 6));
    const Request request = {Operand::kWeight, format, MeasureFused(w, Operand::kWeight, format, {}), 5};
    EXPECT_TRUE(SameBits(at::tensor(at::ArrayRef<float>(InOrderValues(QuantizeFused(w, request)))),
                         at::tensor(at::ArrayRef<float>(expected.values))))
        << name;
  }
}

TEST(QuantizePaths, RotationsAgreeAndRotateWithinOneKernelPosition) {
  for (const int size : {2, 16, 32}) {
    for (const Sample& sample : Samples()) {
      SCOPED_TRACE(sample.x.sizes());
      const at::Tensor rotated = RotateFused(sample.x, size, false);
      EXPECT_TRUE(SameBits(rotated, RotateAten(sample.x, size, false)));
      const at::Tensor back = RotateFused(rotated, size, true);
      EXPECT_TRUE(SameBits(back, RotateAten(rotated, size, true)));
      EXPECT_TRUE(at::allclose(back, sample.x, 1e-5, 1e-5));

      std::vector<float> expected = InOrderValues(sample.x);
      const auto channels = static_cast<size_t>(sample.x.size(1));
      for (size_t begin = 0; begin < expected.size(); begin += channels) {
        HadamardRotate(size, 0, expected.data() + begin, expected.data() + begin, channels);
      }
      EXPECT_TRUE(SameBits(at::tensor(at::ArrayRef<float>(InOrderValues(rotated))),
                           at::tensor(at::ArrayRef<float>(expected))));
    }
  }
}

TEST(QuantizePaths, AgreePerRow) {
  at::Tensor x = at::randn({5, 3, 3, 3});
  x[1].zero_();
  x[2] *= 1e-3;
  x[3][0][0][0] = kInfinity;
  x[4][2][2][2] = kNan;
  for (const char* name :
       {"int2", "int4", "int8", "e2m1", "e4m3fn", "e3m0", "bf16", "uint8", "uint4_affine", "int4@e8m0"}) {
    SCOPED_TRACE(name);
    const Format format = F(name);
    const at::Tensor ranges = MeasureFused(x, Operand::kWeight, format, {});
    EXPECT_TRUE(SameBits(ranges, MeasureAten(x, Operand::kWeight, format, {})));
    const Request request = {Operand::kWeight, format, ranges};
    const at::Tensor fused = QuantizeFused(x, request);
    EXPECT_TRUE(SameBits(fused, QuantizeAten(x, request)));
    EXPECT_TRUE(SameBits(fused[1], x[1]));
    if (IsScaled(format)) {
      EXPECT_TRUE(SameBits(fused[3], x[3]));
      EXPECT_TRUE(SameBits(fused[4], x[4]));
      EXPECT_TRUE(SameBits(fused[0], QuantizeFused(x[0], {Operand::kActivation, format, ranges[0]})));
    }
    const at::Tensor grad = at::randn_like(x);
    const at::Tensor limits = GradientLimits(x, format, ranges * 0.5);
    EXPECT_TRUE(SameBits(StraightThroughFused(x, limits, grad), StraightThroughAten(x, limits, grad)));
  }
}

TEST(QuantizePaths, RangesOfEveryRuleAgree) {
  for (const char* name : {"int3", "e4m3", "uint4_affine", "dfp16", "int8@fp32:tensor", "nvfp4"}) {
    SCOPED_TRACE(name);
    const Format format = F(name);
    for (const RangeRule rule : {RangeRule::kMaxAbs, RangeRule::kPercentile, RangeRule::kMeanSquareError,
                                 RangeRule::kMovingAverage, RangeRule::kLearned}) {
      SCOPED_TRACE(static_cast<int>(rule));
      const RangeMethod method = {rule, 95};
      for (const Sample& sample : Samples()) {
        const at::Tensor fused = MeasureFused(sample.x, sample.operand, format, method);
        const at::Tensor aten = MeasureAten(sample.x, sample.operand, format, method);
        EXPECT_TRUE(SameBits(fused, aten)) << sample.x.sizes();
      }
    }
  }
}

TEST(QuantizePaths, RangesOfSparseTensorsAgree) {
  at::Tensor x = at::randn({4, 32, 5, 5}).relu();
  x[2].zero_();
  x = x * at::rand_like(x).gt(0.8);
  for (const char* name : {"int3", "uint4", "uint4_affine"}) {
    for (const Operand operand : {Operand::kWeight, Operand::kActivation}) {
      const RangeMethod method = {RangeRule::kPercentile, 60};
      const at::Tensor fused = MeasureFused(x, operand, F(name), method);
      EXPECT_TRUE(SameBits(fused, MeasureAten(x, operand, F(name), method))) << name;
      EXPECT_GT(fused.max().item<float>(), 0) << name;
    }
  }
}

TEST(QuantizePaths, LearnedGradientsAgreeWithTheirDefinition) {
  const at::Tensor x = at::randn({4, 70000}), grad = at::randn({4, 70000});
  const Format format = F("int3");
  for (const Operand operand : {Operand::kWeight, Operand::kActivation}) {
    at::Tensor ranges = operand == Operand::kWeight ? at::tensor({0.5f, 1.0f, 2.0f, 0.0f}) : Scalar(1.1f);
    const at::Tensor y = QuantizeFused(x, {operand, format, ranges});
    const auto [of_x, of_ranges] = LearnedFused(x, y, ranges, grad);
    const auto [aten_x, aten_ranges] = LearnedAten(x, y, ranges, grad);
    EXPECT_TRUE(SameBits(of_x, aten_x));
    EXPECT_TRUE(at::allclose(of_ranges, aten_ranges, 1e-5, 1e-4)) << of_ranges << aten_ranges;
    EXPECT_EQ(of_ranges.sizes(), ranges.sizes());
    // One element at a time, in double.
    const int64_t rows = ranges.numel();
    for (int64_t r = 0; r < rows; ++r) {
      const double range = ranges.reshape({rows})[r].item<double>();
      double sum = 0;
      const at::Tensor xs = x.reshape({rows, -1})[r], ys = y.reshape({rows, -1})[r],
                       gs = grad.reshape({rows, -1})[r];
      for (int64_t i = 0; range > 0 && i < xs.numel(); ++i) {
        const double v = xs.data_ptr<float>()[i], q = ys.data_ptr<float>()[i], g = gs.data_ptr<float>()[i];
        sum += g * (std::fabs(v) <= range ? q - v : q) / range;
      }
      EXPECT_NEAR(of_ranges.reshape({rows})[r].item<double>(), sum, 1e-3 + 1e-5 * std::fabs(sum));
    }
  }
}

TEST(QuantizePaths, MaxAbsAgreesOnEverySizeAndLayout) {
  for (const int64_t size : {0, 1, 7, 64, 1000, 200000}) {
    const at::Tensor x = at::randn({size});
    EXPECT_TRUE(SameBits(MaxAbsFused(x, false), MaxAbsAten(x, false))) << size;
  }
  for (const at::Tensor& x :
       {at::randn({4, 6, 5, 3}).contiguous(at::MemoryFormat::ChannelsLast),
        at::randn({4, 6, 5, 3}).transpose(0, 2), at::randn({8, 6, 5, 3}).slice(0, 1, 7, 2)}) {
    EXPECT_TRUE(SameBits(MaxAbsFused(x, false), x.abs().amax()));
    EXPECT_TRUE(SameBits(MaxAbsFused(x, true), x.abs().amax({1, 2, 3})));
    EXPECT_TRUE(SameBits(MaxAbsAten(x, true), x.abs().amax({1, 2, 3})));
  }
  at::Tensor with_nan = at::randn({100000});
  with_nan[99] = kNan;
  EXPECT_TRUE(std::isnan(MaxAbsFused(with_nan, false).item<float>()));
  EXPECT_TRUE(std::isnan(MaxAbsAten(with_nan, false).item<float>()));
}

}  // namespace
}  // namespace precis
