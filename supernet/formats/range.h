// Ranges: how large the values of an operand are taken to be, from which its scale follows.
//
// For formats with one scale an operand or tensor. A block finds its own scale from its largest magnitude,
// and a format without scale has the range of its element.
//
// Threading: pure functions; they use the calling thread only.
#pragma once

#include <cstddef>
#include <span>

#include "supernet/formats/format.h"

namespace precis {

enum class RangeRule {
  kMaxAbs,      // the largest magnitude
  kPercentile,  // the magnitude that a given share of the values does not exceed; what lies above is clipped
  kMeanSquareError,  // the one with the least squared error between a value and its quantised self
  kMovingAverage,    // of kMaxAbs over the batches seen
  kLearned,          // trained with the weights (LSQ, Esser 2020, arXiv 1902.08153), from kMeanSquareError
                     // on; with a zero point, kMeanSquareError
};

struct RangeMethod {
  RangeRule rule = RangeRule::kMaxAbs;
  double percentile = 99.99;  // kPercentile: above 50, up to 100
};

// low <= 0 <= high. Without zero point low is -high. NaN, both, where the rule meets a NaN or an infinity at
// an end (a percentile may pass by both).
struct ValueRange {
  float low = 0;
  float high = 0;

  bool operator==(const ValueRange&) const = default;
};

// Whether a range decides how the format quantises: it has a scale for operands or tensors, or block scales
// relative to one (then kMaxAbs is the rule whatever is asked for).
bool NeedsRange(const Format& format);

// Whether under the rule the format's range is the largest magnitude, or both ends with a zero point: nothing
// is clipped. Always so for block scales.
bool TakesLargest(const Format& format, RangeRule rule);

// The range of `count` values that share a scale; {0, 0} for none, and for zeros alone.
//   kPercentile       The magnitude of PercentileRank; with a zero point the value of that rank and the one
//                     of the same rank from above, widened to hold 0. Exact, in two passes over memory.
//                     Where that is 0 but not all values are (most of them are 0), kMaxAbs.
//   kMeanSquareError  Of the ranges 2^(-j/8), j = 0…43, times the widest, the best: every fourth is tried,
//                     then the neighbours of the best of them. On 65,536 evenly spaced values at most, and
//                     with rounding to nearest.
// kMovingAverage and kLearned are what they begin with.
ValueRange FindRange(const Format& format, const RangeMethod& method, const float* in, size_t count);

// From 1: the least rank that at least `percentile` of a hundred values do not exceed.
size_t PercentileRank(double percentile, size_t count);

// What FindRange tries, for those who compute elsewhere: factors of the widest range, in the order tried.
std::span<const float> CoarseRangeFactors();
// Those around the best coarse one.
std::span<const float> FineRangeFactors(size_t best_coarse);

// Every how manieth of `count` values kMeanSquareError looks at.
size_t RangeStride(size_t count);

// The scale of a range, and the zero point where the format has one. The range is finite.
struct OperandScale {
  float scale = 1;
  int zero_point = 0;
};
OperandScale ScaleForRange(const Format& format, const ValueRange& range);

}  // namespace precis
