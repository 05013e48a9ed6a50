// The command: options and printing. The checks are in doctor_checks.cc.
#include "server/doctor.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace precis::server {
namespace {

constexpr int kUnfit = 1;
constexpr int kBadOptions = 2;

bool AllFit(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& finding) { return finding.level == Finding::Level::kFail; });
}

}  // namespace

std::string FindingsText(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    const char* level = finding.level == Finding::Level::kOk     ? "OK"
                        : finding.level == Finding::Level::kWarn ? "WARN"
                                                                 : "FAIL";
    absl::StrAppendFormat(&text, "%-4s  %-11s %s\n", level, finding.check, finding.message);
    if (!finding.next.empty()) absl::StrAppend(&text, "        → ", finding.next, "\n");
  }
  return text;
}

std::string FindingsJson(const std::vector<Finding>& findings) {
  nlohmann::ordered_json json;
  json["ok"] = AllFit(findings);
  json["checks"] = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    const char* level = finding.level == Finding::Level::kOk     ? "ok"
                        : finding.level == Finding::Level::kWarn ? "warn"
                                                                 : "fail";
    json["checks"].push_back(
        {{"check", finding.check}, {"level", level}, {"message", finding.message}, {"next", finding.next}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

int DoctorMain(int argc, char** argv) {
  CLI::App app("precisd doctor: examines this machine and a data folder; changes nothing.", "precisd doctor");
  DoctorOptions options;
  std::string output = "text";
  app.add_option("--data-dir", options.data_dir, "The server's data folder")->required();
  app.add_option("--worker", options.worker, "The worker program; default: precis-worker beside precisd")
      ->envname("PRECIS_WORKER");
  app.add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadOptions;
  }
  const std::vector<Finding> findings = Examine(options);
  const std::string text = output == "json" ? FindingsJson(findings) : FindingsText(findings);
  std::fputs(text.c_str(), stdout);
  return AllFit(findings) ? 0 : kUnfit;
}

}  // namespace precis::server
