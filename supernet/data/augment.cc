// Windows that may reach beyond the image, mirrored or scaled.
#include "supernet/data/augment.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "supernet/data/image_file.h"

namespace precis {
namespace {

// SplitMix64 (Steele, Lea and Flood 2014): cheap to seed, once for every image.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}

  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  // 0…count-1; the bias of at most count / 2^53 is nobody's concern here.
  int64_t Below(int64_t count) { return static_cast<int64_t>(Uniform() * static_cast<double>(count)); }

 private:
  uint64_t Next() {
    uint64_t x = (state_ += 0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  uint64_t state_;
};

// The window whose upper left corner is given; black beyond the image.
void CutWindow(const uint8_t* planes, const ImageShape& shape, int64_t top, int64_t left, bool flip,
               uint8_t* out) {
  const int64_t rows = shape.height + shape.extra;
  const int64_t columns = shape.width + shape.extra;
  const int64_t first = std::max<int64_t>(0, -left);
  const int64_t last = std::min(shape.width, columns - left);
  if (top < 0 || left < 0 || top + shape.height > rows || left + shape.width > columns) {
    std::fill(out, out + shape.result(), uint8_t{0});
  }
  for (int64_t c = 0; c < shape.channels; ++c) {
    const uint8_t* plane = planes + c * shape.plane();
    for (int64_t y = std::max<int64_t>(0, -top); y < std::min(shape.height, rows - top); ++y) {
      const uint8_t* from = plane + (top + y) * columns + left;
      uint8_t* to = out + y * shape.width * shape.channels + c;
      for (int64_t x = first; x < last; ++x) {
        to[(flip ? shape.width - 1 - x : x) * shape.channels] = from[x];
      }
    }
  }
}

struct Part {
  int64_t top, left, height, width;
};

// As torchvision's RandomResizedCrop: ten tries, then everything.
Part DrawPart(int64_t rows, int64_t columns, double least_area, Draws& draws) {
  const double longest = std::log(4.0 / 3);
  for (int i = 0; i < 10; ++i) {
    const double area =
        static_cast<double>(rows * columns) * (least_area + (1 - least_area) * draws.Uniform());
    const double ratio = std::exp(longest * (2 * draws.Uniform() - 1));
    const int64_t width = std::llround(std::sqrt(area * ratio));
    const int64_t height = std::llround(std::sqrt(area / ratio));
    if (width < 1 || height < 1 || width > columns || height > rows) continue;
    return {draws.Below(rows - height + 1), draws.Below(columns - width + 1), height, width};
  }
  return {0, 0, rows, columns};
}

void ScalePart(const uint8_t* planes, const ImageShape& shape, const Part& part, bool flip, uint8_t* out) {
  const int64_t columns = shape.width + shape.extra;
  const ImageShape scaled{shape.channels, shape.height, shape.width, 0};
  std::vector<uint8_t> buffer(static_cast<size_t>(scaled.result()));
  for (int64_t c = 0; c < shape.channels; ++c) {
    ScalePlane(planes + c * shape.plane() + part.top * columns + part.left, part.height, part.width, columns,
               shape.height, shape.width, buffer.data() + c * scaled.plane());
  }
  CutWindow(buffer.data(), scaled, 0, 0, flip, out);
}

}  // namespace

void CutMiddle(const uint8_t* planes, const ImageShape& shape, uint8_t* out) {
  CutWindow(planes, shape, shape.extra / 2, shape.extra / 2, false, out);
}

void Vary(const uint8_t* planes, const ImageShape& shape, const Augmentation& augment, uint64_t seed,
          uint8_t* out) {
  Draws draws(seed);
  const bool flip = augment.flip && draws.Uniform() < 0.5;
  if (augment.resized_crop > 0) {
    const Part part =
        DrawPart(shape.height + shape.extra, shape.width + shape.extra, augment.resized_crop, draws);
    ScalePart(planes, shape, part, flip, out);
    return;
  }
  const int64_t places = shape.extra + 2 * augment.crop_padding + 1;
  const int64_t top = draws.Below(places) - augment.crop_padding;
  const int64_t left = draws.Below(places) - augment.crop_padding;
  CutWindow(planes, shape, top, left, flip, out);
}

}  // namespace precis
