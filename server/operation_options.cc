// Options, and the logging that they set up.
#include "server/operation_options.h"

#include <arpa/inet.h>
#include <grpc/support/log.h>
#include <netinet/in.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/json_log.h"

namespace precis::server {
namespace {

absl::Status BadMetricsAddress(const std::string& text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--metrics-listen ", text, ": ", why));
}

}  // namespace

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
  const size_t colon = text.rfind(':');
  ListenAddress address;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &address.port) ||
      address.port < 0 || address.port > 65535) {
    return BadMetricsAddress(text,
                             "give HOST:PORT with a port from 0 (any free one) to 65535, such as "
                             "127.0.0.1:9470");
  }
  absl::string_view host = absl::string_view(text).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[") && !absl::ConsumeSuffix(&host, "]")) {
    return BadMetricsAddress(text, "the bracket is not closed");
  }
  address.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  in_addr four;
  in6_addr six;
  const bool is_four = inet_pton(AF_INET, address.host.c_str(), &four) == 1;
  const bool is_six = inet_pton(AF_INET6, address.host.c_str(), &six) == 1;
  if (!is_four && !is_six) {
    return BadMetricsAddress(text, "the host must be an IP address, such as 127.0.0.1 or [::1]");
  }
  const bool loopback =
      (is_four && (ntohl(four.s_addr) >> 24) == 127) || (is_six && IN6_IS_ADDR_LOOPBACK(&six) != 0);
  if (!loopback && !options.metrics_anywhere) {
    return BadMetricsAddress(text,
                             "this is no loopback address (127.0.0.1, [::1]), and the page has neither "
                             "encryption nor authentication. If all who reach it may read the names and "
                             "progress of running jobs, add --metrics-anywhere.");
  }
  return address;
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
