// The data folder and its lock.
#include "server/store/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

absl::Status Unusable(const std::string& data_dir, absl::string_view what, absl::string_view reason) {
  return absl::FailedPreconditionError(
      absl::StrCat("data folder ", data_dir, ": ", what, ": ", reason,
                   ". Mend its permissions or choose another with --data-dir."));
}

std::string Holder(int descriptor) {
  char text[32];
  const ssize_t size = pread(descriptor, text, sizeof text, 0);
  const std::string pid(absl::StripAsciiWhitespace({text, size > 0 ? static_cast<size_t>(size) : 0}));
  return pid.empty() ? "another precisd" : absl::StrCat("the precisd with process id ", pid);
}

}  // namespace

absl::StatusOr<DataDirLock> DataDirLock::Acquire(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) return Unusable(data_dir, "cannot be created", error.message());
  const std::string path = absl::StrCat(data_dir, "/precisd.lock");
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return Unusable(data_dir, "cannot be written", std::strerror(errno));
  DataDirLock lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Unusable(data_dir, "cannot be locked", std::strerror(errno));
    return absl::FailedPreconditionError(
        absl::StrCat("data folder ", data_dir, " is in use by ", Holder(descriptor),
                     ". Stop that server or choose another folder with --data-dir."));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return Unusable(data_dir, "cannot be written", std::strerror(errno));
  }
  return lock;
}

DataDirLock::DataDirLock(DataDirLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

DataDirLock::~DataDirLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace precis::server
