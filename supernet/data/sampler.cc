// Splits and orders from one 64-bit generator, without the standard library's distributions, whose results
// differ between implementations.
#include "supernet/data/sampler.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "supernet/formats/check.h"

namespace precis {

uint64_t UniformBelow(std::mt19937_64& generator, uint64_t bound) {
  PRECIS_CHECK(bound > 0);
  // Draws below 2^64 mod bound would favour small results.
  const uint64_t unfair = (0 - bound) % bound;
  uint64_t draw = generator();
  while (draw < unfair) draw = generator();
  return draw % bound;
}

void Shuffle(std::vector<int64_t>& values, std::mt19937_64& generator) {
  for (size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[UniformBelow(generator, left)]);
  }
}

TrainSearchSplit SplitTrainSearch(std::span<const uint16_t> labels, int classes, int64_t search_images,
                                  uint64_t seed) {
  const auto total = static_cast<int64_t>(labels.size());
  PRECIS_CHECK(total > 0 && classes > 0 && search_images > 0 && search_images < total);

  std::vector<std::vector<int64_t>> members(static_cast<size_t>(classes));
  for (int64_t i = 0; i < total; ++i) {
    const uint16_t label = labels[static_cast<size_t>(i)];
    PRECIS_CHECK(label < classes);
    members[label].push_back(i);
  }

  // Class c gives floor(search · n_0…c / total) - floor(search · n_0…c-1 / total): its share, rounded so that
  // the sum is exact.
  std::mt19937_64 generator(seed);
  TrainSearchSplit split;
  int64_t images_so_far = 0;
  for (std::vector<int64_t>& of_class : members) {
    Shuffle(of_class, generator);
    images_so_far += static_cast<int64_t>(of_class.size());
    const int64_t held_out_so_far = search_images * images_so_far / total;
    const auto held_out =
        static_cast<std::ptrdiff_t>(held_out_so_far - static_cast<int64_t>(split.search.size()));
    split.search.insert(split.search.end(), of_class.begin(), of_class.begin() + held_out);
  }
  std::sort(split.search.begin(), split.search.end());

  size_t next_held_out = 0;
  for (int64_t i = 0; i < total; ++i) {
    if (next_held_out < split.search.size() && split.search[next_held_out] == i) {
      ++next_held_out;
    } else {
      split.train.push_back(i);
    }
  }
  return split;
}

BatchSampler::BatchSampler(std::vector<int64_t> indices, uint64_t seed)
    : indices_(std::move(indices)), generator_(seed) {
  PRECIS_CHECK(!indices_.empty());
  Shuffle(indices_, generator_);
}

std::vector<int64_t> BatchSampler::Next(int64_t batch_size) {
  PRECIS_CHECK(batch_size > 0);
  std::vector<int64_t> batch;
  batch.reserve(static_cast<size_t>(batch_size));
  while (static_cast<int64_t>(batch.size()) < batch_size) {
    if (position_ == indices_.size()) {
      Shuffle(indices_, generator_);
      position_ = 0;
    }
    batch.push_back(indices_[position_++]);
  }
  return batch;
}

}  // namespace precis
