// Flat branch-free loops for the vectoriser; one body for all instruction sets (see
// supernet/formats/kernels.cc for why the set is picked by hand).
#include "supernet/execution/norm_kernels.h"

#define PRECIS_INLINE inline __attribute__((always_inline))
#define PRECIS_RESTRICT __restrict__

namespace precis {
namespace {

PRECIS_INLINE void MomentsLoop(const NormTile& tile, const float* PRECIS_RESTRICT x,
                               float* PRECIS_RESTRICT sum, float* PRECIS_RESTRICT squares) {
  const float* PRECIS_RESTRICT mean = tile.mean;
  const int64_t width = tile.width;
  for (int64_t t = 0; t < tile.tiles; ++t, x += width) {
    for (int64_t i = 0; i < width; ++i) {
      const float centred = x[i] - mean[i];
      sum[i] += centred;
      squares[i] += centred * centred;
    }
  }
}

PRECIS_INLINE float Clamped(float z, float lowest, float highest) {
  z = z < lowest ? lowest : z;  // false for NaN, which stays visible
  return z > highest ? highest : z;
}

template <bool kResidual, bool kPasses>
PRECIS_INLINE void ApplyTiles(const NormTile& tile, const float* PRECIS_RESTRICT x,
                              const float* PRECIS_RESTRICT residual, float* PRECIS_RESTRICT y,
                              uint8_t* PRECIS_RESTRICT passes) {
  const float* PRECIS_RESTRICT scale = tile.scale;
  const float* PRECIS_RESTRICT shift = tile.shift;
  const int64_t width = tile.width;
  const float lowest = tile.lowest;
  const float highest = tile.highest;
  for (int64_t t = 0; t < tile.tiles; ++t) {
    const int64_t begin = t * width;
    for (int64_t i = 0; i < width; ++i) {
      float z = x[begin + i] * scale[i] + shift[i];
      if constexpr (kResidual) z += residual[begin + i];
      y[begin + i] = Clamped(z, lowest, highest);
      if constexpr (kPasses) passes[begin + i] = (z > lowest) & (z < highest);
    }
  }
}

PRECIS_INLINE void ApplyLoop(const NormTile& tile, const float* x, const float* residual, float* y,
                             uint8_t* passes) {
  if (residual == nullptr) return ApplyTiles<false, false>(tile, x, residual, y, passes);
  if (passes == nullptr) return ApplyTiles<true, false>(tile, x, residual, y, passes);
  ApplyTiles<true, true>(tile, x, residual, y, passes);
}

PRECIS_INLINE void GradientSumsLoop(const NormTile& tile, const float* PRECIS_RESTRICT dy,
                                    const float* PRECIS_RESTRICT x, float* PRECIS_RESTRICT sum,
                                    float* PRECIS_RESTRICT moment) {
  const float* PRECIS_RESTRICT scale = tile.scale;
  const float* PRECIS_RESTRICT shift = tile.shift;
  const float* PRECIS_RESTRICT mean = tile.mean;
  const int64_t width = tile.width;
  const float lowest = tile.lowest;
  const float highest = tile.highest;
  for (int64_t t = 0; t < tile.tiles; ++t, x += width, dy += width) {
    for (int64_t i = 0; i < width; ++i) {
      const float z = x[i] * scale[i] + shift[i];
      const float g = (z > lowest) & (z < highest) ? dy[i] : 0.0f;
      sum[i] += g;
      moment[i] += g * (x[i] - mean[i]);
    }
  }
}

PRECIS_INLINE void MaskedGradientSumsLoop(const NormTile& tile, const float* PRECIS_RESTRICT dy,
                                          const float* PRECIS_RESTRICT x,
                                          const uint8_t* PRECIS_RESTRICT passes, float* PRECIS_RESTRICT g,
                                          float* PRECIS_RESTRICT sum, float* PRECIS_RESTRICT moment) {
  const float* PRECIS_RESTRICT mean = tile.mean;
  const int64_t width = tile.width;
  for (int64_t t = 0; t < tile.tiles; ++t, x += width, dy += width, passes += width, g += width) {
    for (int64_t i = 0; i < width; ++i) {
      const float gradient = passes[i] != 0 ? dy[i] : 0.0f;
      g[i] = gradient;
      sum[i] += gradient;
      moment[i] += gradient * (x[i] - mean[i]);
    }
  }
}

PRECIS_INLINE void GradientInputLoop(const NormTile& tile, const float* PRECIS_RESTRICT dy,
                                     const float* PRECIS_RESTRICT x, const float* PRECIS_RESTRICT slope,
                                     const float* PRECIS_RESTRICT offset, float* PRECIS_RESTRICT dx) {
  const float* PRECIS_RESTRICT scale = tile.scale;
  const float* PRECIS_RESTRICT shift = tile.shift;
  const float* PRECIS_RESTRICT mean = tile.mean;
  const int64_t width = tile.width;
  const float lowest = tile.lowest;
  const float highest = tile.highest;
  for (int64_t t = 0; t < tile.tiles; ++t, x += width, dy += width, dx += width) {
    for (int64_t i = 0; i < width; ++i) {
      const float z = x[i] * scale[i] + shift[i];
      const float g = (z > lowest) & (z < highest) ? dy[i] : 0.0f;
      dx[i] = scale[i] * g + slope[i] * (x[i] - mean[i]) + offset[i];
    }
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute cannot stand in parentheses.
#define PRECIS_NORM_SET(SET, TARGET)                                                                        \
  TARGET void Moments##SET(const NormTile& tile, const float* x, float* sum, float* squares) {              \
    MomentsLoop(tile, x, sum, squares);                                                                     \
  }                                                                                                         \
  TARGET void Apply##SET(const NormTile& tile, const float* x, const float* residual, float* y,             \
                         uint8_t* passes) {                                                                 \
    ApplyLoop(tile, x, residual, y, passes);                                                                \
  }                                                                                                         \
  TARGET void GradientSums##SET(const NormTile& tile, const float* dy, const float* x, float* sum,          \
                                float* moment) {                                                            \
    GradientSumsLoop(tile, dy, x, sum, moment);                                                             \
  }                                                                                                         \
  TARGET void MaskedGradientSums##SET(const NormTile& tile, const float* dy, const float* x,                \
                                      const uint8_t* passes, float* g, float* sum, float* moment) {         \
    MaskedGradientSumsLoop(tile, dy, x, passes, g, sum, moment);                                            \
  }                                                                                                         \
  TARGET void GradientInput##SET(const NormTile& tile, const float* dy, const float* x, const float* slope, \
                                 const float* offset, float* dx) {                                          \
    GradientInputLoop(tile, dy, x, slope, offset, dx);                                                      \
  }                                                                                                         \
  constexpr NormKernels k##SET = {Moments##SET, Apply##SET, GradientSums##SET, MaskedGradientSums##SET,     \
                                  GradientInput##SET};
// NOLINTEND(bugprone-macro-parentheses)

PRECIS_NORM_SET(Portable, )

#ifdef __x86_64__
PRECIS_NORM_SET(Avx2, __attribute__((target("avx2,fma"))))
PRECIS_NORM_SET(Avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"))))

const NormKernels& Pick() {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx512 ? kAvx512 : avx2 ? kAvx2 : kPortable;
}
#else
const NormKernels& Pick() { return kPortable; }
#endif

}  // namespace

const NormKernels& BestNormKernels() {
  static const NormKernels& best = Pick();
  return best;
}

}  // namespace precis
