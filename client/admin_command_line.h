// The words of `precis admin …`; commands.h does the work.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/commands.h"

namespace CLI {
class App;
}  // namespace CLI

namespace precis::client {

class AdminCommandLine {
 public:
  // Adds `admin` and all below it; returns it. The object must stay where it is while `app` is used.
  CLI::App* AddTo(CLI::App& app);
  // Runs the command that was parsed.
  absl::StatusOr<int> Run(Session session) const { return command_(session); }

 private:
  using Command = std::function<absl::StatusOr<int>(Session)>;

  CLI::App* Add(CLI::App* parent, const std::string& name, const std::string& description, Command command);
  void AddOutput(CLI::App* command, const std::vector<std::string>& formats);
  void AddTokens(CLI::App* admin);
  void AddUpkeep(CLI::App* admin);

  Command command_;
  CreateTokenOptions create_token_;
  std::string token_name_;
  std::string output_ = "table";
  std::string backup_path_;
  std::string restore_data_dir_;
  bool verify_ = false;
  int64_t limit_ = 0;
};

}  // namespace precis::client
