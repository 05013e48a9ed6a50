// JSON in and out.
#include "server/backup_manifest.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/resource_name.h"
#include "supernet/graph/whole_file.h"

namespace precis::server {
namespace {

constexpr int kLayout = 1;
constexpr char kFile[] = "/backup.json";
constexpr char kStoreFile[] = "precis.db";
constexpr size_t kDigestLength = 64;

bool IsPlainName(const std::string& name) {
  return !name.empty() && name[0] != '.' && std::ranges::all_of(name, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
  });
}

bool IsExpected(const FileRecord& file) {
  const std::vector<std::string> parts = absl::StrSplit(file.name, '/');
  const bool of_job = (parts.size() == 3 || (parts.size() == 4 && parts[2] == "checkpoint")) &&
                      parts[0] == "jobs" && IsJobId(parts[1]) && IsPlainName(parts.back());
  return (of_job || file.name == kStoreFile) && file.bytes >= 0 && file.sha256.size() == kDigestLength;
}

}  // namespace

absl::Status WriteManifest(const BackupManifest& manifest, const std::string& path) {
  nlohmann::ordered_json json;
  json["precis_backup"] = kLayout;
  json["precis_version"] = PRECIS_VERSION;
  json["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone());
  json["files"] = nlohmann::ordered_json::array();
  for (const FileRecord& file : manifest.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  return WriteWholeFile(path + kFile, {json.dump(1), "\n"});
}

absl::StatusOr<BackupManifest> ReadManifest(const std::string& path) {
  std::ifstream file(path + kFile, std::ios::binary);
  if (!file)
    return absl::NotFoundError(absl::StrCat("there is no backup at ", path, ": it has no backup.json"));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  const absl::Status damaged = absl::DataLossError(absl::StrCat(path, kFile, " is damaged"));
  if (!json.is_object() || !json.contains("precis_backup") || !json.contains("files") ||
      !json["files"].is_array()) {
    return damaged;
  }
  if (json["precis_backup"] != kLayout) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " was made by another Precis, in a layout that this one (", PRECIS_VERSION, ") does not know"));
  }
  BackupManifest manifest;
  bool has_store = false;
  for (const nlohmann::json& entry : json["files"]) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() ||
        !entry.contains("bytes") || !entry["bytes"].is_number_integer() || !entry.contains("sha256") ||
        !entry["sha256"].is_string()) {
      return damaged;
    }
    FileRecord& record = manifest.files.emplace_back();
    record.name = entry["name"].get<std::string>();
    record.bytes = entry["bytes"].get<int64_t>();
    record.sha256 = entry["sha256"].get<std::string>();
    if (!IsExpected(record)) return damaged;
    has_store = has_store || record.name == kStoreFile;
  }
  if (!has_store) return damaged;
  return manifest;
}

}  // namespace precis::server
