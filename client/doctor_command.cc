// `precis doctor`: is the way to the server, and the server at its end, in order?
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace precis::client {
namespace {

namespace health = grpc::health::v1;

constexpr absl::Duration kMostSkew = absl::Seconds(2);

enum class Level { kOk, kWarn, kFail };

struct Finding {
  std::string check;
  Level level = Level::kOk;
  std::string message;
  std::string next = {};  // what to do, unless the level is kOk
};

std::string OneLine(absl::string_view text) { return absl::StrReplaceAll(text, {{"\n", " "}}); }

Finding CheckVersion(const v1::ServerInfo& info) {
  const std::string both = absl::StrCat("precis ", PRECIS_VERSION, ", precisd ", info.version());
  if (info.version() == PRECIS_VERSION) return {"version", Level::kOk, both};
  return {"version", Level::kWarn, both,
          "install the same version on both sides; the newer one is the safe choice"};
}

// The server's clock was read somewhere between our two readings.
Finding CheckClock(const v1::ServerInfo& info, absl::Time before, absl::Time after) {
  if (!info.has_time()) {
    return {"clock", Level::kWarn, "the server does not tell its time", "upgrade precisd"};
  }
  const absl::Time server =
      absl::FromUnixSeconds(info.time().seconds()) + absl::Nanoseconds(info.time().nanos());
  absl::Duration skew = absl::ZeroDuration();
  if (server < before) skew = server - before;
  if (server > after) skew = server - after;
  const std::string message =
      absl::StrFormat("the server's is %.1f s %s", absl::ToDoubleSeconds(absl::AbsDuration(skew)),
                      skew < absl::ZeroDuration() ? "behind" : "ahead");
  if (absl::AbsDuration(skew) <= kMostSkew) return {"clock", Level::kOk, message};
  return {
      "clock", Level::kWarn, message,
      "let both machines keep time, with systemd-timesyncd or chrony; times in listings are the server's"};
}

Finding CheckHealth(Connection& connection, const std::string& service) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + connection.timeout());
  health::HealthCheckRequest request;
  request.set_service(service);
  health::HealthCheckResponse response;
  const grpc::Status status =
      health::Health::NewStub(connection.channel())->Check(&context, request, &response);
  const std::string check = "health";
  const std::string subject = service.empty() ? "the server" : service;
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    return {check, Level::kWarn, absl::StrCat(subject, " is not offered there"),
            "ask --server for a Precis server of this version"};
  }
  if (!status.ok()) {
    return {check, Level::kFail, absl::StrCat(subject, ": ", OneLine(status.error_message())),
            "look at precisd's log"};
  }
  if (response.status() == health::HealthCheckResponse::SERVING) {
    return {check, Level::kOk, absl::StrCat(subject, " is serving")};
  }
  return {check, Level::kFail, absl::StrCat(subject, " is not serving"),
          "the server is shutting down: wait until it is back, or start it"};
}

std::vector<Finding> Examine(Connection& connection) {
  const absl::Time before = absl::Now();
  const auto info = connection.Call(&Connection::Stub::GetServerInfo, v1::GetServerInfoRequest());
  const absl::Time after = absl::Now();
  if (!info.ok()) {
    return {
        {"server", Level::kFail, OneLine(info.status().message()),
         absl::IsUnauthenticated(info.status())
             ? "give a token that is alive, with --token-file or PRECIS_TOKEN_FILE"
             : "start precisd, or give its address with --server; on its machine, precisd doctor says more"}};
  }
  std::vector<Finding> findings;
  findings.push_back({"server", Level::kOk,
                      absl::StrFormat("%s answers after %.0f ms, connecting included; %d running, %d pending",
                                      connection.address(), absl::ToDoubleMilliseconds(after - before),
                                      info->running_jobs(), info->pending_jobs())});
  findings.push_back(CheckVersion(*info));
  findings.push_back(CheckClock(*info, before, after));
  for (const char* service : {"", "precis.v1.SearchService", "precis.v1.WorkerService"}) {
    findings.push_back(CheckHealth(connection, service));
  }
  return findings;
}

const char* LevelName(Level level, bool upper) {
  if (level == Level::kOk) return upper ? "OK" : "ok";
  if (level == Level::kWarn) return upper ? "WARN" : "warn";
  return upper ? "FAIL" : "fail";
}

}  // namespace

absl::StatusOr<int> Doctor(Session session, OutputFormat output) {
  bool ok = true;
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  std::string text;
  for (const Finding& finding : Examine(session.connection)) {
    ok = ok && finding.level != Level::kFail;
    checks.push_back({{"check", finding.check},
                      {"level", LevelName(finding.level, false)},
                      {"message", finding.message},
                      {"next", finding.next}});
    absl::StrAppendFormat(&text, "%-4s  %-11s %s\n", LevelName(finding.level, true), finding.check,
                          finding.message);
    if (!finding.next.empty()) absl::StrAppend(&text, "        → ", finding.next, "\n");
  }
  if (output == OutputFormat::kJson) {
    nlohmann::ordered_json json;
    json["ok"] = ok;
    json["checks"] = std::move(checks);
    text = JsonDocument(json);
  }
  *session.environment.out << text;
  return ok ? kExitOk : kExitUsage;
}

}  // namespace precis::client
