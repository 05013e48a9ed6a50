// How a data set's images are read, prepared and varied: part of what a job says, and what the loader obeys.
#pragma once

#include <cstdint>
#include <vector>

namespace precis {

enum class CorruptFiles {
  kFail,  // the job fails, naming them
  kSkip,  // they are left out and counted
};

// How training images are varied; evaluations never are. Everything off: images as they are. A function of
// the seed, the step and the place in the batch alone.
struct Augmentation {
  // Black pixels added on every side before an image of the right size is cut out at random; 0…64.
  int64_t crop_padding = 0;
  // In place of that: a random part of the image, at least this share of its area, with 3:4 to 4:3 of its
  // sides, scaled to the right size. 0: off; ImageNet's customary value is 0.08. 0…1.
  double resized_crop = 0;
  bool flip = false;  // left and right change places in half of the images

  bool Any() const { return crop_padding > 0 || resized_crop > 0 || flip; }
  bool operator==(const Augmentation&) const = default;
};

enum class ChannelOrder { kRgb, kBgr };

struct DataOptions {
  // What the network sees of a pixel of 0…255 in channel c: (pixel / 255 - mean[c]) / standard_deviation[c].
  // Empty: those of the training images. A network that was trained elsewhere needs those it was trained
  // with. One a channel, in the order in which the network takes them; deviations above 0.
  std::vector<double> mean = {};
  std::vector<double> standard_deviation = {};
  ChannelOrder channel_order = ChannelOrder::kRgb;  // of colour images

  // image_folder only. An image's short side is scaled to `resize` and the middle square of image_size is cut
  // out.
  int64_t channels = 3;    // 1: grey, 3: colour
  int64_t image_size = 0;  // 8…1024; 0: the short side of the first training image, 224 at most
  int64_t resize = 0;      // image_size…2048; 0: image_size
  CorruptFiles corrupt_files = CorruptFiles::kFail;

  Augmentation augment = {};

  // No matter for the results.
  int64_t loader_threads = 0;  // 0…256; 0: as many as suit the machine
  int64_t memory_mib = 2048;  // images that fit in are decoded once; others whenever they are needed; 0…2^24
};

}  // namespace precis
