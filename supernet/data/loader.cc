// Threads take a few images at a time of the oldest batch that has any left, so that the first batch is done
// as soon as it can be.
#include "supernet/data/loader.h"

#include <algorithm>
#include <utility>

#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr size_t kImagesAtOnce = 8;

uint64_t ImageSeed(uint64_t seed, uint64_t batch, size_t place) {
  // The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
  uint64_t x = seed + 0x9e3779b97f4a7c15 * ((batch << 20) + place + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

struct BatchLoader::Pending {
  uint64_t number = 0;
  std::vector<int64_t> indices;
  HostBatch batch;
  size_t begun = 0;
  size_t done = 0;
  std::vector<absl::Status> status;  // by image
};

BatchLoader::BatchLoader(const DatasetInfo& info, std::shared_ptr<const ImageSet> images, Next next,
                         const LoaderOptions& options)
    : images_(std::move(images)),
      shape_{info.channels, info.height, info.width, images_->extra},
      next_(std::move(next)),
      options_(options),
      named_(options.first_batch) {
  PRECIS_CHECK(options.threads > 0 && options.ahead > 0);
  for (int64_t i = 0; i < options.threads; ++i) threads_.emplace_back([this] { Work(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  threads_.clear();
}

absl::StatusOr<HostBatch> BatchLoader::Take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return pending_.empty() ? ended_ : pending_.front()->done == pending_.front()->indices.size();
  });
  PRECIS_CHECK(!pending_.empty());
  const std::shared_ptr<Pending> first = std::move(pending_.front());
  pending_.pop_front();
  changed_.notify_all();
  for (const absl::Status& status : first->status) {
    if (!status.ok()) return status;
  }
  return std::move(first->batch);
}

void BatchLoader::Make(Pending& pending, size_t place, uint8_t* scratch) const {
  const auto index = static_cast<size_t>(pending.indices[place]);
  const auto bytes = static_cast<size_t>(shape_.channels * shape_.plane());
  const uint8_t* planes = scratch;
  if (images_->files != nullptr) {
    pending.status[place] = images_->files->Read(pending.indices[place], scratch);
    if (!pending.status[place].ok()) return;
  } else {
    planes = images_->pixels.data() + index * bytes;
  }
  uint8_t* out = pending.batch.pixels.data() + place * static_cast<size_t>(shape_.result());
  pending.batch.labels[place] = images_->labels[index];
  if (options_.augment.Any()) {
    Vary(planes, shape_, options_.augment, ImageSeed(options_.seed, pending.number, place), out);
  } else {
    CutMiddle(planes, shape_, out);
  }
}

void BatchLoader::Work() {
  std::vector<uint8_t> scratch(static_cast<size_t>(shape_.channels * shape_.plane()));
  std::unique_lock lock(mutex_);
  const auto unbegun = [this] {
    return std::find_if(pending_.begin(), pending_.end(),
                        [](const auto& pending) { return pending->begun < pending->indices.size(); });
  };
  while (true) {
    const auto may_name = [this] { return !ended_ && pending_.size() < static_cast<size_t>(options_.ahead); };
    changed_.wait(lock, [&] { return closing_ || may_name() || unbegun() != pending_.end(); });
    if (closing_) return;
    if (unbegun() == pending_.end()) {
      auto pending = std::make_shared<Pending>();
      pending->indices = next_();
      pending->number = named_++;
      const size_t count = pending->indices.size();
      ended_ = count == 0;
      if (!ended_) {
        pending->batch.pixels.resize(count * static_cast<size_t>(shape_.result()));
        pending->batch.labels.resize(count);
        pending->status.resize(count);
        pending_.push_back(std::move(pending));
      }
      changed_.notify_all();
      continue;
    }
    const std::shared_ptr<Pending> pending = *unbegun();
    const size_t begin = pending->begun;
    const size_t end = std::min(pending->indices.size(), begin + kImagesAtOnce);
    pending->begun = end;
    lock.unlock();
    for (size_t place = begin; place < end; ++place) Make(*pending, place, scratch.data());
    lock.lock();
    pending->done += end - begin;
    if (pending->done == pending->indices.size()) changed_.notify_all();
  }
}

}  // namespace precis
