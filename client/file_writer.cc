// Temporary file, fsync, rename.
#include "client/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace precis::client {
namespace {

constexpr mode_t kReadableByAll = 0666;  // as the umask allows

absl::Status Failed(const std::string& path, int error) {
  return absl::NotFoundError(absl::StrCat("cannot write ", path, ": ", std::strerror(error), "."));
}

// 0 or the error number.
int WriteAll(int descriptor, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = write(descriptor, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) done += static_cast<size_t>(written);
  }
  return 0;
}

bool IsSpecial(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

absl::Status WriteInPlace(const std::string& path, const std::string& bytes) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return Failed(path, errno);
  const int error = WriteAll(descriptor, bytes);
  close(descriptor);
  return error == 0 ? absl::OkStatus() : Failed(path, error);
}

}  // namespace

absl::Status WriteWholeFile(const std::string& path, const std::string& bytes) {
  if (IsSpecial(path)) return WriteInPlace(path, bytes);
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".part");
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kReadableByAll);
  if (descriptor < 0) return Failed(path, errno);
  absl::Cleanup remove = [&temporary] { unlink(temporary.c_str()); };
  int error = WriteAll(descriptor, bytes);
  if (error == 0 && fsync(descriptor) != 0) error = errno;
  if (close(descriptor) != 0 && error == 0) error = errno;
  if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) return Failed(path, error);
  std::move(remove).Cancel();
  return absl::OkStatus();
}

}  // namespace precis::client
