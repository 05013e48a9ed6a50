// Putting the server together and taking it down.
#include "server/precis_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace precis::server {

PrecisServer::PrecisServer(const JobManagerOptions& options, std::unique_ptr<Store> store,
                           std::unique_ptr<Launcher> launcher)
    : store_(std::move(store)),
      launcher_(std::move(launcher)),
      manager_(store_.get(), launcher_.get(), &hub_, options),
      search_service_(store_.get(), &manager_, &hub_, options.data_dir),
      worker_service_(&manager_) {}

absl::StatusOr<std::unique_ptr<PrecisServer>> PrecisServer::Start(const ListenAddress& address,
                                                                  const JobManagerOptions& options,
                                                                  std::unique_ptr<Store> store,
                                                                  std::unique_ptr<Launcher> launcher) {
  std::unique_ptr<PrecisServer> server(new PrecisServer(options, std::move(store), std::move(launcher)));
  if (absl::Status status = server->manager_.Recover(); !status.ok()) return status;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  // Else two servers could listen on one port, each getting some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address.Text(), grpc::InsecureServerCredentials(), &server->port_);
  builder.RegisterService(&server->search_service_);
  builder.RegisterService(&server->worker_service_);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || server->port_ <= 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address.Text(), ". Choose another address with --listen."));
  }
  server->manager_.Start(ListenAddress{address.host, server->port_}.Text());
  return server;
}

PrecisServer::~PrecisServer() { Shutdown(absl::ZeroDuration()); }

void PrecisServer::Shutdown(absl::Duration patience) {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  manager_.Drain();
  hub_.Close();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(patience));
  server_.reset();
}

}  // namespace precis::server
