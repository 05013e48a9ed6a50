// Layer tuning: bias correction, learned rounding and GPTQ, which depend on a configuration. Internal to
// supernet/execution.
//
// One walk over the nodes with all images, in the float network and in the rounded one side by side. What a
// layer of the rounded one reads comes from layers that are tuned already, rounded as in a counted
// evaluation: under ranges that are the mean over batches, with batch norms as the oracle has them. At each
// layer:
//
//   learned rounding, GPTQ   choose the weight on the format's grid (weight_grid.h). It replaces the weight,
//   and its
//                            range is kept, so that rounding it anew gives the same codes.
//   bias correction          adds the mean over images and positions of (float - rounded), by channel, to the
//                            bias (Nagel et al. 2019, arXiv 1906.04721, section 4.2, measured as in appendix
//                            D). Both read what the float network has there, so that a layer answers for its
//                            own rounding alone, as Brevitas does it; after learned rounding, which answers
//                            for the layers before it too, the rounded one reads what it would. Where a batch
//                            norm alone reads the layer, its bias takes the correction; there is none if its
//                            statistics are taken anew. A layer without bias in front of something else stays
//                            as it is: a new tensor would be a new network.
//
// Threading: a function of its arguments; it uses LibTorch's intra-op pool.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "supernet/execution/image_store.h"
#include "supernet/execution/supernet.h"
#include "supernet/graph/post_training.h"

namespace precis {

struct TuningImages {
  const ImageStore& store;
  std::span<const int64_t> indices;  // at least one (checked)
  int64_t batch_size;
};

// What batch norms take: of the float network statistics as they are, and those of the rounded one.
struct TuningNorms {
  const NormStatistics& plain;
  const NormStatistics& rounded;
};

// The network that `net` becomes for the assignment; `net` stays as it is. All images are in memory at once,
// with the outputs that are still needed, so of many large ones only the first are taken: as many as make
// about 2 GiB, 32 at least. Fails as BatchStream does; may throw what LibTorch throws.
absl::StatusOr<Supernet> TuneLayers(const Supernet& net, const PostTraining& how,
                                    const Assignment& assignment, const TuningNorms& norms,
                                    const TuningImages& images);

}  // namespace precis
