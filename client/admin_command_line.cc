// CLI11 reads the words.
#include "client/admin_command_line.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace precis::client {

CLI::App* AdminCommandLine::AddTo(CLI::App& app) {
  CLI::App* admin = app.add_subcommand("admin", "Tokens, the audit, backups and checks of a server");
  admin->fallthrough();
  admin->require_subcommand(1);
  AddTokens(admin);
  AddUpkeep(admin);
  return admin;
}

CLI::App* AdminCommandLine::Add(CLI::App* parent, const std::string& name, const std::string& description,
                                Command command) {
  CLI::App* added = parent->add_subcommand(name, description);
  added->fallthrough();
  added->callback([this, command = std::move(command)] { command_ = command; });
  return added;
}

void AdminCommandLine::AddOutput(CLI::App* command, const std::vector<std::string>& formats) {
  command->add_option("-o,--output", output_, absl::StrCat("How to print: ", absl::StrJoin(formats, ", ")))
      ->check(CLI::IsMember(formats));
}

void AdminCommandLine::AddTokens(CLI::App* admin) {
  CLI::App* token = admin->add_subcommand("token", "Who may call");
  token->fallthrough();
  token->require_subcommand(1);
  CLI::App* create = Add(token, "create", "Make a token and print it, this once", [this](Session session) {
    create_token_.output = OutputFormatFrom(output_);
    return CreateToken(session, create_token_);
  });
  create->add_option("NAME", create_token_.name, "Of whom or what it is for, as in ci")->required();
  create
      ->add_option("--role", create_token_.role,
                   "read; submit: jobs too; admin: tokens, audit, backups and checks too")
      ->check(CLI::IsMember({"read", "submit", "admin"}))
      ->required();
  create->add_option("--expires", create_token_.expires, "As in 90d, 12h or 2027-01-31; never if not given");
  AddOutput(create, {"table", "json"});
  CLI::App* list = Add(token, "list", "All tokens, without the tokens themselves",
                       [this](Session session) { return ListTokens(session, OutputFormatFrom(output_)); });
  AddOutput(list, {"table", "json", "csv"});
  CLI::App* revoke = Add(token, "revoke", "Let no call with a token in any more",
                         [this](Session session) { return RevokeToken(session, token_name_); });
  revoke->add_option("NAME", token_name_, "As list has it")->required();
  CLI::App* audit =
      Add(admin, "audit", "What was changed and what was refused, newest first",
          [this](Session session) { return Audit(session, limit_, OutputFormatFrom(output_)); });
  audit->add_option("--limit", limit_, "At most so many, 10000 at most; 0 is 100")
      ->check(CLI::NonNegativeNumber);
  AddOutput(audit, {"table", "json", "csv"});
}

void AdminCommandLine::AddUpkeep(CLI::App* admin) {
  CLI::App* backup =
      Add(admin, "backup", "Write a backup on the server's machine while the server runs",
          [this](Session session) { return Backup(session, backup_path_, OutputFormatFrom(output_)); });
  backup
      ->add_option("PATH", backup_path_,
                   "Folder to make there, absolute; in the server's --backup-root, if it has one")
      ->required();
  AddOutput(backup, {"table", "json"});
  CLI::App* restore =
      Add(admin, "restore", "Say how a backup is verified and restored: without a server",
          [this](Session session) { return ExplainRestore(session, backup_path_, restore_data_dir_); });
  restore->add_option("PATH", backup_path_, "The backup");
  // As precisd restore has them, for those who look for it here.
  restore->add_option("--data-dir", restore_data_dir_, "As precisd restore has it");
  restore->add_flag("--verify", verify_, "As precisd restore has it");
  CLI::App* check =
      Add(admin, "check", "Read all data of the server and compare them with each other and their hashes",
          [this](Session session) { return CheckData(session, OutputFormatFrom(output_)); });
  AddOutput(check, {"table", "json"});
}

}  // namespace precis::client
