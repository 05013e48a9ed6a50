// Options, and the logging that they set up.
#include "server/operation_options.h"

#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/json_log.h"

namespace precis::server {

void AddOperationOptions(CLI::App& app, OperationOptions& options) {
  app.add_option("--metrics-listen", options.metrics_listen,
                 "Serve Prometheus metrics at http://HOST:PORT/metrics; off if not given");
  app.add_flag(
      "--metrics-anywhere", options.metrics_anywhere,
      "Let --metrics-listen be an address that other machines reach; anyone there reads the metrics");
  app.add_option("--log-format", options.log_format, "text, or json: one JSON object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--drain-timeout", options.drain_timeout_s,
                 "Seconds that an orderly end may take after SIGTERM; a second SIGTERM ends at once")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_option("--max-watchers", options.max_watchers, "Jobs that may be watched at once, over all clients")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
}

absl::StatusOr<std::optional<ListenAddress>> MetricsAddress(const OperationOptions& options) {
  const std::string& text = options.metrics_listen;
  if (text.empty()) return std::nullopt;
  absl::StatusOr<ListenAddress> address = ParseListenAddress(text, "--metrics-listen");
  if (!address.ok()) return address.status();
  if (!address->IsLoopback() && !options.metrics_anywhere) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metrics-listen ", text,
                     ": this is no loopback address (127.0.0.1, [::1]), and the page has neither encryption "
                     "nor authentication. If all who reach it may read the names and progress of running "
                     "jobs, add --metrics-anywhere."));
  }
  return *std::move(address);
}

void SetUpLogging(const std::string& level, const OperationOptions& options) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("precisd"));
  if (options.json_log()) {
    spdlog::set_formatter(MakeJsonFormatter());
  } else {
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  }
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

}  // namespace precis::server
