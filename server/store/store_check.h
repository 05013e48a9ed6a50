// Examines a store's file from outside, whether a server has it open or not, and changes nothing in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace precis::server {

struct StoreCondition {
  bool is_store = false;            // made by Precis
  int64_t schema_version = 0;       // the file's
  int64_t known_version = 0;        // what this program reads and writes
  int64_t bytes = 0;                // of the file
  int64_t wal_bytes = 0;            // of its write-ahead log; 0: none
  std::vector<std::string> faults;  // what SQLite's quick_check found, at most ten
};

// Reads DATA_DIR/precis.db whole, which takes as long as that takes. NOT_FOUND if there is none; DATA_LOSS if
// it is no SQLite file or too damaged to be read; UNAVAILABLE if it cannot be opened, for want of
// permissions say.
absl::StatusOr<StoreCondition> ExamineStore(const std::string& data_dir);

// "3.40.1": the SQLite this program runs with.
std::string SqliteVersion();
// Whether that is new enough for our tables.
bool SqliteIsNewEnough();

}  // namespace precis::server
