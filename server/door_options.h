// DoorOptions: who may come in from where, as precisd's options say it, checked as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/backup_place.h"
#include "server/data_roots.h"
#include "server/listen_address.h"
#include "server/tls.h"

namespace CLI {
class App;
}  // namespace CLI

namespace precis::server {

struct DoorOptions {
  TlsFiles tls;
  bool ask_tokens = false;  // --auth token
  // For workers alone, where clients come in through TLS or with tokens: in plain, and loopback alone.
  std::string worker_listen = "127.0.0.1:0";
  std::vector<std::string> data_roots;
  std::vector<std::string> backup_roots;
  int64_t audit_records = 100000;  // kept of changes, and as many of refused calls

  bool encrypted() const { return !tls.certificate.empty(); }
  // Whether workers have a port of their own, and the clients' does not serve them.
  bool worker_port() const { return encrypted() || ask_tokens; }
};

// --tls-cert, --tls-key, --tls-client-ca, --auth, --worker-listen, --data-root, --backup-root,
// --audit-records.
void AddDoorOptions(CLI::App& app, DoorOptions& options);

// INVALID_ARGUMENT with everything that is wrong, a line each: an address other than loopback without TLS or
// without tokens (a client's certificate alone does not tell what it may), TLS files, a worker address that
// is not loopback, roots that are no folders.
absl::Status CheckDoors(const ListenAddress& address, const DoorOptions& options);

// What paths clients may name: those under the data roots; without any, all on a loopback address and none on
// others. For options that CheckDoors let pass.
absl::StatusOr<DataRoots> DataRootsOf(const ListenAddress& address, const DoorOptions& options);
// Where backups may be written, likewise, with the backup roots.
absl::StatusOr<BackupPlaces> BackupPlacesOf(const ListenAddress& address, const DoorOptions& options,
                                            const std::string& data_dir);

}  // namespace precis::server
