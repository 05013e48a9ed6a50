// A line of text for what is read before the answers, so that a person can tell what the file is.
#include "server/worker/checkpoint.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/digest.h"
#include "supernet/formats/failpoint.h"
#include "supernet/graph/whole_file.h"

namespace precis::server {
namespace {

constexpr char kMagic[] = "precis checkpoint 1";
constexpr char kFile[] = "/checkpoint";
constexpr size_t kDigestLength = 64;

absl::Status Damaged(const std::string& path, const std::string& fault) {
  return absl::DataLossError(absl::StrCat(path, " is damaged: ", fault));
}

}  // namespace

Checkpoints::Checkpoints(std::string folder, std::string identity)
    : folder_(std::move(folder)), identity_(std::move(identity)) {}

absl::StatusOr<Checkpoints::Found> Checkpoints::Find() const {
  const std::string path = folder_ + kFile;
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("there is no ", path));
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // DIGEST\nMAGIC\nIDENTITY\nSTATE FILE\nANSWERS
  const std::vector<std::string> parts = absl::StrSplit(bytes, absl::MaxSplits('\n', 4));
  if (parts.size() != 5 || parts[0].size() != kDigestLength) return Damaged(path, "it is cut off");
  if (Sha256Hex(bytes.substr(kDigestLength + 1)) != parts[0]) return Damaged(path, "its digest is another");
  if (parts[1] != kMagic || parts[2] != identity_) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is of another plan or another Precis"));
  }
  absl::StatusOr<std::vector<search::Answer>> answers = search::AnswersFromBytes(parts[4]);
  if (!answers.ok()) return Damaged(path, std::string(answers.status().message()));
  return Found{.answers = *std::move(answers), .state_path = absl::StrCat(folder_, "/", parts[3])};
}

absl::Status Checkpoints::Write(Oracle& oracle, const std::vector<search::Answer>& answers) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) return absl::UnavailableError(absl::StrCat("cannot create ", folder_, ": ", error.message()));
  const std::string state = absl::StrCat("state-", answers.size(), ".safetensors");
  if (absl::Status status = oracle.SaveState(absl::StrCat(folder_, "/", state)); !status.ok()) return status;
  PRECIS_FAILPOINT("checkpoint/state_saved");
  const std::string content =
      absl::StrCat(kMagic, "\n", identity_, "\n", state, "\n", search::AnswersToBytes(answers));
  absl::Status status = WriteWholeFile(folder_ + kFile, {Sha256Hex(content), "\n", content});
  if (!status.ok()) return status;
  PRECIS_FAILPOINT("checkpoint/written");
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (name != state && name != kFile + 1) std::filesystem::remove(entry.path(), error);
  }
  return absl::OkStatus();
}

}  // namespace precis::server
