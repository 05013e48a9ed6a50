// How the fused batch norm walks memory, and how it sums. Internal to supernet/execution.
//
// Threading: ForEachPiece runs in LibTorch's intra-op pool; one PairSums may be fed by all parts at once.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "supernet/execution/norm_kernels.h"

namespace precis {

inline constexpr int64_t kNormTileWidth = 256;  // floats, at least, in a tile
inline constexpr int64_t kNormChunk = 16384;    // about as many in a chunk
// Of the batch; a constant, so that sums do not depend on the threads.
inline constexpr int64_t kNormParts = 64;

// How a channels-last tensor of `size` elements is cut: into tiles for the kernels, chunks of tiles that stay
// in the nearest cache, and parts of chunks that run in parallel. A function of the shape alone, never of the
// thread count, so that neither are the sums.
class NormLayout {
 public:
  NormLayout(int64_t size, int64_t channels)
      : channels_(channels),
        size_(size),
        width_(channels_ * std::max<int64_t>(1, (kNormTileWidth + channels_ - 1) / channels_)),
        chunk_(width_ * std::max<int64_t>(1, kNormChunk / width_)),
        parts_(std::clamp<int64_t>(size_ / chunk_, 1, kNormParts)) {}

  int64_t channels() const { return channels_; }
  int64_t pixels() const { return size_ / channels_; }
  int64_t parts() const { return parts_; }

  // `per_channel` repeated to a tile's width.
  std::vector<float> Repeat(const std::vector<float>& per_channel) const {
    std::vector<float> tile(static_cast<size_t>(width_));
    for (size_t i = 0; i < tile.size(); ++i) tile[i] = per_channel[i % per_channel.size()];
    return tile;
  }

  // Runs `run(part, tile, begin)` for every piece of every part, in parallel over parts and in order within
  // one; `tile` is a copy of `prototype` with its extent filled in.
  template <typename Run>
  void ForEachPiece(const NormTile& prototype, const Run& run) const {
    const int64_t chunks = (size_ + chunk_ - 1) / chunk_;
    at::parallel_for(0, parts_, 1, [&](int64_t first, int64_t last) {
      for (int64_t part = first; part < last; ++part) {
        for (int64_t chunk = chunks * part / parts_; chunk < chunks * (part + 1) / parts_; ++chunk) {
          const int64_t begin = chunk * chunk_;
          const int64_t count = std::min(chunk_, size_ - begin);
          NormTile tile = prototype;
          tile.width = width_;
          tile.tiles = count / width_;
          if (tile.tiles > 0) run(part, tile, begin);
          const int64_t whole = tile.tiles * width_;
          if (whole == count) continue;
          tile.width = count - whole;
          tile.tiles = 1;
          run(part, tile, begin + whole);
        }
      }
    });
  }

 private:
  int64_t channels_;
  int64_t size_;
  int64_t width_;
  int64_t chunk_;
  int64_t parts_;
};

// Two sums for each channel, gathered by part.
class PairSums {
 public:
  explicit PairSums(const NormLayout& layout)
      : channels_(static_cast<size_t>(layout.channels())),
        totals_(static_cast<size_t>(layout.parts()), std::vector<double>(2 * channels_)) {}

  // Runs accumulate(first, second) on zeroed tiles and adds them to the part's totals.
  template <typename Accumulate>
  void Add(int64_t part, int64_t width, const Accumulate& accumulate) {
    thread_local std::vector<float> tiles;
    const auto count = static_cast<size_t>(width);
    tiles.assign(2 * count, 0.0f);
    accumulate(tiles.data(), tiles.data() + count);
    double* totals = totals_[static_cast<size_t>(part)].data();
    for (size_t begin = 0; begin < count; begin += channels_) {
      for (size_t c = 0; c < channels_; ++c) {
        totals[c] += tiles[begin + c];
        totals[channels_ + c] += tiles[count + begin + c];
      }
    }
  }

  // {first sums, second sums}, channel by channel.
  std::vector<double> Totals() const {
    std::vector<double> sums(2 * channels_);
    for (const std::vector<double>& part : totals_) {
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += part[i];
    }
    return sums;
  }

 private:
  size_t channels_;
  std::vector<std::vector<double>> totals_;
};

}  // namespace precis
