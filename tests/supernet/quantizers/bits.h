// Comparing tensors bit for bit, and inputs that touch every corner of a format.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "supernet/formats/format.h"

namespace precis {

// Equal values with equal signs of zero; any NaN equals any other.
inline ::testing::AssertionResult SameBits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return ::testing::AssertionFailure() << a.sizes() << " against " << b.sizes();
  const at::Tensor left = a.detach().contiguous();
  const at::Tensor right = b.detach().contiguous();
  const float* l = left.data_ptr<float>();
  const float* r = right.data_ptr<float>();
  for (int64_t i = 0; i < left.numel(); ++i) {
    if (std::isnan(l[i]) && std::isnan(r[i])) continue;
    if (std::bit_cast<uint32_t>(l[i]) != std::bit_cast<uint32_t>(r[i])) {
      return ::testing::AssertionFailure() << "element " << i << ": " << l[i] << " against " << r[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// Every code, every midpoint, their neighbours in FP32, specials, and noise, for a scale of 1.
inline at::Tensor CornerValues(const ElementFormat& element) {
  std::vector<float> values = {0.0f,
                               -0.0f,
                               std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity(),
                               std::numeric_limits<float>::quiet_NaN(),
                               std::numeric_limits<float>::denorm_min(),
                               std::numeric_limits<float>::max(),
                               static_cast<float>(MaxFinite(element)),
                               static_cast<float>(MinFinite(element))};
  const double step = element.kind == ElementKind::kInteger ? 0.5 : SmallestStep(element) / 2;
  for (int i = -600; i <= 600; ++i) {
    const auto value = static_cast<float>(i * step);
    values.push_back(value);
    values.push_back(std::nextafter(value, 1e30f));
    values.push_back(std::nextafter(value, -1e30f));
  }
  std::mt19937_64 generator(7);
  for (int i = 0; i < 4000; ++i) {
    // 8 random mantissa bits: many exact ties in every format.
    const double mantissa = 1 + static_cast<double>(generator() % 256) / 256;
    const int exponent = static_cast<int>(generator() % 60) - 40;
    const double top = std::log2(MaxFinite(element)) > 30 ? 0 : std::log2(MaxFinite(element));
    values.push_back(static_cast<float>(std::ldexp(mantissa, exponent + static_cast<int>(top) - 15) *
                                        (generator() % 2 == 0 ? 1 : -1)));
  }
  return at::tensor(at::ArrayRef<float>(values));
}

}  // namespace precis
