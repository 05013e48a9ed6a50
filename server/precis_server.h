// The whole server in one object: its services, health and reflection on one port, over a store and a
// launcher; and, where clients come in through TLS or with tokens, a second port for workers alone. main and
// tests start the same thing.
//
// Health (grpc.health.v1) is SERVING for "" and for each service by its full name until Shutdown begins.
//
// Threading: Shutdown and the destructor from one thread; the rest is internal.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/doors.h"
#include "server/event_hub.h"
#include "server/front_store.h"
#include "server/job_manager.h"
#include "server/launcher/launcher.h"
#include "server/listen_address.h"
#include "server/search_service.h"
#include "server/server_metrics.h"
#include "server/serving_limits.h"
#include "server/store/store.h"
#include "server/watch_slots.h"
#include "server/worker_service.h"

namespace precis::server {

class PrecisServer {
 public:
  // Recovers what an earlier server left, binds the address and serves. UNAVAILABLE if an address cannot
  // be bound; the store's errors and those of Doors::Open. `door_options` must have passed CheckDoors;
  // `credentials` may be part of the store and must outlive the server otherwise.
  static absl::StatusOr<std::unique_ptr<PrecisServer>> Start(
      const ListenAddress& address, const JobManagerOptions& options, std::unique_ptr<Store> store,
      std::unique_ptr<Launcher> launcher, CredentialStore* credentials, const DoorOptions& door_options = {},
      const ServingLimits& limits = {});
  // Shuts down at once if Shutdown was not called.
  ~PrecisServer();

  int port() const { return port_; }
  // May outlive the server.
  const std::shared_ptr<ServerMetrics>& metrics() const { return metrics_; }

  // In this order: health says NOT_SERVING; new jobs are refused and workers are stopped (their jobs become
  // FAILED); watchers, whose calls stay open until then so that they learn how their jobs ended, get what
  // they have not seen, and UNAVAILABLE with the event number to go on from; calls that are still open after
  // two seconds, or what is left of `within`, are cancelled. Returns when all is quiet.
  void Shutdown(absl::Duration within);

 private:
  PrecisServer(const JobManagerOptions& options, std::unique_ptr<Store> store,
               std::unique_ptr<Launcher> launcher, std::unique_ptr<Doors> doors, const ServingLimits& limits);
  // What either port has: limits, and those that look on.
  void Observe(grpc::ServerBuilder& builder);
  // Serves workers at an address of their own; returns it with the port that was bound.
  absl::StatusOr<ListenAddress> ServeWorkers(ListenAddress address);

  // In this order, so that each outlives those below that use it.
  const std::shared_ptr<ServerMetrics> metrics_;
  std::unique_ptr<FrontStore> store_;
  std::unique_ptr<Launcher> launcher_;
  const std::unique_ptr<Doors> doors_;
  const ServingLimits limits_;
  EventHub hub_;
  WatchSlots watch_slots_;
  JobManager manager_;
  SearchServiceImpl search_service_;
  WorkerServiceImpl worker_service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> worker_server_;  // null where workers use the clients' port
  int port_ = 0;
};

}  // namespace precis::server
