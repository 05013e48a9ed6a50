// CIFAR-10 and CIFAR-100 in their binary versions. Internal to supernet/data.
//
// Layout: records of one label byte (CIFAR-100: the coarse label, then the fine one, which is taken) and the
// image's planes, red, green, blue; no header. The training images are data_batch_1.bin … data_batch_5.bin in
// equal parts, or train.bin; the others test_batch.bin or test.bin.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"

namespace precis {

// As InspectDataset and LoadDataset; the statistics are left to the caller. Sizes of files are checked before
// anything is allocated. Every fault of every file in one message.
absl::Status InspectCifar(const DatasetInfo& info, const std::string& path);
absl::StatusOr<Dataset> LoadCifar(const DatasetInfo& info, const std::string& path);

}  // namespace precis
