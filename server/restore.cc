// The command: options and printing. The work is in backup.cc.
#include "server/restore.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/backup.h"

namespace precis::server {
namespace {

constexpr int kNotWhole = 1;
constexpr int kBadOptions = 2;

}  // namespace

int RestoreMain(int argc, char** argv) {
  CLI::App app(
      "precisd restore: verifies a backup that precis admin backup made and, with --data-dir, restores it.",
      "precisd restore");
  std::string path;
  std::string data_dir;
  bool verify = false;
  app.add_option("BACKUP", path, "The backup's folder")->required();
  CLI::Option* to =
      app.add_option("--data-dir", data_dir, "Restore it to here: a folder that is empty or not there");
  CLI::Option* only = app.add_flag("--verify", verify, "Only verify it; every restoring begins with that");
  only->excludes(to);
  try {
    app.parse(argc, argv);
    if (!verify && data_dir.empty()) throw CLI::RequiredError("--data-dir or --verify");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadOptions;
  }
  const absl::StatusOr<DataCondition> condition = verify ? VerifyBackup(path) : RestoreBackup(path, data_dir);
  if (!condition.ok()) {
    std::fprintf(stderr, "precisd restore: %s\n", std::string(condition.status().message()).c_str());
    return kNotWhole;
  }
  for (const std::string& fault : condition->faults)
    std::fprintf(stderr, "precisd restore: %s\n", fault.c_str());
  if (!condition->faults.empty()) return kNotWhole;
  std::printf(
      "%s: %s\n", verify ? path.c_str() : data_dir.c_str(),
      absl::StrCat(condition->jobs, " jobs, ", condition->candidates, " candidates, ", condition->files,
                   " files, ", condition->bytes, " bytes: ", verify ? "whole" : "restored")
          .c_str());
  return 0;
}

}  // namespace precis::server
