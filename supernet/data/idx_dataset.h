// Data sets in four IDX files, as MNIST and its relatives come. Internal to supernet/data.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"

namespace precis {

// As InspectDataset and LoadDataset; the statistics are left to the caller.
absl::Status InspectIdx(const DatasetInfo& info, const std::string& path);
absl::StatusOr<Dataset> LoadIdx(const DatasetInfo& info, const std::string& path);

}  // namespace precis
