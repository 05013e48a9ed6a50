// Temporary file, fsync, rename.
#include "supernet/graph/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "supernet/formats/failpoint.h"

namespace precis {
namespace {

// 0, or errno.
int WriteAll(int descriptor, std::string_view part) {
  while (!part.empty()) {
    const ssize_t written = write(descriptor, part.data(), part.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    part.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

int WriteContents(int descriptor, const std::vector<std::string_view>& parts) {
  for (const std::string_view part : parts) {
    if (const int error = WriteAll(descriptor, part); error != 0) return error;
  }
  PRECIS_FAILPOINT("file/written");
  return fsync(descriptor) != 0 ? errno : 0;
}

// A rename is durable once its folder is.
void SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  SyncFolder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

absl::Status CannotWrite(const std::string& path, int error) {
  const std::string message = absl::StrCat("cannot write \"", path, "\": ", std::strerror(error));
  const bool full = error == ENOSPC || error == EDQUOT;
  return full ? absl::ResourceExhaustedError(message) : absl::UnavailableError(message);
}

}  // namespace

void SyncFolder(const std::string& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

absl::Status WriteWholeFile(const std::string& path, const std::vector<std::string_view>& parts) {
  std::string temporary = path + ".XXXXXX";
  const int descriptor = mkstemp(temporary.data());
  if (descriptor < 0) return CannotWrite(path, errno);
  int error = WriteContents(descriptor, parts);
  if (error == 0 && fchmod(descriptor, 0644) != 0) error = errno;
  if (close(descriptor) != 0 && error == 0) error = errno;
  PRECIS_FAILPOINT("file/synchronised");
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    unlink(temporary.c_str());
    return CannotWrite(path, error);
  }
  PRECIS_FAILPOINT("file/renamed");
  SyncFolderOf(path);
  return absl::OkStatus();
}

}  // namespace precis
