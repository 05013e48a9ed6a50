// The images of one set as bytes on the device, and normalised batches of them. Internal to
// supernet/execution.
//
// Threading: immutable after construction; concurrent reads are safe.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <span>
#include <vector>

#include "supernet/data/dataset.h"

namespace precis {

struct Batch {
  at::Tensor images;  // N×C×H×W FP32, channels last, per channel mean 0 and deviation 1 over the training set
  at::Tensor labels;  // N int64
};

class ImageStore {
 public:
  // Copies the bytes of `images` to the device; a channel whose deviation is 0 is only centred.
  ImageStore(const Dataset& dataset, const ImageSet& images, c10::Device device);

  int64_t size() const { return size_; }

  Batch Get(std::span<const int64_t> indices) const;

 private:
  int64_t size_;
  at::Tensor pixels_;  // N×H×W×C bytes
  at::Tensor labels_;
  at::Tensor scale_;  // C; batch = pixel · scale + shift
  at::Tensor shift_;
};

}  // namespace precis
