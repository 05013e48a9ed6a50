// The scales and ranges that every exporter writes, worked out once from weights and calibration.
//
// A scale serves an output channel or the whole tensor of a weight, the whole tensor of an activation, or, in
// block formats, one block. The value of a code is (Decode(code) - zero point) · scale. Ranges are those that
// the job's rules find (TrainingOptions::ranges), so that scales are the ones that the network was measured
// with.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "search/candidate.h"
#include "search/plan.h"
#include "supernet/graph/weight_file.h"

namespace precis::server {

// Of one activation.
struct ActivationScale {
  std::optional<float> scale;  // none in block formats, which find theirs on the fly
  int zero_point = 0;
  float global = 1;   // as LayerScales::weight_global, from calibration
  float max_abs = 0;  // largest magnitude of the calibrated range
  // The range that the format with this scale can hold: smaller values are clipped to min, larger ones to
  // max. None in block formats.
  std::optional<double> min;
  std::optional<double> max;
};

struct LayerScales {
  std::vector<int64_t> weight_shape;  // empty for a product, and so is all that is said of weights
  // One an output channel or tensor; in block formats one a block, channel by channel, blocks in the order
  // kernel row, kernel column, input channel. Empty for a format without scale.
  std::vector<float> weight;
  std::vector<int> weight_zero_points;  // one a scale; empty for a format without
  float weight_global = 1;     // the FP32 scale that block scales are relative to, which they contain
  ActivationScale activation;  // of the input
  std::optional<ActivationScale> second;  // of the second operand of a product, whose format is `weight`
};

// One entry a layer of the plan. FAILED_PRECONDITION, naming the layer, if a calibrated range is missing or
// not finite; DATA_LOSS, naming the tensor, if a weight or a learned range is missing, of another shape, or
// not finite.
absl::StatusOr<std::vector<LayerScales>> ComputeScales(const search::Plan& plan,
                                                       const search::Candidate& candidate,
                                                       const WeightFile& weights);

}  // namespace precis::server
