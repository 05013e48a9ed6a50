// The three shapes of data on stdout: aligned tables for people, JSON and CSV for programs.
//
// JSON is a contract: every command prints exactly one document, lists are arrays, objects have the
// proto's field names in snake_case in the proto's order. Every field is always there: null where it is
// not set, [] where a list is empty. Enum values are short and lower case ("succeeded"), times are
// RFC 3339 in UTC, 64-bit integers are numbers, doubles read back exactly (not finite: null). New fields
// may be added; readers ignore those they do not know. `precis help json` says so to users.
//
// Threading: pure functions and values.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace precis::client {

enum class OutputFormat {
  kTable,
  kWide,  // the table with more columns
  kJson,
  kCsv,
};

// "table", "wide", "json", "csv"; anything else is a table.
OutputFormat OutputFormatFrom(const std::string& name);

struct Column {
  std::string name;
  bool right = false;  // numbers
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell a column (checked).
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // Columns two blanks apart, no blanks at line ends. Control characters in cells
  // are replaced.
  std::string Text() const;
  // RFC 4180: CRLF; cells with commas, quotes or line breaks are quoted.
  std::string Csv() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

nlohmann::ordered_json MessageToJson(const google::protobuf::Message& message);

// Indented by two, a line feed at the end. Bytes that are not UTF-8 are replaced.
std::string JsonDocument(const nlohmann::ordered_json& json);

// "0.1", "300000000", "1e+300": the shortest decimal that reads back as the same double, whole numbers below
// 1e15 in full; for CSV.
std::string ExactNumber(double value);

inline constexpr char kJsonHelp[] =
    R"(JSON output (-o json)
  Every command prints exactly one document on standard output; lists are arrays. Objects have the fields
  of proto/precis/v1, under the proto's own names (snake_case). Every field is always there: null where it
  is not set, [] where a list is empty. Enum values are short and lower case ("succeeded"), times RFC 3339
  in UTC, 64-bit integers numbers; doubles read back exactly, those that are not finite are null.
  New fields may be added; ignore those you do not know.

    submit, get, watch, cancel   a Job             list               array of Job
    pause, resume, retry         a Job
    validate, submit --dry-run   a Job, no name    candidates, pareto array of Candidate
    formats                      array of FormatInfo, and what this program knows beyond it
    format show                  one of those, with "codes"
    quantize                     {"format", "values", "scales", "zero_points", "global_scale", "qsnr_db",
                                 "exact"}
    pareto --summary             a GetParetoFrontResponse
    choose                       a ChooseCandidateResponse
    compare                      {"metric", "unit", "reference_cost", "reference_accuracy", "jobs": [{"name",
                                 "display_name", "hypervolume", "knee"}], "rows": [{"cost", "accuracies"}]}
    admin token create           {"token": Token, "secret"}
    admin token list             array of Token            admin audit      array of AuditRecord
    admin backup                 a CreateBackupResponse    admin check      a CheckDataResponse
    costs                        {"costs": [CostMetric]}
    models                       {"models": [ModelInfo], "datasets": [DatasetInfo]}
    version                      {"client", "server_address", "server": ServerInfo or null}
    doctor                       {"ok", "checks": [{"check", "level": "ok", "warn" or "fail", "message", "next"}]}
)";

}  // namespace precis::client
