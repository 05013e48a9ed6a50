// QualitySum: accuracy and loss of a pass, by labels or by what another network made of the same images.
// Internal to supernet/execution.
//
// Threading: values; not thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/execution/frozen_network.h"
#include "supernet/execution/image_store.h"
#include "supernet/graph/oracle.h"

namespace precis {

// Sums over images, on the device, in double.
class QualitySum {
 public:
  // Cross-entropy, and the share whose most likely class is the label.
  void Add(const at::Tensor& logits, const at::Tensor& labels);
  // Kullback-Leibler divergence from these log-probabilities, and the share with the same most likely class.
  void AddAgainst(const at::Tensor& logits, const at::Tensor& log_probabilities);

  // At least one image must have been added.
  Quality Fetch() const;

 private:
  void AddSums(const at::Tensor& loss, const at::Tensor& correct, int64_t images);

  at::Tensor sums_;
  int64_t images_ = 0;
};

// What a network makes of some images, kept.
class Teacher {
 public:
  // Runs the images once, in batches of at most `batch_size`. Fails as BatchStream does.
  static absl::StatusOr<Teacher> Ask(const FrozenNetwork& network, const ImageStore& images,
                                     std::span<const int64_t> indices, int64_t batch_size);

  // {count, classes}: the log-probabilities of `indices`[begin, begin + count), which must be among those
  // asked (checked).
  at::Tensor LogProbabilities(std::span<const int64_t> indices, size_t begin, int64_t count) const;

 private:
  std::vector<int64_t> rows_;     // by image; -1: not asked
  at::Tensor log_probabilities_;  // {asked, classes}
};

}  // namespace precis
