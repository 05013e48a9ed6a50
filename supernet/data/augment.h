// How one image is varied, from the planes in memory to the pixels that a network is given. Internal to the
// loader.
//
// Threading: pure functions.
#pragma once

#include <cstdint>

#include "supernet/graph/data_options.h"

namespace precis {

struct ImageShape {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t extra = 0;  // more rows and columns in the planes than in the result

  int64_t plane() const { return (height + extra) * (width + extra); }
  int64_t result() const { return channels * height * width; }
};

// Writes H×W×C bytes: the middle of the image.
void CutMiddle(const uint8_t* planes, const ImageShape& shape, uint8_t* out);

// Likewise, varied as `augment` says: a function of its arguments. An image with `extra` is cut at random.
void Vary(const uint8_t* planes, const ImageShape& shape, const Augmentation& augment, uint64_t seed,
          uint8_t* out);

}  // namespace precis
