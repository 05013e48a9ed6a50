// Kernels against the reference on FP32 bit patterns evenly spread over all 2^32: every 256th, or every one
// if PRECIS_EVERY_FLOAT is set (by hand; about 20 minutes).
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "supernet/formats/kernel_sets.h"
#include "supernet/formats/scalar.h"

namespace precis {
namespace {

class EveryFloat : public testing::TestWithParam<const char*> {};

TEST_P(EveryFloat, IsQuantizedLikeTheReference) {
  const ElementFormat element = ParseFormat(GetParam()).value().element;
  const uint64_t stride = std::getenv("PRECIS_EVERY_FLOAT") != nullptr ? 1 : 256;
  constexpr size_t kChunk = size_t{1} << 16;
  std::vector<float> in, expected, actual(kChunk);
  uint64_t compared = 0;
  // A prime offset a step, so that low bits are not always the same.
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32);) {
    in.clear();
    expected.clear();
    for (; in.size() < kChunk && bits < (uint64_t{1} << 32); bits += stride) {
      in.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits + (bits / 256 * 37) % stride)));
      expected.push_back(QuantizeScaled(element, in.back(), 1.0f));
    }
    for (const KernelSet& set : SupportedKernelSets()) {
      set.quantize({.element = element, .random = {}}, 1.0f, in.data(), actual.data(), in.size());
      for (size_t i = 0; i < in.size(); ++i) {
        const bool same = std::bit_cast<uint32_t>(actual[i]) == std::bit_cast<uint32_t>(expected[i]) ||
                          (std::isnan(actual[i]) && std::isnan(expected[i]));
        ASSERT_TRUE(same) << set.name << ": " << std::hexfloat << in[i] << " gives " << actual[i] << ", not "
                          << expected[i];
      }
    }
    compared += in.size();
  }
  EXPECT_EQ(compared, (uint64_t{1} << 32) / stride);
}

INSTANTIATE_TEST_SUITE_P(Kernels, EveryFloat, testing::Values("e4m3", "e2m1", "int4"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace precis
