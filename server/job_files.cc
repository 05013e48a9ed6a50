// Folders and logs of jobs.
#include "server/job_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "search/search_loop.h"
#include "server/digest.h"
#include "server/resource_name.h"
#include "supernet/formats/check.h"
#include "supernet/graph/whole_file.h"

namespace precis::server {
namespace {

constexpr std::streamoff kTailBytes = 1000;
constexpr size_t kTailLines = 5;

// Bytes beyond ASCII become '?': a log may be cut anywhere and hold anything, an error message may not.
std::string Printable(absl::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c == '\t') c = ' ';
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return result;
}

absl::Status RemoveAll(const std::string& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot remove ", folder, ": ", error.message()));
}

}  // namespace

JobFiles::JobFiles(std::string data_dir) : data_dir_(std::move(data_dir)) {}

std::string JobFiles::Folder(const std::string& job_id) const {
  PRECIS_CHECK(IsJobId(job_id));
  return absl::StrCat(data_dir_, "/jobs/", job_id);
}

std::string JobFiles::LogPath(const std::string& job_id) const { return Folder(job_id) + "/worker.log"; }

std::string JobFiles::WeightsPath(const std::string& job_id) const {
  return absl::StrCat(Folder(job_id), "/", kWeightsFile);
}

std::string JobFiles::ModelPath(const std::string& job_id) const {
  return absl::StrCat(Folder(job_id), "/", kModelFile);
}

std::string JobFiles::AnswerWeightsPath(const std::string& job_id, int64_t number) const {
  return search::AnswerWeightsPath(WeightsPath(job_id), number);
}

std::string JobFiles::CheckpointFolder(const std::string& job_id) const {
  return Folder(job_id) + "/checkpoint";
}

absl::Status JobFiles::RemoveCheckpoint(const std::string& job_id) const {
  return RemoveAll(CheckpointFolder(job_id));
}

absl::Status JobFiles::MakeFolder(const std::string& job_id) const {
  std::error_code error;
  const bool made = std::filesystem::create_directories(Folder(job_id), error);
  if (!error && made) {
    SyncFolder(data_dir_ + "/jobs");
    SyncFolder(data_dir_);
  }
  if (!error) return absl::OkStatus();
  const std::string message = absl::StrCat("cannot create ", Folder(job_id), ": ", error.message());
  return error == std::errc::no_space_on_device ? absl::ResourceExhaustedError(message)
                                                : absl::UnavailableError(message);
}

absl::Status JobFiles::KeepModel(const std::string& job_id, const std::string& bytes) const {
  if (absl::Status status = MakeFolder(job_id); !status.ok()) return status;
  return WriteWholeFile(ModelPath(job_id), {bytes});
}

absl::StatusOr<std::vector<FileRecord>> JobFiles::Describe(const std::string& job_id) const {
  std::vector<FileRecord> files;
  std::error_code error;
  std::filesystem::directory_iterator entry(Folder(job_id), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name != kModelFile && !absl::EndsWith(name, ".safetensors")) continue;
    absl::StatusOr<std::string> digest = Sha256HexOfFile(entry->path().string());
    if (!digest.ok()) return absl::UnavailableError(digest.status().message());
    files.push_back(
        {.name = name, .bytes = static_cast<int64_t>(entry->file_size(error)), .sha256 = *std::move(digest)});
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::UnavailableError(absl::StrCat(Folder(job_id), ": ", error.message()));
  }
  std::ranges::sort(files, {}, &FileRecord::name);
  return files;
}

absl::Status JobFiles::RemoveFolder(const std::string& job_id) const { return RemoveAll(Folder(job_id)); }

std::vector<std::string> JobFiles::Folders() const {
  std::vector<std::string> ids;
  std::error_code error;
  std::filesystem::directory_iterator entry(data_dir_ + "/jobs", error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    if (IsJobId(entry->path().filename().string())) ids.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::string JobFiles::LogTail(const std::string& job_id) const {
  std::ifstream log(LogPath(job_id), std::ios::binary | std::ios::ate);
  if (!log) return "";
  const std::streamoff size = log.tellg();
  const std::streamoff begin = std::max<std::streamoff>(0, size - kTailBytes);
  std::string text(static_cast<size_t>(size - begin), '\0');
  log.seekg(begin);
  log.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(log.gcount()));
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty()) lines.push_back(Printable(line));
  }
  if (lines.size() > kTailLines) lines.erase(lines.begin(), lines.end() - kTailLines);
  return absl::StrJoin(lines, " | ");
}

}  // namespace precis::server
