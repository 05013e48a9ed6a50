// From the device at once, or from a loader.
#include "supernet/execution/batch_stream.h"

#include <chrono>
#include <utility>
#include <vector>

#include "supernet/formats/check.h"

namespace precis {

BatchStream::BatchStream(const ImageStore& images, BatchLoader::Next next, const Augmentation& augment,
                         uint64_t seed)
    : images_(images), augment_(augment), seed_(seed), next_(std::move(next)) {}

void BatchStream::Skip(int64_t batches) {
  PRECIS_CHECK(!begun_);
  for (int64_t i = 0; i < batches; ++i) next_();
  skipped_ += static_cast<uint64_t>(batches);
}

absl::StatusOr<Batch> BatchStream::Take() {
  const auto begin = std::chrono::steady_clock::now();
  absl::StatusOr<Batch> batch = [&]() -> absl::StatusOr<Batch> {
    begun_ = true;
    if (images_.on_device()) return images_.Get(next_());
    if (loader_ == nullptr) loader_ = images_.MakeLoader(std::move(next_), augment_, seed_, skipped_);
    absl::StatusOr<HostBatch> host = loader_->Take();
    if (!host.ok()) return host.status();
    return images_.Finish(*host);
  }();
  seconds_waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return batch;
}

BatchLoader::Next EqualParts(std::span<const int64_t> indices, int64_t batches) {
  return [indices, batches, batch = int64_t{0}]() mutable -> std::vector<int64_t> {
    if (batch == batches) return {};
    const auto total = static_cast<int64_t>(indices.size());
    const int64_t begin = total * batch / batches;
    const int64_t end = total * ++batch / batches;
    return {indices.begin() + begin, indices.begin() + end};
  };
}

}  // namespace precis
