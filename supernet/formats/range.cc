// Order statistics by counting, and a search over ranges.
#include "supernet/formats/range.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "supernet/formats/check.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/scalar.h"

namespace precis {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr ValueRange kNoRange = {kNan, kNan};

constexpr size_t kCoarse = 11;
constexpr size_t kCoarseStep = 4;  // eighths of a binade
constexpr size_t kFineReach = kCoarseStep - 1;
constexpr size_t kMostSamples = 65536;

float Factor(size_t eighths) { return static_cast<float>(std::exp2(-static_cast<double>(eighths) / 8)); }

struct Factors {
  Factors() {
    for (size_t c = 0; c < kCoarse; ++c) {
      coarse[c] = Factor(c * kCoarseStep);
      for (size_t by = 1; by <= kFineReach; ++by) {
        if (c > 0) fine[c].push_back(Factor(c * kCoarseStep - by));
        fine[c].push_back(Factor(c * kCoarseStep + by));
      }
    }
  }
  std::array<float, kCoarse> coarse;
  std::array<std::vector<float>, kCoarse> fine;
};

const Factors& RangeFactors() {
  static const auto& factors = *new Factors();
  return factors;
}

// Orders all floats, NaN of either sign above everything.
uint32_t OrderedBits(float x) {
  if (std::isnan(x)) return ~uint32_t{0};
  const auto bits = std::bit_cast<uint32_t>(x);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000;
}

float FromOrderedBits(uint32_t key) {
  if (key == ~uint32_t{0}) return kNan;
  return std::bit_cast<float>((key >> 31) != 0 ? key & 0x7FFFFFFF : ~key);
}

// The rank-th smallest key, from 1.
template <typename Key>
uint32_t KeyOfRank(const float* in, size_t count, size_t rank, const Key& key) {
  constexpr size_t kCountingFrom = 32768;  // fewer are sorted sooner than 2 · 65,536 counters are cleared
  if (count < kCountingFrom) {
    std::vector<uint32_t> keys(count);
    for (size_t i = 0; i < count; ++i) keys[i] = key(in[i]);
    const auto at = keys.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(keys.begin(), at, keys.end());
    return *at;
  }
  std::vector<size_t> counts(65536);
  const auto bin_of_rank = [&] {
    uint32_t bin = 0;
    while (counts[bin] < rank) rank -= counts[bin++];
    return bin;
  };
  for (size_t i = 0; i < count; ++i) ++counts[key(in[i]) >> 16];
  const uint32_t high = bin_of_rank();
  std::fill(counts.begin(), counts.end(), 0);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t k = key(in[i]);
    counts[k & 0xFFFF] += k >> 16 == high ? 1 : 0;
  }
  return high << 16 | bin_of_rank();
}

bool IsZero(const ValueRange& range) { return range.low == 0 && range.high == 0; }

ValueRange Checked(const ValueRange& range) {
  return std::isfinite(range.low) && std::isfinite(range.high) ? range : kNoRange;
}

ValueRange Widest(const Format& format, const float* in, size_t count) {
  if (!format.scale.zero_point) {
    const float max_abs = MaxAbs(in, count);
    return Checked({-max_abs, max_abs});
  }
  float low = 0, high = 0;
  for (size_t i = 0; i < count; ++i) {
    if (std::isnan(in[i])) return kNoRange;
    low = std::min(low, in[i]);
    high = std::max(high, in[i]);
  }
  return Checked({low, high});
}

ValueRange OfPercentile(const Format& format, double percentile, const float* in, size_t count) {
  const size_t rank = PercentileRank(percentile, count);
  if (format.scale.zero_point) {
    const float high = FromOrderedBits(KeyOfRank(in, count, rank, OrderedBits));
    const float low = FromOrderedBits(KeyOfRank(in, count, count - rank + 1, OrderedBits));
    if (std::isnan(high) || std::isnan(low)) return kNoRange;
    return Checked({std::min(low, 0.0f), std::max(high, 0.0f)});
  }
  const auto magnitude = [](float x) { return std::bit_cast<uint32_t>(x) & 0x7FFFFFFF; };
  const auto max_abs = std::bit_cast<float>(KeyOfRank(in, count, rank, magnitude));
  return Checked({-max_abs, max_abs});
}

