// The images of one set, on the device as bytes or on the host or in files, and normalised batches of them.
// Internal to supernet/execution.
//
// Threading: immutable after construction; concurrent reads are safe.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "supernet/data/dataset.h"
#include "supernet/data/loader.h"

namespace precis {

struct Batch {
  at::Tensor images;  // N×C×H×W FP32, channels last, per channel mean 0 and deviation 1 over the training set
  at::Tensor labels;  // N int64
};

// Images that a loader reads: those in files, those that may be larger than the network takes, those that are
// varied.
struct HostLoading {
  bool always = false;  // also images in memory of the right size
  int64_t threads = 1;
};

class ImageStore {
 public:
  // Copies the bytes of `images` to the device, unless a loader is to read them; a channel whose deviation is
  // 0 is only centred.
  ImageStore(const Dataset& dataset, ImageSet images, c10::Device device, const HostLoading& loading = {});

  bool on_device() const { return host_ == nullptr; }

  // Of images on the device (checked).
  Batch Get(std::span<const int64_t> indices) const;

  // A loader of images that are not (checked). `next` goes on at batch `first_batch`.
  std::unique_ptr<BatchLoader> MakeLoader(BatchLoader::Next next, const Augmentation& augment, uint64_t seed,
                                          uint64_t first_batch) const;
  // What such a loader made, on the device.
  Batch Finish(const HostBatch& host) const;

 private:
  at::Tensor Normalise(const at::Tensor& bytes) const;

  DatasetInfo info_;
  c10::Device device_;
  int64_t threads_;
  std::shared_ptr<const ImageSet> host_;
  at::Tensor pixels_;  // N×H×W×C bytes
  at::Tensor labels_;
  at::Tensor scale_;  // C; batch = pixel · scale + shift
  at::Tensor shift_;
};

}  // namespace precis
