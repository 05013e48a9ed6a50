// Whether a data folder, or a backup of one, holds what it should.
//
// Threading: thread-safe; a server may be running on the folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/store_upkeep.h"

namespace precis::server {

struct DataCondition {
  int64_t jobs = 0;
  int64_t candidates = 0;
  int64_t events = 0;
  int64_t files = 0;  // whose hashes were compared
  int64_t bytes = 0;  // of those
  // Jobs that SUCCEEDED before hashes were kept, so that nothing can be said about their weights.
  int64_t jobs_without_hashes = 0;
  // StoreCensus::faults, and every file that is missing or has another hash than was recorded.
  std::vector<std::string> faults;
};

// Asked between files; true: end with CANCELLED.
using StopAsked = std::function<bool()>;

// Reads the whole store and every file that it has a hash of. What is deleted meanwhile is no fault. Errors
// as TakeCensus.
absl::StatusOr<DataCondition> CheckData(const std::string& data_dir, const StopAsked& stop = nullptr);

// What a census alone tells; the rest is 0.
DataCondition ConditionOf(const StoreCensus& census);

// The fault of a file at `path` that should be `known`; "": none.
std::string FaultOfFile(const std::string& path, const FileRecord& known);

}  // namespace precis::server
