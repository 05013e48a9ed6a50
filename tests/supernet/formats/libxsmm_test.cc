// dfp16 against libxsmm's quantisation to dynamic fixed point, code for code.
//
// Only exact ties may differ: libxsmm rounds them to even with AVX-512 and away from zero without.
#include <gtest/gtest.h>
#include <libxsmm.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "supernet/formats/packing.h"

namespace precis {
namespace {

TEST(Dfp16, HasTheCodesAndTheExponentOfLibxsmm) {
  libxsmm_init();
  std::mt19937 random(21);
  std::normal_distribution<float> normal;
  for (const unsigned char shift : {0, 1, 2}) {
    const std::string name = shift == 0 ? "dfp16" : "dfp16:shift" + std::to_string(shift);
    const Format format = ParseFormat(name).value();
    for (const float magnitude : {1e-3f, 0.37f, 1.0f, 3.9f, 60.0f}) {
      std::vector<float> x(4096);
      for (float& value : x) value = normal(random) * magnitude;
      std::vector<short> theirs(x.size());  // NOLINT(google-runtime-int): libxsmm's type
      unsigned char exponent = 0;
      libxsmm_dnn_quantize(x.data(), theirs.data(), static_cast<int>(x.size()), shift, &exponent,
                           LIBXSMM_DNN_QUANT_FPHW_ROUND);
      const PackedTensor ours = PackTensor(format, {}, x.data(), 1, x.size());
      EXPECT_EQ(127 - static_cast<int>(ours.scales[0]), static_cast<int>(static_cast<signed char>(exponent)));
      size_t differences = 0, ties = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const auto code = static_cast<int16_t>(ours.codes[2 * i] | ours.codes[2 * i + 1] << 8);
        const float scaled = std::ldexp(x[i], 127 - static_cast<int>(ours.scales[0]));
        const bool tie = std::fabs(scaled - std::trunc(scaled)) == 0.5f;
        ties += tie ? 1 : 0;
        const bool away = tie && theirs[i] == static_cast<int>(std::round(scaled));
        differences += code == theirs[i] || away ? 0 : 1;
      }
      EXPECT_EQ(differences, 0u) << name << " at " << magnitude;
      EXPECT_LT(ties, x.size() / 100);
    }
  }
}

}  // namespace
}  // namespace precis
