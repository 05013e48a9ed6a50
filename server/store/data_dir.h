// The data folder: created on first use, held by one server at a time.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace precis::server {

// Holds the folder's lock file (precisd.lock, with this process's id in it) until destroyed; the kernel
// lets go of it when the process dies, however it dies.
class DataDirLock {
 public:
  // Creates the folder, and parents, if missing. FAILED_PRECONDITION, naming the folder, the reason and
  // the remedy, if it cannot be created or written, or another server holds it (its process id is named).
  static absl::StatusOr<DataDirLock> Acquire(const std::string& data_dir);

  DataDirLock(DataDirLock&& other) noexcept;
  DataDirLock& operator=(DataDirLock&&) = delete;
  ~DataDirLock();

 private:
  explicit DataDirLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace precis::server
