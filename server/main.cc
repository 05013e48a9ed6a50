// precisd: takes options, starts the server, waits for a signal, shuts down.
//
// Exit codes: 0 after SIGTERM or SIGINT; 1 if it could not start; 2 for bad options; 3 if its orderly end was
// cut short by a second signal or took longer than --drain-timeout. `precisd doctor` and `precisd restore`
// have their own (doctor.h, restore.h).
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/doctor.h"
#include "server/door_options.h"
#include "server/launcher/local_launcher.h"
#include "server/listen_address.h"
#include "server/metrics_page.h"
#include "server/operation_options.h"
#include "server/precis_server.h"
#include "server/restore.h"
#include "server/service_notify.h"
#include "server/stop_signals.h"
#include "server/store/sqlite_store.h"

namespace precis::server {
namespace {

// After the drain: the library that serves the metrics takes up to two seconds to stop.
constexpr absl::Duration kTidying = absl::Seconds(3);
constexpr int kBadOptions = 2;

struct Options {
  std::string data_dir;
  std::string listen = "127.0.0.1:7070";
  int max_concurrent_jobs = 1;
  double checkpoint_interval_s = 10;
  double silence_limit_s = 120;
  std::string worker;
  std::string log_level = "info";
  std::string port_file;
  DoorOptions doors;
  OperationOptions operation;
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
  app.add_option("--checkpoint-interval", options.checkpoint_interval_s,
                 "Seconds of work that a lost worker may cost a job")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  app.add_option("--silence-limit", options.silence_limit_s,
                 "Seconds without a sign of life after which a worker is replaced")
      ->check(CLI::Range(5.0, 86400.0))
      ->capture_default_str();
  app.add_option("--worker", options.worker, "The worker program; default: precis-worker beside precisd")
      ->envname("PRECIS_WORKER");
  app.add_option("--log-level", options.log_level, "Least severity that is logged")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--port-file", options.port_file, "Write the bound port here once the server is up");
  AddDoorOptions(app, options.doors);
  AddOperationOptions(app, options.operation);
  app.footer(
      "precisd doctor --data-dir DIR examines a data folder and this machine: precisd doctor --help\n"
      "precisd restore BACKUP brings back what precis admin backup has saved: precisd restore --help");
  app.set_version_flag("--version", absl::StrCat("precisd ", PRECIS_VERSION));
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
  absl::StatusOr<std::optional<ListenAddress>> metrics_address = MetricsAddress(options.operation);
  if (!metrics_address.ok()) return metrics_address.status();
  // Before anything is created, so that a port in use leaves nothing behind.
  if (absl::Status status = CheckAddressIsFree(*address); !status.ok()) return status;
  const std::string worker = options.worker.empty() ? DefaultWorkerPath() : options.worker;
  if (access(worker.c_str(), X_OK) != 0) {
    return absl::NotFoundError(
        absl::StrCat("there is no worker program ", worker, ". Say where it is with --worker."));
  }
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(options.data_dir);
  if (!store.ok()) return store.status();

  StopSignals signals;
  JobManagerOptions jobs = {.data_dir = options.data_dir,
                            .max_concurrent_jobs = options.max_concurrent_jobs,
                            .checkpoint_interval = absl::Seconds(options.checkpoint_interval_s),
                            .silence_limit = absl::Seconds(options.silence_limit_s)};
  jobs.stop_grace = std::min(jobs.stop_grace, options.operation.drain_timeout() / 2);
  jobs.checkpoint_grace = std::min(jobs.checkpoint_grace, options.operation.drain_timeout() / 2);
  CredentialStore* const credentials = store->get();
  absl::StatusOr<std::unique_ptr<PrecisServer>> server =
      PrecisServer::Start(*address, jobs, *std::move(store), std::make_unique<LocalLauncher>(worker),
                          credentials, options.doors, {.max_watch_streams = options.operation.max_watchers});
  if (!server.ok()) return server.status();
  std::unique_ptr<MetricsPage> metrics_page;
  if (metrics_address->has_value()) {
    absl::StatusOr<std::unique_ptr<MetricsPage>> page =
        MetricsPage::Start(**metrics_address, (*server)->metrics());
    if (!page.ok()) return page.status();
    metrics_page = *std::move(page);
    spdlog::info("metrics are at http://{}/metrics",
                 ListenAddress{(*metrics_address)->host, metrics_page->port()}.Text());
  }
  spdlog::info("precisd {} listens on {}, data in {}", PRECIS_VERSION,
               ListenAddress{address->host, (*server)->port()}.Text(), options.data_dir);
  if (!options.port_file.empty()) {
    if (absl::Status status = WritePortFile(options.port_file, (*server)->port()); !status.ok())
      return status;
  }
  NotifyServiceManager("READY=1");
  const char* signal_name = signals.Await() == SIGINT ? "SIGINT" : "SIGTERM";
  NotifyServiceManager("STOPPING=1");
  const absl::Duration within = options.operation.drain_timeout();
  spdlog::info("shutting down on {}, within {}", signal_name, absl::FormatDuration(within));
  signals.EndAtOnceAfter(within + kTidying);
  (*server)->Shutdown(within);
  spdlog::info("shut down");
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "doctor") return DoctorMain(argc - 1, argv + 1);
  if (argc > 1 && std::string_view(argv[1]) == "restore") return RestoreMain(argc - 1, argv + 1);
  CLI::App app("precisd: serves mixed-precision searches over gRPC.", "precisd");
  Options options;
  AddOptions(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadOptions;
  }
  SetUpLogging(options.log_level, options.operation);
  absl::Status status = Serve(options);
  if (status.ok()) return 0;
  if (options.operation.json_log()) {
    spdlog::critical("{}", std::string(status.message()));
  } else {
    std::fprintf(stderr, "precisd: %s\n", std::string(status.message()).c_str());
  }
  return absl::IsInvalidArgument(status) ? kBadOptions : 1;
}

}  // namespace
}  // namespace precis::server

int main(int argc, char** argv) { return precis::server::Main(argc, argv); }
