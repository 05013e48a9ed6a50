// Doors: what stands between the network and the services, put together from DoorOptions: tokens, gate,
// audit, TLS.
//
// Threading: Open and the destructor from one thread; the rest may be called from any, before the server
// starts.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/admin_service.h"
#include "server/audit_log.h"
#include "server/door_options.h"
#include "server/gate.h"
#include "server/store/credential_store.h"
#include "server/token_book.h"

namespace precis::server {

class Doors {
 public:
  // For options that CheckDoors let pass. Makes the first admin's token if one is needed (EnsureAdmin, whose
  // errors are returned, as are the store's). The store must outlive the doors, and the doors every server
  // built with them.
  static absl::StatusOr<std::unique_ptr<Doors>> Open(const DoorOptions& options, const ListenAddress& address,
                                                     CredentialStore* store, const std::string& data_dir);

  // What clients come in by: TLS, plain, plain with a gate.
  std::shared_ptr<grpc::ServerCredentials> ClientCredentials() const;
  // What workers come in by where they have a port of their own: plain, with the gate.
  std::shared_ptr<grpc::ServerCredentials> WorkerCredentials() const;
  // For the clients' server.
  AdminServiceImpl* admin_service() { return &admin_service_; }
  // For ServerBuilder::experimental().SetInterceptorCreators.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeAuditor();

  const DataRoots& data_roots() const { return roots_; }

 private:
  Doors(const DoorOptions& options, DataRoots roots, BackupPlaces places, CredentialStore* store);

  const DoorOptions options_;
  const DataRoots roots_;
  TokenBook book_;
  AuditLog audit_;
  const std::shared_ptr<Gate> gate_;
  AdminServiceImpl admin_service_;
};

}  // namespace precis::server
