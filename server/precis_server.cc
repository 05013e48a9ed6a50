// Putting the server together and taking it down.
#include "server/precis_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/call_observer.h"
#include "server/store/measured_store.h"

namespace precis::server {
namespace {

JobManagerOptions Counting(JobManagerOptions options, ServerMetrics* metrics) {
  options.on_restart = [metrics] { metrics->CountWorkerRestart(); };
  return options;
}

// What a call may still take when the jobs have ended.
constexpr absl::Duration kCallPatience = absl::Seconds(2);

absl::Status CannotListen(const ListenAddress& address, absl::string_view option) {
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address.Text(), ". Choose another address with ", option, "."));
}

}  // namespace

PrecisServer::PrecisServer(const JobManagerOptions& options, std::unique_ptr<Store> store,
                           std::unique_ptr<Launcher> launcher, std::unique_ptr<Doors> doors,
                           const ServingLimits& limits)
    : metrics_(std::make_shared<ServerMetrics>(options.data_dir)),
      store_(std::make_unique<FrontStore>(std::make_unique<MeasuredStore>(std::move(store), metrics_.get()))),
      launcher_(std::move(launcher)),
      doors_(std::move(doors)),
      limits_(limits),
      watch_slots_(limits.max_watch_streams, metrics_->watch_streams()),
      manager_(store_.get(), launcher_.get(), &hub_, Counting(options, metrics_.get())),
      search_service_(store_.get(), &manager_, &hub_, &watch_slots_, options.data_dir, &doors_->data_roots()),
      worker_service_(&manager_, &doors_->data_roots()) {}

absl::StatusOr<std::unique_ptr<PrecisServer>> PrecisServer::Start(
    const ListenAddress& address, const JobManagerOptions& options, std::unique_ptr<Store> store,
    std::unique_ptr<Launcher> launcher, CredentialStore* credentials, const DoorOptions& door_options,
    const ServingLimits& limits) {
  absl::StatusOr<std::unique_ptr<Doors>> doors =
      Doors::Open(door_options, address, credentials, options.data_dir);
  if (!doors.ok()) return doors.status();
  std::unique_ptr<PrecisServer> server(
      new PrecisServer(options, std::move(store), std::move(launcher), *std::move(doors), limits));
  if (absl::Status status = server->metrics_->Load(*server->store_); !status.ok()) return status;
  if (absl::Status status = server->manager_.Recover(); !status.ok()) return status;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  // Else two servers could listen on one port, each getting some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address.Text(), server->doors_->ClientCredentials(), &server->port_);
  server->Observe(builder);
  builder.RegisterService(&server->search_service_);
  if (!door_options.worker_port()) builder.RegisterService(&server->worker_service_);
  builder.RegisterService(server->doors_->admin_service());
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ <= 0) {
    return CannotListen(address, "--listen");
  }
  for (const char* service : {v1::SearchService::service_full_name(), v1::WorkerService::service_full_name(),
                              v1::AdminService::service_full_name()}) {
    server->server_->GetHealthCheckService()->SetServingStatus(service, true);
  }
  ListenAddress for_workers{address.host, server->port_};
  if (door_options.worker_port()) {
    absl::StatusOr<ListenAddress> own = ParseListenAddress(door_options.worker_listen, "--worker-listen");
    if (own.ok()) own = server->ServeWorkers(*own);
    if (!own.ok()) return own.status();
    for_workers = *own;
  }
  server->manager_.Start(for_workers.Text());
  return server;
}

void PrecisServer::Observe(grpc::ServerBuilder& builder) {
  ApplyLimits(limits_, builder);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
  observers.push_back(MakeCallObserver(metrics_.get()));
  observers.push_back(doors_->MakeAuditor());
  builder.experimental().SetInterceptorCreators(std::move(observers));
}

absl::StatusOr<ListenAddress> PrecisServer::ServeWorkers(ListenAddress address) {
  // Health and reflection are the clients'.
  grpc::EnableDefaultHealthCheckService(false);
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  const std::string asked = address.Text();
  builder.AddListeningPort(asked, doors_->WorkerCredentials(), &address.port);
  Observe(builder);
  builder.RegisterService(&worker_service_);
  worker_server_ = builder.BuildAndStart();
  if (worker_server_ == nullptr || address.port <= 0) return CannotListen(address, "--worker-listen");
  return address;
}

PrecisServer::~PrecisServer() { Shutdown(absl::ZeroDuration()); }

void PrecisServer::Shutdown(absl::Duration within) {
  if (server_ == nullptr) return;
  const absl::Time end = absl::Now() + within;
  server_->GetHealthCheckService()->SetServingStatus(false);
  manager_.Drain();
  hub_.Close();
  const absl::Duration patience = std::clamp((end - absl::Now()) / 2, absl::ZeroDuration(), kCallPatience);
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(patience));
  server_.reset();
  if (worker_server_ != nullptr) worker_server_->Shutdown(std::chrono::system_clock::now());
  worker_server_.reset();
}

}  // namespace precis::server
