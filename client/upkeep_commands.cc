// admin backup, restore, check.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/commands.h"
#include "client/exit_codes.h"

namespace precis::client {
namespace {

// All data are read, and perhaps copied.
constexpr std::chrono::hours kPatience{1};

template <typename Faults>
int TellFaults(const Environment& environment, const Faults& faults) {
  for (const std::string& fault : faults) *environment.err << "precis: " << fault << "\n";
  return faults.empty() ? kExitOk : kExitUsage;
}

}  // namespace

absl::StatusOr<int> Backup(Session session, const std::string& path, OutputFormat output) {
  v1::CreateBackupRequest request;
  request.set_path(path);
  if (!absl::StartsWith(path, "/")) {
    if (!IsLoopback(session.connection.address())) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", path, "\" must be an absolute path: the backup is written on the server's machine."));
    }
    std::error_code error;
    request.set_path(std::filesystem::absolute(path, error).lexically_normal().string());
  }
  const auto response = session.connection.Call(&Connection::AdminStub::CreateBackup, request, kPatience);
  if (!response.ok()) return response.status();
  if (output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response));
  } else {
    *session.environment.out << response->path() << "\n";
    *session.environment.err << "On the server's machine: " << response->jobs() << " jobs, "
                             << response->files() << " files, " << response->size_bytes()
                             << " bytes. It is restored with\n  precisd restore " << response->path()
                             << " --data-dir DIR\n";
  }
  return TellFaults(session.environment, response->faults());
}

absl::StatusOr<int> CheckData(Session session, OutputFormat output) {
  const auto response =
      session.connection.Call(&Connection::AdminStub::CheckData, v1::CheckDataRequest(), kPatience);
  if (!response.ok()) return response.status();
  if (output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response));
    return response->faults().empty() ? kExitOk : kExitUsage;
  }
  *session.environment.out << response->jobs() << " jobs, " << response->candidates() << " candidates, "
                           << response->events() << " events, " << response->files() << " files ("
                           << response->size_bytes()
                           << " bytes): " << (response->faults().empty() ? "no faults" : "faults") << "\n";
  if (response->jobs_without_hashes() > 0) {
    *session.environment.out
        << response->jobs_without_hashes()
        << " jobs succeeded before hashes of weights were kept: nothing is known of theirs\n";
  }
  return TellFaults(session.environment, response->faults());
}

absl::StatusOr<int> ExplainRestore(Session session, const std::string& path, const std::string& data_dir) {
  const std::string backup = path.empty() ? "BACKUP" : path;
  const std::string folder = data_dir.empty() ? "DIR" : data_dir;
  *session.environment.err
      << "precis: a backup is restored without a server, on the machine that it lies on:\n"
      << "  precisd restore " << backup << " --verify           reads it whole, changes nothing\n"
      << "  precisd restore " << backup << " --data-dir " << folder
      << "     verifies it, then fills an empty folder\n"
      << "Then start precisd --data-dir " << folder << ": jobs that were running begin anew.\n";
  return kExitUsage;
}

}  // namespace precis::client
