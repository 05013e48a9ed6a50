// The commands of `precis`, without their command line: options in, data on environment.out, exit code out.
//
// Each returns the exit code (kExitOk, or what watching a job came to) or an error, which the caller
// prints and turns into an exit code. Nothing throws.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/connection.h"
#include "client/environment.h"
#include "client/job_check.h"
#include "client/output.h"
#include "client/watch.h"

namespace precis::client {

struct Session {
  const Environment& environment;
  Connection& connection;
};

struct SubmitOptions {
  JobFileSource source;
  std::string request_id;  // "": a fresh UUID
  bool dry_run = false;
  bool watch = false;
  WatchOptions watching;
  OutputFormat output = OutputFormat::kTable;
};
// Table output: the job's name alone, so that a script can keep it; with `watch`, what `watch` prints.
absl::StatusOr<int> Submit(Session session, const SubmitOptions& options);

struct JobOptions {
  std::string job;
  OutputFormat output = OutputFormat::kTable;
};
absl::StatusOr<int> Get(Session session, const JobOptions& options);
absl::StatusOr<int> Cancel(Session session, const JobOptions& options);
absl::StatusOr<int> Pause(Session session, const JobOptions& options);
absl::StatusOr<int> Resume(Session session, const JobOptions& options);
absl::StatusOr<int> Retry(Session session, const JobOptions& options);
absl::StatusOr<int> Delete(Session session, const JobOptions& options);
// Prints the job as it ended.
absl::StatusOr<int> Watch(Session session, const JobOptions& options, const WatchOptions& watching);

struct ListOptions {
  std::string state;  // "" = all
  int64_t limit = 0;  // 0 = all
  OutputFormat output = OutputFormat::kTable;
};
absl::StatusOr<int> List(Session session, const ListOptions& options);

struct CandidatesOptions {
  std::string job;
  bool feasible = false;
  std::string order_by;
  int64_t limit = 0;  // 0 = all
  OutputFormat output = OutputFormat::kTable;
};
absl::StatusOr<int> Candidates(Session session, const CandidatesOptions& options);

struct ParetoOptions {
  std::string job;
  bool feasible = false;
  std::string metric;                        // "": the constrained one
  bool knee = false;                         // the knee alone
  std::optional<double> within_points;       // the cheapest within so many points of the best alone
  bool summary = false;                      // the server's answer as it is: front, hypervolume, knee
  std::string reference_cost;                // "0.9 GBOPs"; "": the dearest candidate
  std::optional<double> reference_accuracy;  // a share
  OutputFormat output = OutputFormat::kTable;
};
// Tables have the references and the answer beside the front, and below it hypervolume and knee; JSON and CSV
// have the front alone, or, with `summary`, JSON has the GetParetoFrontResponse.
absl::StatusOr<int> Pareto(Session session, const ParetoOptions& options);

struct CompareOptions {
  std::vector<std::string> jobs;  // two and more, no two alike
  bool feasible = false;
  std::string metric;  // "": the constrained one, which must be the same of all
  OutputFormat output = OutputFormat::kTable;
};
// At every cost on any of the fronts the best accuracy of each job at no greater cost; hypervolumes against
// one reference, the dearest candidate of all. INVALID_ARGUMENT, naming both jobs, for jobs that do not
// compare: another metric, unit, table or data set, or another number of search images.
absl::StatusOr<int> Compare(Session session, const CompareOptions& options);

struct ChooseOptions {
  std::string job;
  std::string target;
  std::string metric;  // "": the constrained one
  OutputFormat output = OutputFormat::kTable;
};
// The best candidate within another target. FAILED_PRECONDITION, naming what there is, if none is within.
absl::StatusOr<int> Choose(Session session, const ChooseOptions& options);

inline constexpr char kExportFormats[] =
    "json, onnx, onnx_fake, onnx_float, packed, safetensors, aimet, aimet_0.6.1, modelopt, torchao, "
    "neural_compressor or olive";
struct ExportOptions {
  std::string job;
  std::string candidate;  // number or name; "": the final one, or the one max_costs pick
  // The most accurate candidate that costs no more: "0.21 GBOPs", "model_size=30 KiB".
  std::vector<std::string> max_costs;
  std::string format = "json";
  std::string file;  // "" or "-": environment.out
};
// The file is whole or absent: written beside its place, then renamed. Size and hash are checked.
absl::StatusOr<int> Export(Session session, const ExportOptions& options);

struct InspectOptions {
  std::string path;                  // an ONNX file; up to nearly 4 MiB it is sent, else the server reads it
  bool on_server = false;            // it is the server's to read, whatever its size
  std::string output_name;           // of several outputs the one with the logits
  std::vector<int64_t> input_shape;  // channels, height, width, for models that leave them open
  OutputFormat output = OutputFormat::kTable;
};
// Shapes, multiply-accumulates, parameters and layers of a model of one's own. kExitUsage, with all that is
// not supported on environment.err, if it cannot be searched.
absl::StatusOr<int> Inspect(Session session, const InspectOptions& options);

// The three below need no server: they speak of this program's own formats.
absl::StatusOr<int> Formats(const Environment& environment, OutputFormat output);

// Limits, layout and, for elements of up to 8 bits, every code.
absl::StatusOr<int> ShowFormat(const Environment& environment, const std::string& name, OutputFormat output);

struct QuantizeOptions {
  std::string format;
  std::string scale;       // "": 1, or the format's own; "auto": found; or a number
  std::string scale_rule;  // "", "floor", "ceil", "even"
  std::string rounding;  // "": the format's; "nearest"; "stochastic": with 8 bits unless the format has some
  uint64_t seed = 0;
  OutputFormat output = OutputFormat::kTable;
};
// One number a line from environment.in, one dequantised number a line out, exact in %.9g. The list is one
// row: blocks form along it. An error names every line that is not a number.
absl::StatusOr<int> Quantize(const Environment& environment, const QuantizeOptions& options);

// The cost metrics with unit and basis.
absl::StatusOr<int> Costs(Session session, OutputFormat output);
absl::StatusOr<int> Models(Session session, OutputFormat output);
// Never fails because there is no server: that is then said.
absl::StatusOr<int> Version(Session session, OutputFormat output);

// A line a check, OK, WARN or FAIL, the last two with what to do: the server answers, both have one version
// and one time, and each service is healthy. kExitOk if nothing is FAIL, else kExitUsage.
absl::StatusOr<int> Doctor(Session session, OutputFormat output);

struct CreateTokenOptions {
  std::string name;
  std::string role;     // "read", "submit", "admin"
  std::string expires;  // "": never; "90d", "12h"; "2027-01-31" or RFC 3339
  OutputFormat output = OutputFormat::kTable;
};
// Table output: the token alone, so that a script can keep it; it is never shown again.
absl::StatusOr<int> CreateToken(Session session, const CreateTokenOptions& options);
absl::StatusOr<int> ListTokens(Session session, OutputFormat output);
absl::StatusOr<int> RevokeToken(Session session, const std::string& name);
// Writes to a new folder on the server's machine; a relative path is this machine's, so only a server on a
// loopback address gets one. Waits for as long as it takes, an hour at most. kExitUsage, with the faults on
// environment.err, if what was copied had any.
absl::StatusOr<int> Backup(Session session, const std::string& path, OutputFormat output);
// kExitOk if the server's data have no faults, else kExitUsage. Waits likewise.
absl::StatusOr<int> CheckData(Session session, OutputFormat output);
// Restoring is precisd's: says how, on environment.err. kExitUsage, since nothing was restored.
absl::StatusOr<int> ExplainRestore(Session session, const std::string& path, const std::string& data_dir);
// Newest first.
absl::StatusOr<int> Audit(Session session, int64_t limit, OutputFormat output);

}  // namespace precis::client
