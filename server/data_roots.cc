// Paths against roots.
#include "server/data_roots.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace precis::server {
namespace {

namespace fs = std::filesystem;

constexpr int kMostDepth = 2;  // of entries below the folder's own

bool IsUnder(const std::string& path, const std::string& root) {
  return path == root || absl::StartsWith(path, root == "/" ? root : root + "/");
}

bool IsUnderAny(const std::string& path, const std::vector<std::string>& roots) {
  return std::ranges::any_of(roots, [&](const std::string& root) { return IsUnder(path, root); });
}

// Absolute, without "." and doubled or trailing slashes.
std::string Plain(const std::string& path) {
  std::error_code error;
  const std::string plain = fs::absolute(path, error).lexically_normal().string();
  return plain.size() > 1 && plain.back() == '/' ? plain.substr(0, plain.size() - 1) : plain;
}

}  // namespace

absl::StatusOr<DataRoots> DataRoots::Only(const std::vector<std::string>& folders, absl::string_view option) {
  DataRoots roots;
  roots.restricted_ = true;
  std::vector<std::string> faults;
  for (const std::string& folder : folders) {
    std::error_code error;
    const fs::path resolved = fs::canonical(folder, error);
    if (error || !fs::is_directory(resolved, error)) {
      faults.push_back(
          absl::StrCat(option, " ", folder, ": ", error ? error.message() : "it is not a folder", "."));
      continue;
    }
    roots.folders_.push_back(resolved.string());
    roots.named_.push_back(Plain(folder));
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  return roots;
}

bool DataRoots::Contains(const std::string& resolved) const { return IsUnderAny(resolved, folders_); }

absl::Status DataRoots::Refuse(const std::string& path, const std::string& why) const {
  if (folders_.empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat("\"", path,
                     "\" is refused: this server allows no paths, since it serves more than its own "
                     "machine and was started without --data-root."));
  }
  return absl::PermissionDeniedError(
      absl::StrCat("\"", path, "\" ", why, ": this server reads data under ", absl::StrJoin(folders_, ", "),
                   " alone. Put the data there, or start the server with another --data-root."));
}

absl::Status DataRoots::Check(const std::string& path) const {
  if (!restricted_) return absl::OkStatus();
  const fs::path given(path);
  if (std::ranges::any_of(given, [](const fs::path& part) { return part == ".."; })) {
    return Refuse(path, "has \"..\" in it");
  }
  const std::string plain = Plain(path);
  if (!IsUnderAny(plain, named_) && !Contains(plain)) return Refuse(path, "is not allowed");
  std::error_code error;
  const fs::path resolved = fs::canonical(plain, error);
  if (error) return absl::OkStatus();
  if (!Contains(resolved.string())) return Refuse(path, "leads out of there");

  // Every link was looked at before the iterator follows it, so it never leaves the roots either.
  if (!fs::is_directory(resolved, error)) return absl::OkStatus();
  constexpr auto kOptions =
      fs::directory_options::follow_directory_symlink | fs::directory_options::skip_permission_denied;
  fs::recursive_directory_iterator entry(resolved, kOptions, error);
  while (!error && entry != fs::recursive_directory_iterator()) {
    std::error_code dangling;  // a link that leads nowhere does no harm
    if (entry->is_symlink(dangling)) {
      const fs::path target = fs::canonical(entry->path(), dangling);
      if (!dangling && !Contains(target.string())) {
        return Refuse(path, absl::StrCat("holds a link that leads out of there, ", entry->path().string()));
      }
      if (dangling) entry.disable_recursion_pending();
    }
    if (entry.depth() >= kMostDepth) entry.disable_recursion_pending();
    entry.increment(error);
  }
  if (error) return Refuse(path, absl::StrCat("cannot be looked through (", error.message(), ")"));
  return absl::OkStatus();
}

search::Violations RefusedPaths(const search::JobSpec& spec, const DataRoots& roots) {
  const std::pair<const char*, const std::string&> paths[] = {
      {"data.path", spec.data.path},
      {"model.path", spec.model.path},
  };
  search::Violations refused;
  for (const auto& [field, path] : paths) {
    if (path.empty()) continue;  // the server's own choice, or none
    if (absl::Status status = roots.Check(path); !status.ok()) {
      refused.push_back({field, std::string(status.message())});
    }
  }
  return refused;
}

}  // namespace precis::server
