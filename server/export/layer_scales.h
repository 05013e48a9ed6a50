// The scales and ranges that every exporter writes, worked out once from weights and calibration.
//
// A weight has one FP32 scale per output channel, an activation one per tensor; both are
// ScaleForMaxAbs(format, largest magnitude). The value of a code is Decode(code) · scale.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "search/candidate.h"
#include "search/plan.h"
#include "supernet/graph/weight_file.h"

namespace precis::server {

struct LayerScales {
  std::vector<int64_t> weight_shape;
  std::vector<float> weight;     // one an output channel; empty for a format without scale
  float activation = 1;          // 1 for a format without scale
  float activation_max_abs = 0;  // largest calibrated magnitude of the input
  double activation_min = 0;     // the range that the format with this scale can hold: smaller values
  double activation_max = 0;     // are clipped to min, larger ones to max
};

// One entry a layer of the plan. FAILED_PRECONDITION, naming the layer, if a calibrated range is missing or
// not finite; DATA_LOSS, naming the tensor, if a weight is missing, of another shape, or not finite.
absl::StatusOr<std::vector<LayerScales>> ComputeScales(const search::Plan& plan,
                                                       const search::Candidate& candidate,
                                                       const WeightFile& weights);

}  // namespace precis::server
