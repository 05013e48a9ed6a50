// Bytes travel and are stored; floats exist for one batch at a time.
#include "supernet/execution/image_store.h"

#include <ATen/ATen.h>

namespace precis {
namespace {

// A copy of host memory on the device.
template <typename T>
at::Tensor Upload(const std::vector<T>& values, at::IntArrayRef shape, at::ScalarType type,
                  c10::Device device) {
  at::Tensor host = at::empty(shape, type);
  std::copy(values.begin(), values.end(), host.data_ptr<T>());
  return host.to(device);
}

}  // namespace

ImageStore::ImageStore(const Dataset& dataset, const ImageSet& images, c10::Device device)
    : size_(images.count) {
  const DatasetInfo& info = dataset.info;
  pixels_ = Upload(images.pixels, {images.count, info.channels, info.height, info.width}, at::kByte, device)
                .permute({0, 2, 3, 1})
                .contiguous();
  labels_ = Upload(images.labels, {images.count}, at::kByte, device).to(at::kLong);

  std::vector<float> scale;
  std::vector<float> shift;
  for (size_t c = 0; c < dataset.mean.size(); ++c) {
    const float deviation = dataset.stddev[c] > 0 ? dataset.stddev[c] : 1.0f;
    scale.push_back(1.0f / (255.0f * deviation));
    shift.push_back(-dataset.mean[c] / deviation);
  }
  scale_ = Upload(scale, {info.channels}, at::kFloat, device);
  shift_ = Upload(shift, {info.channels}, at::kFloat, device);
}

Batch ImageStore::Get(std::span<const int64_t> indices) const {
  at::Tensor host = at::empty({static_cast<int64_t>(indices.size())}, at::kLong);
  std::copy(indices.begin(), indices.end(), host.data_ptr<int64_t>());
  const at::Tensor chosen = host.to(pixels_.device());
  at::Tensor images = pixels_.index_select(0, chosen).to(at::kFloat);
  images.mul_(scale_).add_(shift_);
  return {.images = images.permute({0, 3, 1, 2}), .labels = labels_.index_select(0, chosen)};
}

}  // namespace precis
