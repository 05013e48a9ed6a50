// What the readers of data sets share: where the files are, and what to say when they are not. Internal to
// supernet/data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/graph/dataset_info.h"

namespace precis {

// What a user does about data that are missing or wrong, as a sentence.
std::string Remedy(const DatasetInfo& info);

// The folder in use, once it is known to be one: `path`, or the default one where that is empty.
absl::StatusOr<std::string> Folder(const DatasetInfo& info, const std::string& path);

// Gathers every fault for one message, a line each; of very many the first and how many more there are.
class Faults {
 public:
  static constexpr int64_t kMostTexts = 20;
  void Add(const absl::Status& fault);  // not OK
  // OK if there was none; the code is the first's.
  absl::Status Together() const;

 private:
  absl::StatusCode code_ = absl::StatusCode::kOk;
  std::vector<std::string> texts_;
  int64_t count_ = 0;
};

}  // namespace precis
