// NoiseScores: what rounding the operands of single layers does (NoiseMeasure). Internal to
// supernet/execution.
//
// Threading: a pure function; it uses LibTorch's intra-op pool.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "supernet/execution/image_store.h"
#include "supernet/execution/supernet.h"
#include "supernet/graph/oracle.h"

namespace precis {

// Runs the images once, in order, in batches of at most `batch_size`, under `base`, with batch statistics
// and ranges as in a training step; kFisher also backwards. In each batch every layer is then read in each
// of its options, from the inputs that it had: weights and inputs are rounded from FP32, under the learned
// range if there is one, else what the rule finds, and stochastic formats as in a probe. Sums are in double;
// noise over signal is that of a batch, and its mean over all images.
//
// `options` has an entry for every layer (checked); there must be an image (checked). Fails as BatchStream
// does.
absl::StatusOr<LayerScores> MeasureNoise(const Supernet& net, NoiseMeasure measure, const Assignment& base,
                                         const LayerOptions& options, const ImageStore& images,
                                         std::span<const int64_t> indices, int64_t batch_size);

}  // namespace precis
