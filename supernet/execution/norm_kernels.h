// The loops of batch normalisation fused with what follows it, over channels-last FP32 memory. Internal to
// supernet/execution; free of LibTorch.
//
// Memory is seen as `tiles` tiles of `width` floats, a tile being some whole pixels: per-channel numbers come
// repeated to a tile's width, so that every loop is long and flat whatever the number of channels. A
// channel's numbers are at i, i + channels, i + 2·channels, … of such an array, sums included.
//
// The binary runs on every x86-64: each loop is compiled for several instruction sets and the best is picked
// at run time. Results differ between sets in the last bits, never between runs or threads.
// Threading: pure functions; they use the calling thread only.
#pragma once

#include <cstdint>

namespace precis {

// z = x · scale + shift, plus the residual where there is one; y = z clamped to lowest … highest. The
// gradient passes where lowest < z < highest.
struct NormTile {
  int64_t width = 0;
  int64_t tiles = 0;
  const float* scale = nullptr;
  const float* shift = nullptr;
  const float* mean = nullptr;
  float lowest = 0;
  float highest = 0;
};

struct NormKernels {
  // sum += x - mean, squares += (x - mean)²; `mean` is any number near the data.
  void (*moments)(const NormTile& tile, const float* x, float* sum, float* squares);
  // residual and passes (1 where the gradient passes) may be null.
  void (*apply)(const NormTile& tile, const float* x, const float* residual, float* y, uint8_t* passes);
  // g = dy where z, computed without a residual, lets it pass; sum += g, moment += g · (x - mean).
  void (*gradient_sums)(const NormTile& tile, const float* dy, const float* x, float* sum, float* moment);
  // The same where `passes` says; g is written too.
  void (*masked_gradient_sums)(const NormTile& tile, const float* dy, const float* x, const uint8_t* passes,
                               float* g, float* sum, float* moment);
  // dx = scale · g + slope · (x - mean) + offset, with g as in gradient_sums.
  void (*gradient_input)(const NormTile& tile, const float* dy, const float* x, const float* slope,
                         const float* offset, float* dx);
};

// The best set that this machine can run.
const NormKernels& BestNormKernels();

}  // namespace precis
