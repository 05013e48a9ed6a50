// precisd: takes options, starts the server, waits for a signal, shuts down.
//
// Exit codes: 0 after SIGTERM or SIGINT; 1 if it could not start; 2 for bad options.
#include <pthread.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/door_options.h"
#include "server/launcher/local_launcher.h"
#include "server/listen_address.h"
#include "server/precis_server.h"
#include "server/store/sqlite_store.h"

namespace precis::server {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr int kBadOptions = 2;

struct Options {
  std::string data_dir;
  std::string listen = "127.0.0.1:7070";
  int max_concurrent_jobs = 1;
  std::string worker;
  std::string log_level = "info";
  std::string port_file;
  DoorOptions doors;
};

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("--data-dir", options.data_dir, "Folder for jobs and results; created if missing")
      ->required();
  app.add_option("--listen", options.listen,
                 "HOST:PORT; port 0 takes any free one. Other than loopback: with TLS and --auth token alone")
      ->capture_default_str();
  app.add_option("--max-concurrent-jobs", options.max_concurrent_jobs, "Jobs that may run at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--worker", options.worker, "The worker program; default: precis-worker beside precisd")
      ->envname("PRECIS_WORKER");
  app.add_option("--log-level", options.log_level, "Least severity that is logged")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--port-file", options.port_file, "Write the bound port here once the server is up");
  AddDoorOptions(app, options.doors);
  app.set_version_flag("--version", absl::StrCat("precisd ", PRECIS_VERSION));
}

void SetUpLogging(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("precisd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_level(spdlog::level::from_str(level));
  // gRPC's own messages go the same way.
  gpr_set_log_function([](gpr_log_func_args* args) {
    if (args->severity == GPR_LOG_SEVERITY_ERROR) {
      spdlog::warn("grpc: {}", args->message);
    } else {
      spdlog::debug("grpc: {}", args->message);
    }
  });
}

// Whole or not there at all, since somebody waits for it to appear.
absl::Status WritePortFile(const std::string& path, int port) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << port << "\n";
  file.close();
  if (file && std::rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("--port-file ", path, " cannot be written"));
}

absl::Status Serve(const Options& options) {
  absl::StatusOr<ListenAddress> address = ParseListenAddress(options.listen);
  if (!address.ok()) return address.status();
  if (absl::Status status = CheckDoors(*address, options.doors); !status.ok()) return status;
  // Before anything is created, so that a port in use leaves nothing behind.
  if (absl::Status status = CheckAddressIsFree(*address); !status.ok()) return status;
  const std::string worker = options.worker.empty() ? DefaultWorkerPath() : options.worker;
  if (access(worker.c_str(), X_OK) != 0) {
    return absl::NotFoundError(
        absl::StrCat("there is no worker program ", worker, ". Say where it is with --worker."));
  }
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(options.data_dir);
  if (!store.ok()) return store.status();

  // Every thread of the process inherits this, so the signals come to sigwait below and nowhere else.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  CredentialStore* const credentials = store->get();
  absl::StatusOr<std::unique_ptr<PrecisServer>> server = PrecisServer::Start(
      *address, {.data_dir = options.data_dir, .max_concurrent_jobs = options.max_concurrent_jobs},
      *std::move(store), std::make_unique<LocalLauncher>(worker), credentials, options.doors);
  if (!server.ok()) return server.status();
  spdlog::info("precisd {} listens on {}, data in {}", PRECIS_VERSION,
               ListenAddress{address->host, (*server)->port()}.Text(), options.data_dir);
  if (!options.port_file.empty()) {
    if (absl::Status status = WritePortFile(options.port_file, (*server)->port()); !status.ok())
      return status;
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  spdlog::info("shutting down on {}", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
  (*server)->Shutdown(kPatience);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("precisd: serves mixed-precision searches over gRPC.", "precisd");
  Options options;
  AddOptions(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadOptions;
  }
  SetUpLogging(options.log_level);
  absl::Status status = Serve(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "precisd: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? kBadOptions : 1;
}

}  // namespace
}  // namespace precis::server

int main(int argc, char** argv) { return precis::server::Main(argc, argv); }
