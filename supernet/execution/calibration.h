// Calibration: the fixed statistics under which one assignment is measured and exported. Internal to
// supernet/execution.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/execution/image_store.h"
#include "supernet/execution/supernet.h"

namespace precis {

struct Calibration {
  std::vector<at::Tensor> mean;      // by node; undefined but for batch norm; shape {channels}, FP32
  std::vector<at::Tensor> variance;  // biased, over all calibration images together
  // As ActivationOperands(), FP32: the range in the operand's format, {} or {2}, and max-abs, {}, of a format
  // without. The mean over the batches of what the rule finds on each; a learned range as it is.
  std::vector<at::Tensor> activation_ranges;
};

// Runs the images once, in order, in batches of at most `batch_size` whose sizes differ by at most one, with
// batch statistics and dynamic ranges. With `norms`, batch norms take those; what is found
// is what the batches have. A function of its
// arguments: equal calls give equal bits. There must be at least one image (checked). Fails as BatchStream
// does.
absl::StatusOr<Calibration> Calibrate(const Supernet& net, const Assignment& assignment,
                                      const ImageStore& images, std::span<const int64_t> indices,
                                      int64_t batch_size, const NormStatistics* norms = nullptr);

}  // namespace precis
