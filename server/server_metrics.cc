// The families, and what is looked up when somebody asks.
#include "server/server_metrics.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

using prometheus::Histogram;

// Of calls that touch memory or a disk: 0.1 ms to 30 s.
Histogram::BucketBoundaries CallSeconds() {
  return {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30};
}

prometheus::Gauge& Gauge(prometheus::Registry& registry, const char* name, const char* help,
                         const prometheus::Labels& labels = {}) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

double FileBytes(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 ? static_cast<double>(info.st_size) : 0;
}

// Seconds since the Unix epoch, as the kernel has it; 0 if it cannot be read.
double ProcessStartTime() {
  std::ifstream self("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(self)), {});
  // The second field is a name in parentheses that may hold anything; the start, in ticks since the machine
  // started, is the 22nd.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string word;
  for (int field = 3; field <= 22; ++field) fields >> word;
  std::ifstream machine("/proc/stat");
  std::string key;
  double boot = 0;
  for (std::string line; std::getline(machine, line);) {
    if (std::istringstream(line) >> key >> boot && key == "btime") {
      return boot + std::strtod(word.c_str(), nullptr) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }
  return 0;
}

// A caller's mistake, or an answer like any other.
bool IsNoFault(absl::StatusCode code) {
  return code == absl::StatusCode::kOk || code == absl::StatusCode::kNotFound ||
         code == absl::StatusCode::kAlreadyExists || code == absl::StatusCode::kFailedPrecondition ||
         code == absl::StatusCode::kInvalidArgument;
}

}  // namespace

ServerMetrics::ServerMetrics(std::string data_dir)
    : data_dir_(std::move(data_dir)),
      rpcs_(prometheus::BuildHistogram()
                .Name("precis_rpc_duration_seconds")
                .Help("Time of calls from their headers to their status, by method and code; of streams, "
                      "their whole life.")
                .Register(registry_)),
      store_calls_(prometheus::BuildHistogram()
                       .Name("precis_store_duration_seconds")
                       .Help("Time of store operations, waiting for the writer included.")
                       .Register(registry_)),
      store_errors_(prometheus::BuildCounter()
                        .Name("precis_store_errors_total")
                        .Help("Store operations that failed by no fault of the caller, by code.")
                        .Register(registry_)),
      worker_restarts_(prometheus::BuildCounter()
                           .Name("precis_worker_restarts_total")
                           .Help("Workers that were started again after they had died or fallen silent.")
                           .Register(registry_)
                           .Add({})),
      watch_streams_(Gauge(registry_, "precis_watch_streams", "WatchJob streams that are open.")),
      database_bytes_(Gauge(registry_, "precis_store_database_bytes", "Size of the store's database file.")),
      wal_bytes_(Gauge(registry_, "precis_store_wal_bytes", "Size of the store's write-ahead log.")),
      jobs_(registry_) {
  Gauge(registry_, "precis_build_info", "Always 1; the label says which precisd this is.",
        {{"version", PRECIS_VERSION}})
      .Set(1);
  Gauge(registry_, "process_start_time_seconds", "When the process started, in seconds since the Unix epoch.")
      .Set(ProcessStartTime());
}

std::vector<prometheus::MetricFamily> ServerMetrics::Collect() const {
  database_bytes_.Set(FileBytes(absl::StrCat(data_dir_, "/precis.db")));
  wal_bytes_.Set(FileBytes(absl::StrCat(data_dir_, "/precis.db-wal")));
  return registry_.Collect();
}

void ServerMetrics::RpcDone(const std::string& method, absl::StatusCode code, absl::Duration took) {
  rpcs_.Add({{"method", method}, {"code", absl::StatusCodeToString(code)}}, CallSeconds())
      .Observe(absl::ToDoubleSeconds(took));
}

void ServerMetrics::Called(const char* operation, absl::StatusCode code, absl::Duration took) {
  store_calls_.Add({{"operation", operation}}, CallSeconds()).Observe(absl::ToDoubleSeconds(took));
  if (IsNoFault(code)) return;
  store_errors_.Add({{"operation", operation}, {"code", absl::StatusCodeToString(code)}}).Increment();
}

}  // namespace precis::server
