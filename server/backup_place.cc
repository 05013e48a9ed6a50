// Paths against places.
#include "server/backup_place.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace precis::server {

namespace fs = std::filesystem;

absl::Status CheckBackupPath(const std::string& path, const BackupPlaces& places) {
  const fs::path given(path);
  if (!given.is_absolute() || !given.has_filename() || std::ranges::count(given, "..") > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("path: \"", path,
                     "\" is not the absolute path, without \"..\", of a folder to be made on the server's "
                     "machine."));
  }
  std::error_code error;
  const fs::path parent = fs::canonical(given.parent_path(), error);
  const auto is_under = [&](const std::string& folder) {
    return absl::StartsWith(parent.string() + "/", folder == "/" ? folder : folder + "/");
  };
  // What is not allowed is not looked at, so that the answer does not tell what exists.
  if (!places.anywhere && (error || std::ranges::none_of(places.folders, is_under))) {
    return absl::PermissionDeniedError(
        places.folders.empty()
            ? absl::StrCat("path: \"", path, "\" is refused: this server was started without --backup-root.")
            : absl::StrCat("path: \"", path, "\" is refused: backups go to folders in ",
                           absl::StrJoin(places.folders, ", "), " alone (--backup-root)."));
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("path: ", given.parent_path().string(), ": ",
                                                   error.message(), ". Make that folder first."));
  }
  const fs::path data_dir = fs::canonical(places.data_dir, error);
  if (!error && is_under(data_dir.string())) {
    return absl::PermissionDeniedError(
        absl::StrCat("path: \"", path, "\" is in the server's own data folder. Choose another."));
  }
  return absl::OkStatus();
}

}  // namespace precis::server
