// A user's own images: train/CLASS/FILE, and test/CLASS/FILE or, where there is no test/, val/CLASS/FILE. The
// classes are the names of the folders in train/, in the order of their bytes. Internal to supernet/data.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"

namespace precis {

// As InspectDataset: lists folders, and decodes one image where its size decides options.image_size.
absl::StatusOr<DatasetInfo> InspectImageFolder(const DatasetInfo& info, const std::string& path,
                                               const DataOptions& options);

// As LoadDataset, for what InspectImageFolder returned, statistics included.
absl::StatusOr<Dataset> LoadImageFolder(const DatasetInfo& info, const std::string& path,
                                        const DataOptions& options);

}  // namespace precis
