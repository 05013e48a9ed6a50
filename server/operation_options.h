// The options of precisd that are about running it rather than about searching.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/listen_address.h"
#include "server/serving_limits.h"

namespace precis::server {

struct OperationOptions {
  std::string metrics_listen;  // "": no metrics page
  bool metrics_anywhere = false;
  std::string log_format = "text";
  double drain_timeout_s = 30;
  int max_watchers = ServingLimits().max_watch_streams;

  absl::Duration drain_timeout() const { return absl::Seconds(drain_timeout_s); }
  bool json_log() const { return log_format == "json"; }
};

// --metrics-listen, --metrics-anywhere, --log-format, --drain-timeout, --max-watchers.
void AddOperationOptions(CLI::App& app, OperationOptions& options);

// Where the metrics page listens; nothing if there is none. INVALID_ARGUMENT if it is not HOST:PORT, or not a
// loopback address without --metrics-anywhere.
absl::StatusOr<std::optional<ListenAddress>> MetricsAddress(const OperationOptions& options);

// Everything that is logged goes to standard error, in the chosen format, from `level` on ("debug", "info",
// "warning", "error"); gRPC's own messages too.
void SetUpLogging(const std::string& level, const OperationOptions& options);

}  // namespace precis::server
