// Which reader a data set has.
#include "supernet/data/dataset.h"

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
  if (IsFolder(info)) return LoadImageFolder(info, path, options);
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

}  // namespace precis
