// BatchStream: batches of an ImageStore in an order that is known beforehand, read ahead where that takes
// time. Internal to supernet/execution.
//
// Threading: not thread-safe; one user each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/execution/image_store.h"

namespace precis {

class BatchStream {
 public:
  // `next` names the images of one batch after another; it may be called ahead, from another thread. The
  // images must outlive the stream. Variation is for images that a loader reads.
  BatchStream(const ImageStore& images, BatchLoader::Next next, const Augmentation& augment = {},
              uint64_t seed = 0);

  // The error of an image that cannot be read any more.
  absl::StatusOr<Batch> Take();

  // Begins behind the first `batches`, whose images are not read. Before the first Take (checked).
  void Skip(int64_t batches);

  double seconds_waited() const { return seconds_waited_; }

 private:
  const ImageStore& images_;
  const Augmentation augment_;
  const uint64_t seed_;
  BatchLoader::Next next_;               // of images on the device; of others until the loader has it
  std::unique_ptr<BatchLoader> loader_;  // of others, from the first Take on
  uint64_t skipped_ = 0;
  bool begun_ = false;
  double seconds_waited_ = 0;
};

// `indices` cut into `batches` consecutive parts, as equal as can be.
BatchLoader::Next EqualParts(std::span<const int64_t> indices, int64_t batches);

// Calls run(batch) for consecutive parts of at most `size` indices.
template <typename Run>
absl::Status ForEachBatch(const ImageStore& images, std::span<const int64_t> indices, int64_t size,
                          const Run& run) {
  auto left = indices;
  BatchStream stream(images, [left, size]() mutable {
    const auto part = left.first(std::min(left.size(), static_cast<size_t>(size)));
    left = left.subspan(part.size());
    return std::vector<int64_t>(part.begin(), part.end());
  });
  for (size_t begin = 0; begin < indices.size(); begin += static_cast<size_t>(size)) {
    const absl::StatusOr<Batch> batch = stream.Take();
    if (!batch.ok()) return batch.status();
    run(*batch);
  }
  return absl::OkStatus();
}

}  // namespace precis
