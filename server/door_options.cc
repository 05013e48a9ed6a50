// Options and their faults.
#include "server/door_options.h"

#include <CLI/CLI.hpp>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace precis::server {

void AddDoorOptions(CLI::App& app, DoorOptions& options) {
  constexpr char kGroup[] = "Doors";
  app.add_option("--tls-cert", options.tls.certificate, "The server's certificate chain, PEM; turns TLS on")
      ->group(kGroup);
  app.add_option("--tls-key", options.tls.key, "Its private key, PEM; read anew when the files change")
      ->group(kGroup);
  app.add_option("--tls-client-ca", options.tls.client_ca,
                 "Clients must show a certificate of these authorities, PEM (mutual TLS)")
      ->group(kGroup);
  app.add_option("--auth", options.ask_tokens,
                 "none, or token: every call needs one; without an admin's, the first is written to "
                 "DATA_DIR/admin.token")
      ->transform(CLI::CheckedTransformer(std::map<std::string, bool>{{"none", false}, {"token", true}}))
      ->default_str("none")
      ->group(kGroup);
  app.add_option("--worker-listen", options.worker_listen,
                 "Loopback HOST:PORT for workers alone, in use with TLS or tokens")
      ->capture_default_str()
      ->group(kGroup);
  app.add_option(
         "--data-root", options.data_roots,
         "A folder under which jobs' paths must lie; repeatable. Without: any path on a loopback address, "
         "none on others")
      ->allow_extra_args(false)
      ->group(kGroup);
  app.add_option(
         "--backup-root", options.backup_roots,
         "A folder in which precis admin backup may make folders; repeatable. Without: any on a loopback "
         "address, none on others")
      ->allow_extra_args(false)
      ->group(kGroup);
  app.add_option("--audit-records", options.audit_records,
                 "So many changes are kept in the audit, and so many refused calls")
      ->check(CLI::Range(1, 100000000))
      ->capture_default_str()
      ->group(kGroup);
}

absl::Status CheckDoors(const ListenAddress& address, const DoorOptions& options) {
  std::vector<std::string> faults;
  if (!address.IsLoopback()) {
    const char* missing = options.encrypted()  ? options.ask_tokens ? nullptr : "--auth token"
                          : options.ask_tokens ? "--tls-cert and --tls-key"
                                               : "--tls-cert, --tls-key and --auth token";
    if (missing != nullptr) {
      faults.push_back(
          absl::StrCat("--listen ", address.Text(),
                       ": an address that others can reach needs TLS and tokens, else anyone in the "
                       "network could read along and run jobs. Add ",
                       missing, ", or listen on 127.0.0.1 and reach the server through an SSH tunnel."));
    }
  }
  for (std::string& fault : FaultsOf(options.tls)) faults.push_back(std::move(fault));
  const absl::StatusOr<ListenAddress> worker = ParseListenAddress(options.worker_listen, "--worker-listen");
  if (!worker.ok()) {
    faults.emplace_back(worker.status().message());
  } else if (!worker->IsLoopback()) {
    faults.push_back(
        absl::StrCat("--worker-listen ", options.worker_listen,
                     ": workers run on this machine, and their port is not encrypted: only loopback "
                     "addresses (127.0.0.1, ::1) are accepted."));
  }
  const absl::StatusOr<DataRoots> roots = DataRoots::Only(options.data_roots);
  if (!roots.ok()) faults.emplace_back(roots.status().message());
  const absl::StatusOr<DataRoots> backups = DataRoots::Only(options.backup_roots, "--backup-root");
  if (!backups.ok()) faults.emplace_back(backups.status().message());
  if (faults.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
}

absl::StatusOr<DataRoots> DataRootsOf(const ListenAddress& address, const DoorOptions& options) {
  if (options.data_roots.empty() && address.IsLoopback()) return DataRoots();
  return DataRoots::Only(options.data_roots);
}

absl::StatusOr<BackupPlaces> BackupPlacesOf(const ListenAddress& address, const DoorOptions& options,
                                            const std::string& data_dir) {
  const absl::StatusOr<DataRoots> roots = DataRoots::Only(options.backup_roots, "--backup-root");
  if (!roots.ok()) return roots.status();
  return BackupPlaces{.anywhere = options.backup_roots.empty() && address.IsLoopback(),
                      .folders = roots->folders(),
                      .data_dir = data_dir};
}

}  // namespace precis::server
