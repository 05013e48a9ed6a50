// Figures are gathered on the device and fetched together.
#include "supernet/execution/quality_sum.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "supernet/execution/batch_stream.h"
#include "supernet/formats/check.h"

namespace precis {

void QualitySum::Add(const at::Tensor& logits, const at::Tensor& labels) {
  AddSums(at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).to(at::kDouble),
          logits.argmax(1).eq(labels).sum().to(at::kDouble), labels.size(0));
}

void QualitySum::AddAgainst(const at::Tensor& logits, const at::Tensor& log_probabilities) {
  const at::Tensor own = at::log_softmax(logits, 1);
  AddSums((log_probabilities.exp() * (log_probabilities - own)).sum().to(at::kDouble),
          logits.argmax(1).eq(log_probabilities.argmax(1)).sum().to(at::kDouble), logits.size(0));
}

void QualitySum::AddSums(const at::Tensor& loss, const at::Tensor& correct, int64_t images) {
  const at::Tensor sums = at::stack({loss, correct});
  sums_ = sums_.defined() ? sums_ + sums : sums;
  images_ += images;
}

Quality QualitySum::Fetch() const {
  const at::Tensor host = sums_.to(at::kCPU);
  const double* sums = host.data_ptr<double>();
  const auto count = static_cast<double>(images_);
  return {.accuracy = sums[1] / count, .loss = sums[0] / count, .images = images_};
}

absl::StatusOr<Teacher> Teacher::Ask(const FrozenNetwork& network, const ImageStore& images,
                                     std::span<const int64_t> indices, int64_t batch_size) {
  const c10::NoGradGuard no_gradients;
  std::vector<at::Tensor> parts;
  const absl::Status read = ForEachBatch(images, indices, batch_size, [&](const Batch& batch) {
    parts.push_back(at::log_softmax(network.Forward(batch.images), 1));
  });
  if (!read.ok()) return read;
  Teacher teacher;
  teacher.log_probabilities_ = at::cat(parts);
  teacher.rows_.assign(static_cast<size_t>(*std::max_element(indices.begin(), indices.end())) + 1, -1);
  for (size_t i = 0; i < indices.size(); ++i) {
    teacher.rows_[static_cast<size_t>(indices[i])] = static_cast<int64_t>(i);
  }
  return teacher;
}

at::Tensor Teacher::LogProbabilities(std::span<const int64_t> indices, size_t begin, int64_t count) const {
  at::Tensor chosen = at::empty({count}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    const auto image = static_cast<size_t>(indices[begin + static_cast<size_t>(i)]);
    PRECIS_CHECK(image < rows_.size() && rows_[image] >= 0);
    chosen.data_ptr<int64_t>()[i] = rows_[image];
  }
  return log_probabilities_.index_select(0, chosen.to(log_probabilities_.device()));
}

}  // namespace precis
