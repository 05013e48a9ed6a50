// Which reader a data set has.
#include "supernet/data/dataset.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "supernet/data/cifar_dataset.h"
#include "supernet/data/idx_dataset.h"
#include "supernet/data/image_folder.h"
#include "supernet/data/pixel_sums.h"

namespace precis {
namespace {

bool IsFolder(const DatasetInfo& info) { return info.name == "image_folder"; }
bool IsCifar(const DatasetInfo& info) { return absl::StartsWith(info.name, "cifar"); }

absl::StatusOr<Dataset> LoadFixed(const DatasetInfo& info, const std::string& path) {
  absl::StatusOr<Dataset> dataset = IsCifar(info) ? LoadCifar(info, path) : LoadIdx(info, path);
  if (!dataset.ok()) return dataset;
  PixelSums sums(info.channels);
  const int64_t plane = info.height * info.width;
  for (int64_t image = 0; image < dataset->train.count; ++image) {
    sums.Add(dataset->train.pixels.data() + image * info.channels * plane, plane);
  }
  sums.Finish(dataset->mean, dataset->stddev);
  return dataset;
}

// First and last plane of an image change places.
void SwapEnds(uint8_t* image, size_t plane) { std::swap_ranges(image, image + plane, image + 2 * plane); }

class TurnedImages final : public ImageFiles {
 public:
  TurnedImages(std::shared_ptr<const ImageFiles> files, size_t plane)
      : files_(std::move(files)), plane_(plane) {}
  absl::Status Read(int64_t index, uint8_t* out) const override {
    if (absl::Status status = files_->Read(index, out); !status.ok()) return status;
    SwapEnds(out, plane_);
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const ImageFiles> files_;
  const size_t plane_;
};

// Blue, green, red in place of red, green, blue.
void TurnAround(Dataset& dataset) {
  for (ImageSet* set : {&dataset.train, &dataset.test}) {
    const auto plane =
        static_cast<size_t>((dataset.info.height + set->extra) * (dataset.info.width + set->extra));
    for (size_t at = 0; at < set->pixels.size(); at += 3 * plane) SwapEnds(set->pixels.data() + at, plane);
    if (set->files != nullptr) set->files = std::make_shared<TurnedImages>(std::move(set->files), plane);
  }
  std::reverse(dataset.mean.begin(), dataset.mean.end());
  std::reverse(dataset.stddev.begin(), dataset.stddev.end());
}

}  // namespace

absl::StatusOr<DatasetInfo> InspectDataset(const DatasetInfo& info, const std::string& path,
                                           const DataOptions& options) {
  if (IsFolder(info)) return InspectImageFolder(info, path, options);
  const absl::Status status = IsCifar(info) ? InspectCifar(info, path) : InspectIdx(info, path);
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<Dataset> LoadDataset(const DatasetInfo& info, const std::string& path,
                                    const DataOptions& options) {
  absl::StatusOr<Dataset> dataset =
      IsFolder(info) ? LoadImageFolder(info, path, options) : LoadFixed(info, path);
  if (!dataset.ok()) return dataset;
  if (options.channel_order == ChannelOrder::kBgr && info.channels == 3) TurnAround(*dataset);
  if (!options.mean.empty()) dataset->mean.assign(options.mean.begin(), options.mean.end());
  if (!options.standard_deviation.empty()) {
    dataset->stddev.assign(options.standard_deviation.begin(), options.standard_deviation.end());
  }
  return dataset;
}

}  // namespace precis
