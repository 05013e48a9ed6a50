// Options into credentials and services.
#include "server/doors.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/time/clock.h"
#include "server/audit_interceptor.h"

namespace precis::server {

Doors::Doors(const DoorOptions& options, DataRoots roots, BackupPlaces places, CredentialStore* store)
    : options_(options),
      roots_(std::move(roots)),
      book_(store),
      audit_(store, &book_, options.audit_records),
      gate_(std::make_shared<Gate>(&book_, &audit_)),
      admin_service_(&book_, &audit_, options.ask_tokens, std::move(places)) {}

absl::StatusOr<std::unique_ptr<Doors>> Doors::Open(const DoorOptions& options, const ListenAddress& address,
                                                   CredentialStore* store, const std::string& data_dir) {
  absl::StatusOr<DataRoots> roots = DataRootsOf(address, options);
  if (!roots.ok()) return roots.status();
  absl::StatusOr<BackupPlaces> places = BackupPlacesOf(address, options, data_dir);
  if (!places.ok()) return places.status();
  std::unique_ptr<Doors> doors(new Doors(options, *std::move(roots), *std::move(places), store));
  if (absl::Status status = doors->book_.Load(); !status.ok()) return status;
  if (!options.ask_tokens) return doors;
  absl::StatusOr<std::string> first = EnsureAdmin(doors->book_, data_dir, absl::ToUnixMicros(absl::Now()));
  if (!first.ok()) return first.status();
  if (!first->empty()) spdlog::info("there was no admin's token: a new one is in {}", *first);
  return doors;
}

std::shared_ptr<grpc::ServerCredentials> Doors::ClientCredentials() const {
  if (!options_.encrypted() && !options_.ask_tokens) return grpc::InsecureServerCredentials();
  std::shared_ptr<grpc::ServerCredentials> credentials =
      options_.encrypted() ? TlsCredentials(options_.tls) : LocalCredentials();
  if (options_.ask_tokens) credentials->SetAuthMetadataProcessor(gate_);
  return credentials;
}

std::shared_ptr<grpc::ServerCredentials> Doors::WorkerCredentials() const {
  std::shared_ptr<grpc::ServerCredentials> credentials = LocalCredentials();
  credentials->SetAuthMetadataProcessor(gate_);
  return credentials;
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Doors::MakeAuditor() {
  return std::make_unique<AuditInterceptorFactory>(&book_, &audit_);
}

}  // namespace precis::server
