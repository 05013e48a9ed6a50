// One object a line.
#include "server/json_log.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/resource_name.h"

namespace precis::server {
namespace {

constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E6SZ";

std::string LevelName(spdlog::level::level_enum level) {
  const spdlog::string_view_t name = spdlog::level::to_string_view(level);
  return {name.data(), name.size()};
}

// The job of "job ID: …", or "".
std::string JobOf(absl::string_view message) {
  if (!absl::ConsumePrefix(&message, "job ")) return "";
  std::string id(message.substr(0, message.find(':')));
  return id.size() < message.size() && IsJobId(id) ? id : "";
}

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& line, spdlog::memory_buf_t& out) override {
    const std::string message(line.payload.data(), line.payload.size());
    const LogContext& context = ThreadLogContext();
    std::string job_id = JobOf(message);
    if (job_id.empty()) job_id = context.job_id;
    nlohmann::ordered_json json;
    json["time"] = absl::FormatTime(kTimeFormat, absl::FromChrono(line.time), absl::UTCTimeZone());
    json["level"] = LevelName(line.level);
    json["message"] = message;
    if (!job_id.empty()) json["job_id"] = job_id;
    if (!context.request_id.empty()) json["request_id"] = context.request_id;
    if (!context.method.empty()) json["method"] = context.method;
    const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    out.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

}  // namespace

LogContext& ThreadLogContext() {
  thread_local LogContext context;
  return context;
}

std::unique_ptr<spdlog::formatter> MakeJsonFormatter() { return std::make_unique<JsonFormatter>(); }

}  // namespace precis::server