double SquaredError(const Format& format, const ValueRange& range, const std::vector<float>& values) {
  constexpr size_t kChunk = 1024;
  std::array<float, kChunk> rounded;
  const OperandScale scale = ScaleForRange(format, range);
  double error = 0;
  for (size_t begin = 0; begin < values.size(); begin += kChunk) {
    const size_t count = std::min(kChunk, values.size() - begin);
    const float* in = values.data() + begin;
    if (format.scale.zero_point) {
      QuantizeAffineSpan(format.element, scale.scale, scale.zero_point, in, rounded.data(), count);
    } else {
      QuantizeSpan(format.element, scale.scale, in, rounded.data(), count);
    }
    for (size_t i = 0; i < count; ++i) {
      const double off = static_cast<double>(in[i]) - rounded[i];
      error += off * off;
    }
  }
  return error;
}

ValueRange OfLeastError(const Format& format, const float* in, size_t count) {
  const ValueRange widest = Widest(format, in, count);
  if (std::isnan(widest.high) || IsZero(widest)) return widest;
  std::vector<float> values;
  const size_t stride = RangeStride(count);
  values.reserve(count / stride + 1);
  for (size_t i = 0; i < count; i += stride) values.push_back(in[i]);

  ValueRange best = widest;
  double least = std::numeric_limits<double>::infinity();
  // The index of the best; factors.size() if none is better than what is known.
  const auto try_all = [&](std::span<const float> factors) {
    size_t index = factors.size();
    for (size_t i = 0; i < factors.size(); ++i) {
      const ValueRange range = {widest.low * factors[i], widest.high * factors[i]};
      const double error = SquaredError(format, range, values);
      if (error < least) {
        least = error;
        best = range;
        index = i;
      }
    }
    return index;
  };
  const size_t coarse = try_all(CoarseRangeFactors());
  if (coarse < kCoarse) try_all(FineRangeFactors(coarse));
  return best;
}

}  // namespace

bool NeedsRange(const Format& format) {
  return IsScaled(format) && (!IsBlockScaled(format) || format.scale.global);
}

bool TakesLargest(const Format& format, RangeRule rule) {
  return IsBlockScaled(format) || rule == RangeRule::kMaxAbs || rule == RangeRule::kMovingAverage;
}

size_t PercentileRank(double percentile, size_t count) {
  PRECIS_CHECK(percentile > 50 && percentile <= 100 && count > 0);
  const auto wanted = static_cast<size_t>(std::ceil(percentile * static_cast<double>(count) / 100));
  return std::clamp<size_t>(wanted, 1, count);
}

ValueRange FindRange(const Format& format, const RangeMethod& method, const float* in, size_t count) {
  if (count == 0) return {};
  if (TakesLargest(format, method.rule)) return Widest(format, in, count);
  switch (method.rule) {
    case RangeRule::kMaxAbs:
    case RangeRule::kMovingAverage:
      return Widest(format, in, count);
    case RangeRule::kPercentile: {
      const ValueRange range = OfPercentile(format, method.percentile, in, count);
      return IsZero(range) ? Widest(format, in, count) : range;
    }
    case RangeRule::kMeanSquareError:
    case RangeRule::kLearned:
      return IsScaled(format) ? OfLeastError(format, in, count) : Widest(format, in, count);
  }
  PRECIS_CHECK(false);
}

std::span<const float> CoarseRangeFactors() { return RangeFactors().coarse; }

std::span<const float> FineRangeFactors(size_t best_coarse) {
  PRECIS_CHECK(best_coarse < kCoarse);
  return RangeFactors().fine[best_coarse];
}

size_t RangeStride(size_t count) { return std::max<size_t>(1, (count + kMostSamples - 1) / kMostSamples); }

OperandScale ScaleForRange(const Format& format, const ValueRange& range) {
  if (!format.scale.zero_point) return {ScaleForMaxAbs(format, range.high), 0};
  const AffineScale affine = AffineScaleForRange(format.element, range.low, range.high);
  return {affine.scale, affine.zero_point};
}

}  // namespace precis
