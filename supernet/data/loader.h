// BatchLoader: threads that read, cut and vary images ahead of whoever trains on them.
//
// Batches come in the order in which `next` names them, whatever the threads do; what is in them is a
// function of the images, the options' seed, the batch's number and the place within it. Memory is bounded:
// at most `ahead` batches that nobody has taken yet.
//
// Threading: one user; `next` is called from the loader's threads, never by two at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/data/augment.h"
#include "supernet/data/dataset.h"

namespace precis {

struct LoaderOptions {
  int64_t threads = 1;
  int64_t ahead = 4;
  Augmentation augment = {};
  uint64_t seed = 0;
  uint64_t first_batch = 0;  // number of the first that `next` names
};

struct HostBatch {
  std::vector<uint8_t> pixels;  // N×H×W×C
  std::vector<int64_t> labels;
};

class BatchLoader {
 public:
  // Names the images of the next batch; none: there is no more.
  using Next = std::function<std::vector<int64_t>()>;

  BatchLoader(const DatasetInfo& info, std::shared_ptr<const ImageSet> images, Next next,
              const LoaderOptions& options);
  // Waits for the images being read.
  ~BatchLoader();

  // The next batch, waited for if need be. The error of the first of its images that cannot be read. Not to
  // be called once `next` has said that there is no more (checked).
  absl::StatusOr<HostBatch> Take();

 private:
  struct Pending;

  void Work();
  void Make(Pending& batch, size_t image, uint8_t* scratch) const;

  const std::shared_ptr<const ImageSet> images_;
  const ImageShape shape_;
  const Next next_;
  const LoaderOptions options_;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Pending>> pending_;  // in order; not taken yet
  uint64_t named_;
  bool ended_ = false;
  bool closing_ = false;

  std::vector<std::jthread> threads_;
};

}  // namespace precis
