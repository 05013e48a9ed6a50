// CLI11 reads the words; commands.h does the work.
#include "client/command_line.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/admin_command_line.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/job_file.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::client {
namespace {

constexpr char kEnvironmentHelp[] =
    R"(Environment
  PRECIS_SERVER  HOST:PORT of the server; --server wins over it, 127.0.0.1:7070 serves without both
  PRECIS_TLS_CA, PRECIS_TLS_CERT, PRECIS_TLS_KEY, PRECIS_TOKEN_FILE
                 files, as --tls-ca, --tls-cert, --tls-key and --token-file, which win over them. The
                 authority turns TLS on; for a public one: /etc/ssl/certs/ca-certificates.crt
  PRECIS_TOKEN   the token itself; wins over PRECIS_TOKEN_FILE, --token-file over both
  NO_COLOR       if set, progress has no colour
  TERM           if dumb or not set, progress is plain lines instead of one line redrawn in place
)";

constexpr char kFooter[] =
    "\nJOB is jobs/ID, ID, the beginning of an ID, or latest.\n"
    "More: precis help exit-codes | environment | job-file | json\n";

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

// Everything that words on the command line may set, and the command they choose.
class CommandLine {
 public:
  explicit CommandLine(const Environment& environment) : environment_(environment) {
    app_.description("precis: searches number formats for neural networks, with a Precis server.");
    app_.footer(kFooter);
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string("precis ") + PRECIS_VERSION);
    app_.add_option("--server", server_, "HOST:PORT of the server (PRECIS_SERVER; 127.0.0.1:7070)");
    app_.add_option("--timeout", timeout_s_, "Seconds to wait for an answer")
        ->check(CLI::Range(0.01, 86400.0))
        ->capture_default_str();
    AddAccess();
    AddJobCommands();
    AddCandidateCommands();
    AddCatalogueCommands();
    AddFormatCommands();
    commands_.emplace_back(admin_.AddTo(app_), [this](Session session) { return admin_.Run(session); });
    help_ = app_.add_subcommand("help", "Help on a command, or on exit-codes, environment, job-file, json");
    help_->add_option("TOPIC", topic_);
  }

  int Run(const std::vector<std::string>& arguments) {
    if (arguments.empty()) {
      *environment_.err << app_.help();
      return kExitUsage;
    }
    if (const std::string unknown = UnknownCommand(arguments); !unknown.empty())
      return Refuse(
          absl::StrCat("there is no command \"", unknown, "\".", DidYouMean(unknown, CommandNames())));
    try {
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app_.exit(error, *environment_.out, *environment_.err);
      return Refuse(error.what());
    }
    if (help_->parsed()) return Help();
    return RunCommand();
  }

 private:
  using Command = std::function<absl::StatusOr<int>(Session)>;

  CLI::App* Add(const std::string& name, const std::string& description, Command command) {
    CLI::App* added = app_.add_subcommand(name, description);
    added->fallthrough();
    commands_.emplace_back(added, std::move(command));
    return added;
  }

  void AddAccess() {
    app_.add_option("--tls-ca", access_.tls_ca,
                    "Authority of the server's certificate, PEM file; turns TLS on");
    app_.add_option("--tls-cert", access_.tls_cert, "Your certificate, PEM file, if the server asks for one");
    app_.add_option("--tls-key", access_.tls_key, "Its private key, PEM file");
    app_.add_option("--token-file", access_.token_file, "File with your token, if the server asks for one");
  }

  void AddJob(CLI::App* command) { command->add_option("JOB", job_, "Which job")->required(); }

  void AddOutput(CLI::App* command, const std::vector<std::string>& formats) {
    command->add_option("-o,--output", output_, absl::StrCat("How to print: ", absl::StrJoin(formats, ", ")))
        ->check(CLI::IsMember(formats));
  }

  void AddJobFile(CLI::App* command) {
    command->add_option("JOB.yaml", submit_.source.path, "Job file; - is standard input")->required();
    command
        ->add_option("--set", submit_.source.overrides, "PATH=VALUE over the file, as in training.epochs=2")
        ->allow_extra_args(false);
  }

  void AddPatience(CLI::App* command) {
    command->add_option("--patience", patience_s_, "Seconds that a lost server may stay away while watching")
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
  }

  // Something that is done to one job.
  void AddAction(const std::string& name, const std::string& description,
                 absl::StatusOr<int> (*run)(Session, const JobOptions&)) {
    CLI::App* action = Add(name, description, [this, run](Session session) {
      return run(session, {job_, OutputFormatFrom(output_)});
    });
    AddJob(action);
    AddOutput(action, {"table", "json"});
  }

  void AddJobCommands() {
    const std::vector<std::string> one = {"table", "json"};
    const std::vector<std::string> many = {"table", "wide", "json", "csv"};
    CLI::App* submit = Add("submit", "Submit a job", [this](Session session) { return SubmitFrom(session); });
    AddJobFile(submit);
    AddPatience(submit);
    AddOutput(submit, one);
    submit->add_option("--request-id", submit_.request_id, "Submitting again with the same id submits once");
    CLI::Option* watch = submit->add_flag("--watch", submit_.watch, "Follow the job to its end");
    submit->add_flag("--dry-run", submit_.dry_run, "Check and work out only, as validate does")
        ->excludes(watch);

    CLI::App* validate = Add("validate", "Check a job file, here and by the server", [this](Session session) {
      submit_.dry_run = true;
      return SubmitFrom(session);
    });
    AddJobFile(validate);
    AddOutput(validate, one);

    CLI::App* get = Add("get", "Show a job", [this](Session session) {
      return Get(session, {job_, OutputFormatFrom(output_)});
    });
    AddJob(get);
    AddOutput(get, one);

    CLI::App* list = Add("list", "List jobs, newest first", [this](Session session) {
      return List(session, {state_, limit_, OutputFormatFrom(output_)});
    });
    list->add_option("--state", state_, "Only pending, running, paused, succeeded, failed or cancelled ones");
    AddLimit(list);
    AddOutput(list, many);

    CLI::App* follow = Add("watch", "Follow a job to its end", [this](Session session) {
      return Watch(session, {job_, OutputFormatFrom(output_)}, {after_, Milliseconds(patience_s_)});
    });
    AddJob(follow);
    AddPatience(follow);
    AddOutput(follow, one);
    follow->add_option("--after", after_, "Begin after this event number")->check(CLI::NonNegativeNumber);

    AddAction("cancel", "Ask a job to end", Cancel);
    AddAction("pause", "Have a job leave a checkpoint and stop", Pause);
    AddAction("resume", "Go on with a paused job", Resume);
    AddAction("retry", "Go on with a job that failed or was cancelled", Retry);
    AddJob(Add("delete", "Remove a job, its candidates and its files", [this](Session session) {
      return Delete(session, {job_, OutputFormat::kTable});
    }));
  }

  void AddLimit(CLI::App* command) {
    command->add_option("--limit", limit_, "At most so many; 0 is all")->check(CLI::NonNegativeNumber);
  }

  void AddCandidateCommands() {
    const std::vector<std::string> many = {"table", "wide", "json", "csv"};
    CLI::App* candidates = Add("candidates", "List a job's candidates", [this](Session session) {
      return Candidates(session, {job_, feasible_, order_by_, limit_, OutputFormatFrom(output_)});
    });
    AddJob(candidates);
    AddFeasible(candidates);
    candidates->add_option("--order-by", order_by_,
                           "number, accuracy, cost or a metric's name; add \" desc\" for falling");
    AddLimit(candidates);
    AddOutput(candidates, many);

    CLI::App* pareto = Add("pareto", "Show the candidates that no other beats in cost and accuracy",
                           [this](Session session) {
                             pareto_.job = job_;
                             pareto_.feasible = feasible_;
                             pareto_.metric = metric_;
                             pareto_.output = OutputFormatFrom(output_);
                             return Pareto(session, pareto_);
                           });
    AddJob(pareto);
    AddFeasible(pareto);
    AddMetric(pareto);
    CLI::Option* knee = pareto->add_flag("--knee", pareto_.knee, "Only the candidate where the front bends");
    pareto
        ->add_option("--within", pareto_.within_points,
                     "Only the cheapest candidate within so many percentage points of the best")
        ->check(CLI::Range(0.0, 100.0))
        ->excludes(knee);
    pareto->add_flag("--summary", pareto_.summary, "Hypervolume, knee and, with --within, the cheapest");
    pareto->add_option("--reference-cost", pareto_.reference_cost,
                       "Of the hypervolume, as in \"0.9 GBOPs\"; the dearest candidate if not given");
    pareto
        ->add_option("--reference-accuracy", pareto_.reference_accuracy,
                     "Of the hypervolume, a share as in 0.8; 0 if not given")
        ->check(CLI::Range(0.0, 0.999999));
    AddOutput(pareto, many);

    CLI::App* compare =
        Add("compare", "Set the fronts of jobs side by side at equal cost", [this](Session session) {
          return Compare(session, {jobs_, feasible_, metric_, OutputFormatFrom(output_)});
        });
    compare->add_option("JOB", jobs_, "Two jobs and more")->required();
    AddFeasible(compare);
    AddMetric(compare);
    AddOutput(compare, {"table", "json", "csv"});

    CLI::App* choose =
        Add("choose", "The best candidate of a finished job within another target; trains nothing",
            [this](Session session) {
              return Choose(session, {job_, target_, metric_, OutputFormatFrom(output_)});
            });
    AddJob(choose);
    choose->add_option("--target", target_, "As cost.target: \"1.3x int4\", \"0.21 GBOPs\"")->required();
    AddMetric(choose);
    AddOutput(choose, many);

    CLI::App* exported =
        Add("export", "Write a candidate as a file for other tools", [this](Session session) {
          export_.job = job_;
          return Export(session, export_);
        });
    AddJob(exported);
    CLI::Option* candidate = exported->add_option("--candidate", export_.candidate,
                                                  "Number or name; the job's answer if not given");
    exported
        ->add_option("--max-cost", export_.max_costs,
                     "The most accurate candidate that costs no more: \"0.21 GBOPs\", \"1.1x int4\"; of a "
                     "metric of the job by name, \"model_size=30 KiB\"; once for each metric")
        ->allow_extra_args(false)
        ->excludes(candidate);
    exported->add_option("--format", export_.format, kExportFormats)->capture_default_str();
    exported->add_option("-o,--output", export_.file, "File to write; standard output if not given");
  }

  void AddFeasible(CLI::App* command) {
    command->add_flag("--feasible", feasible_, "Only candidates within the target and all limits");
  }

  void AddMetric(CLI::App* command) {
    command->add_option("--metric", metric_, "Cost metric; the one with the target if not given");
  }

  void AddCatalogueCommands() {
    const std::vector<std::string> many = {"table", "json", "csv"};
    AddOutput(Add("costs", "List the cost metrics: unit, what is counted, where constants come from",
                  [this](Session session) { return Costs(session, OutputFormatFrom(output_)); }),
              many);
    AddOutput(Add("models", "List the networks and data sets that the server knows",
                  [this](Session session) { return Models(session, OutputFormatFrom(output_)); }),
              many);
    CLI::App* inspect =
        Add("inspect", "Show what a job would find in an ONNX file, or what it does not support",
            [this](Session session) {
              inspect_.output = OutputFormatFrom(output_);
              return Inspect(session, inspect_);
            });
    inspect->add_option("MODEL.onnx", inspect_.path, "The file; beyond 4 MiB the server reads it")
        ->required();
    inspect->add_flag("--on-server", inspect_.on_server, "The file is on the server's machine");
    inspect->add_option("--output-name", inspect_.output_name, "Of several outputs the one with the logits");
    inspect
        ->add_option("--input", inspect_.input_shape,
                     "Channels,height,width, where the model leaves them open")
        ->delimiter(',')
        ->expected(3);
    AddOutput(inspect, {"table", "json"});
    AddOutput(Add("version", "Show the versions of client and server",
                  [this](Session session) { return Version(session, OutputFormatFrom(output_)); }),
              {"table", "json"});
    AddOutput(Add("doctor", "Examine the way to the server and its health, and say what to do",
                  [this](Session session) { return Doctor(session, OutputFormatFrom(output_)); }),
              {"table", "json"});
  }

  void AddFormatCommands() {
    AddOutput(
        Add("formats", "List the number formats; needs no server",
            [this](Session session) { return Formats(session.environment, OutputFormatFrom(output_)); }),
        {"table", "json", "csv"});

    CLI::App* format = Add("format", "Explain a number format; needs no server", [this](Session session) {
      return ShowFormat(session.environment, quantize_.format, OutputFormatFrom(output_));
    });
    format->require_subcommand(1);
    CLI::App* show = format->add_subcommand("show", "Limits, layout and codes of a format");
    show->add_option("NAME", quantize_.format, "As in mxfp4:ceil; precis formats lists them")->required();
    AddOutput(show, {"table", "json"});

    CLI::App* quantize = Add("quantize", "Quantise numbers, one a line, from standard input; needs no server",
                             [this](Session session) {
                               quantize_.output = OutputFormatFrom(output_);
                               return Quantize(session.environment, quantize_);
                             });
    quantize->add_option("--format", quantize_.format, "Number format, as in int4 or mxfp4")->required();
    quantize->add_option("--scale", quantize_.scale,
                         "A number, or auto to find it; 1 if not given. Blocks find their own");
    quantize->add_option("--scale-rule", quantize_.scale_rule, "Of a power-of-two scale: floor, ceil or even")
        ->check(CLI::IsMember({"floor", "ceil", "even"}));
    quantize->add_option("--rounding", quantize_.rounding, "nearest or stochastic (8 random bits, or +srR's)")
        ->check(CLI::IsMember({"nearest", "stochastic"}));
    quantize->add_option("--seed", quantize_.seed, "Of stochastic rounding and rotation")
        ->capture_default_str();
    AddOutput(quantize, {"table", "json"});
  }

  absl::StatusOr<int> SubmitFrom(Session session) {
    submit_.watching.patience = Milliseconds(patience_s_);
    submit_.output = OutputFormatFrom(output_);
    return Submit(session, submit_);
  }

  std::vector<std::string> CommandNames() const {
    std::vector<std::string> names;
    for (const CLI::App* command : app_.get_subcommands({})) names.push_back(command->get_name());
    return names;
  }

  const CLI::App* FindCommand(const std::string& name) const {
    for (const CLI::App* command : app_.get_subcommands({}))
      if (command->get_name() == name) return command;
    return nullptr;
  }

  // CLI11 would only say that a word was not expected.
  std::string UnknownCommand(const std::vector<std::string>& arguments) const {
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string& word = arguments[i];
      if (word == "--server" || word == "--timeout" || word == "--token-file" || word == "--tls-ca" ||
          word == "--tls-cert" || word == "--tls-key") {
        ++i;
      } else if (word.empty() || word[0] != '-') {
        return FindCommand(word) == nullptr ? absl::StrCat(word, word.empty() ? " " : "") : "";
      }
    }
    return "";
  }

  int Help() {
    const std::map<std::string, std::string> topics = {{"exit-codes", kExitCodesHelp},
                                                       {"environment", kEnvironmentHelp},
                                                       {"job-file", JobFileHelp()},
                                                       {"json", kJsonHelp}};
    if (const auto topic = topics.find(topic_); topic != topics.end()) {
      *environment_.out << topic->second;
      return kExitOk;
    }
    const CLI::App* command = topic_.empty() ? &app_ : FindCommand(topic_);
    if (command == nullptr) {
      std::vector<std::string> known = CommandNames();
      for (const auto& [name, text] : topics) known.push_back(name);
      return Refuse(absl::StrCat("there is no help on \"", topic_, "\".", DidYouMean(topic_, known)));
    }
    *environment_.out << command->help();
    return kExitOk;
  }

  int RunCommand() {
    const std::string address =
        !server_.empty() ? server_ : environment_.variable("PRECIS_SERVER").value_or(kDefaultServer);
    for (const auto& [app, command] : commands_) {
      if (!app->parsed()) continue;
      const bool offline =
          app->get_name() == "formats" || app->get_name() == "format" || app->get_name() == "quantize";
      absl::StatusOr<Access> access = offline ? Access() : ReadAccess(access_, address, environment_);
      if (!access.ok()) {
        *environment_.err << "precis: " << std::string(access.status().message()) << "\n";
        return kExitUsage;
      }
      Connection connection(address, Milliseconds(timeout_s_), *std::move(access));
      const absl::StatusOr<int> code = command({environment_, connection});
      if (code.ok()) return *code;
      *environment_.err << "precis: " << std::string(code.status().message()) << "\n";
      return IsRpcError(code.status()) ? kExitRpc + static_cast<int>(code.status().code()) : kExitUsage;
    }
    return kExitUsage;
  }

  int Refuse(const std::string& message) const {
    std::string help = "precis --help";
    for (const auto& [app, command] : commands_)
      if (app->parsed()) help = absl::StrCat("precis ", app->get_name(), " --help");
    *environment_.err << "precis: " << message << "\nSee: " << help << "\n";
    return kExitUsage;
  }

  const Environment& environment_;
  CLI::App app_{"", "precis"};
  CLI::App* help_ = nullptr;
  std::vector<std::pair<CLI::App*, Command>> commands_;
  std::string server_;
  AccessOptions access_;
  AdminCommandLine admin_;
  double timeout_s_ = 10;
  double patience_s_ = 60;
  std::string topic_;
  std::string job_;
  std::vector<std::string> jobs_;
  std::string target_;
  std::string output_ = "table";
  SubmitOptions submit_;
  ParetoOptions pareto_;
  ExportOptions export_;
  InspectOptions inspect_;
  QuantizeOptions quantize_;
  std::string state_;
  std::string order_by_;
  std::string metric_;
  int64_t limit_ = 0;
  int64_t after_ = 0;
  bool feasible_ = false;
};

}  // namespace

int RunPrecis(const std::vector<std::string>& arguments, const Environment& environment) {
  try {
    int code = CommandLine(environment).Run(arguments);
    environment.out->flush();
    if (!*environment.out) {
      *environment.err << "precis: cannot write to standard output.\n";
      if (code == kExitOk) code = kExitUsage;
    }
    return code;
  } catch (const std::exception& error) {
    *environment.err << "precis: " << error.what() << "\n";
    return kExitUsage;
  }
}

}  // namespace precis::client
