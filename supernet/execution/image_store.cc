// Bytes travel and are stored; floats exist for one batch at a time.
#include "supernet/execution/image_store.h"

#include <ATen/ATen.h>

#include <utility>

#include "supernet/formats/check.h"

namespace precis {
namespace {

// A copy of host memory on the device.
template <typename T, typename Values>
at::Tensor Upload(const Values& values, at::IntArrayRef shape, at::ScalarType type, c10::Device device) {
  at::Tensor host = at::empty(shape, type);
  std::copy(values.begin(), values.end(), host.data_ptr<T>());
  return host.to(device);
}

}  // namespace

ImageStore::ImageStore(const Dataset& dataset, ImageSet images, c10::Device device,
                       const HostLoading& loading)
    : info_(dataset.info), device_(device), threads_(loading.threads) {
  std::vector<float> scale;
  std::vector<float> shift;
  for (size_t c = 0; c < dataset.mean.size(); ++c) {
    const float deviation = dataset.stddev[c] > 0 ? dataset.stddev[c] : 1.0f;
    scale.push_back(1.0f / (255.0f * deviation));
    shift.push_back(-dataset.mean[c] / deviation);
  }
  scale_ = Upload<float>(scale, {info_.channels}, at::kFloat, device);
  shift_ = Upload<float>(shift, {info_.channels}, at::kFloat, device);
  if (loading.always || images.files != nullptr || images.extra > 0) {
    host_ = std::make_shared<const ImageSet>(std::move(images));
    return;
  }
  pixels_ = Upload<uint8_t>(images.pixels, {images.count, info_.channels, info_.height, info_.width},
                            at::kByte, device)
                .permute({0, 2, 3, 1})
                .contiguous();
  labels_ = Upload<int64_t>(images.labels, {images.count}, at::kLong, device);
}

at::Tensor ImageStore::Normalise(const at::Tensor& bytes) const {
  at::Tensor images = bytes.to(at::kFloat);
  images.mul_(scale_).add_(shift_);
  return images.permute({0, 3, 1, 2});
}

Batch ImageStore::Get(std::span<const int64_t> indices) const {
  PRECIS_CHECK(on_device());
  const at::Tensor chosen =
      Upload<int64_t>(indices, {static_cast<int64_t>(indices.size())}, at::kLong, device_);
  return {.images = Normalise(pixels_.index_select(0, chosen)), .labels = labels_.index_select(0, chosen)};
}

std::unique_ptr<BatchLoader> ImageStore::MakeLoader(BatchLoader::Next next, const Augmentation& augment,
                                                    uint64_t seed, uint64_t first_batch) const {
  PRECIS_CHECK(!on_device());
  return std::make_unique<BatchLoader>(
      info_, host_, std::move(next),
      LoaderOptions{.threads = threads_, .augment = augment, .seed = seed, .first_batch = first_batch});
}

Batch ImageStore::Finish(const HostBatch& host) const {
  const auto count = static_cast<int64_t>(host.labels.size());
  return {.images = Normalise(Upload<uint8_t>(host.pixels, {count, info_.height, info_.width, info_.channels},
                                              at::kByte, device_)),
          .labels = Upload<int64_t>(host.labels, {count}, at::kLong, device_)};
}

}  // namespace precis
