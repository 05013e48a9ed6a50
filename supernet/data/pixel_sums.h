// Exact sums over the bytes of images, which do not depend on the order of summation. Internal to
// supernet/data.
//
// Threading: not thread-safe; one each, then added up.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace precis {

class PixelSums {
 public:
  explicit PixelSums(int64_t channels) : channels_(static_cast<size_t>(channels)) {}

  // One image: planes of `plane` bytes.
  void Add(const uint8_t* pixels, int64_t plane) {
    for (Channel& channel : channels_) {
      for (int64_t i = 0; i < plane; ++i) {
        channel.sum += pixels[i];
        channel.squares += uint64_t{pixels[i]} * pixels[i];
      }
      pixels += plane;
    }
    count_ += plane;
  }

  void Add(const PixelSums& other) {
    for (size_t c = 0; c < channels_.size(); ++c) {
      channels_[c].sum += other.channels_[c].sum;
      channels_[c].squares += other.channels_[c].squares;
    }
    count_ += other.count_;
  }

  // Appends mean and deviation of each channel, of pixels scaled to 0…1. At least one image.
  void Finish(std::vector<float>& mean, std::vector<float>& stddev) const {
    const auto count = static_cast<double>(count_);
    for (const Channel& channel : channels_) {
      const double average = static_cast<double>(channel.sum) / count;
      const double variance = static_cast<double>(channel.squares) / count - average * average;
      mean.push_back(static_cast<float>(average / 255));
      stddev.push_back(static_cast<float>(std::sqrt(std::max(variance, 0.0)) / 255));
    }
  }

 private:
  struct Channel {
    uint64_t sum = 0;
    uint64_t squares = 0;
  };
  std::vector<Channel> channels_;
  int64_t count_ = 0;
};

}  // namespace precis
