// The fused and the ATen path against each other and against the scalar reference, for every format.
#include "supernet/quantizers/quantize_paths.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "supernet/formats/scalar.h"
#include "supernet/quantizers/fake_quantize.h"
#include "tests/supernet/quantizers/bits.h"

namespace precis {
namespace {

using quantize_paths::GradientLimits;
using quantize_paths::MaxAbsAten;
using quantize_paths::MaxAbsFused;
using quantize_paths::QuantizeAten;
using quantize_paths::QuantizeFused;
using quantize_paths::StraightThroughAten;
using quantize_paths::StraightThroughFused;

at::Tensor Reference(const at::Tensor& x, const Format& format, float max_abs) {
  const float scale = ScaleForMaxAbs(format, max_abs);
  at::Tensor out = at::empty_like(x);
  for (int64_t i = 0; i < x.numel(); ++i) {
    out.data_ptr<float>()[i] = QuantizeScaled(format.element, x.data_ptr<float>()[i], scale);
  }
  return out;
}

TEST(QuantizePaths, AgreeWithTheScalarReferenceInEveryFormat) {
  for (const Format& format : AllFormats()) {
    if (IsFloat32(format)) continue;
    SCOPED_TRACE(FormatName(format));
    const at::Tensor corners = CornerValues(format.element);
    const auto largest = static_cast<float>(MaxFinite(format.element));
    // A scale of 1, one that is no power of two, one below the smallest normal number, a huge one.
    for (const float max_abs : {largest, 0.7310586f, 1e-38f, 3e38f}) {
      SCOPED_TRACE(max_abs);
      const at::Tensor range = at::scalar_tensor(max_abs, at::kFloat);
      const at::Tensor x = corners * ScaleForMaxAbs(format, max_abs);
      const at::Tensor expected = Reference(x, format, max_abs);
      EXPECT_TRUE(SameBits(QuantizeFused(x, format, range), expected)) << "fused";
      EXPECT_TRUE(SameBits(QuantizeAten(x, format, range), expected)) << "ATen";
    }
  }
}

TEST(QuantizePaths, AgreePerRow) {
  at::Tensor x = at::randn({5, 3, 3, 3});
  x[1].zero_();
  x[2] *= 1e-3;
  x[3][0][0][0] = std::numeric_limits<float>::infinity();
  x[4][2][2][2] = std::numeric_limits<float>::quiet_NaN();
  for (const char* name : {"int2", "int4", "int8", "e2m1", "e4m3fn", "e3m0", "bf16"}) {
    SCOPED_TRACE(name);
    const Format format = *ParseFormat(name);
    const at::Tensor ranges = MaxAbsFused(x, /*per_row=*/true);
    EXPECT_TRUE(SameBits(ranges, MaxAbsAten(x, /*per_row=*/true)));
    const at::Tensor fused = QuantizeFused(x, format, ranges);
    EXPECT_TRUE(SameBits(fused, QuantizeAten(x, format, ranges)));
    EXPECT_TRUE(SameBits(fused[0], QuantizeFused(x[0], format, ranges[0])));
    EXPECT_TRUE(SameBits(fused[1], x[1]));
    if (IsScaled(format)) {
      EXPECT_TRUE(SameBits(fused[3], x[3]));
      EXPECT_TRUE(SameBits(fused[4], x[4]));
    }
    const at::Tensor grad = at::randn_like(x);
    const at::Tensor limits = GradientLimits(x, format, ranges);
    EXPECT_TRUE(SameBits(StraightThroughFused(x, limits, grad), StraightThroughAten(x, limits, grad)));
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
  with_nan[99] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(MaxAbsFused(with_nan, false).item<float>()));
  EXPECT_TRUE(std::isnan(MaxAbsAten(with_nan, false).item<float>()));
}

}  // namespace
}  // namespace precis
