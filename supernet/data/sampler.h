// Deterministic splits and orders of image indices.
//
// Threading: not thread-safe; one user each.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace precis {

// Uniform integer in [0, bound) from a 64-bit generator, the same on every platform (the standard's own
// distributions are not). bound > 0.
uint64_t UniformBelow(std::mt19937_64& generator, uint64_t bound);

// Fisher–Yates with UniformBelow.
void Shuffle(std::vector<int64_t>& values, std::mt19937_64& generator);

struct TrainSearchSplit {
  std::vector<int64_t> train;   // indices into the training images
  std::vector<int64_t> search;  // held out of them
};

// Holds out `search_images` of the training images, the same share of every class (to within one image),
// chosen by `seed`. Both lists ascend. 0 < search_images < labels.size(), labels < classes (checked).
TrainSearchSplit SplitTrainSearch(std::span<const uint16_t> labels, int classes, int64_t search_images,
                                  uint64_t seed);

// Endless batches: every epoch is a fresh permutation of `indices`, cut into batches; a batch may span
// two epochs, so each has exactly `batch_size` entries and no image is left out.
class BatchSampler {
 public:
  BatchSampler(std::vector<int64_t> indices, uint64_t seed);
  std::vector<int64_t> Next(int64_t batch_size);

 private:
  std::vector<int64_t> indices_;
  std::mt19937_64 generator_;
  size_t position_ = 0;
};

}  // namespace precis
