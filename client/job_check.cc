// Local and remote faults of a job file, merged.
#include "client/job_check.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cost_table_file.h"
#include "client/model_path.h"

namespace precis::client {
namespace {

std::string ShownName(const JobFileSource& source) { return source.path == "-" ? "<stdin>" : source.path; }

// At most one byte more than is allowed, so that a huge file is refused without being read.
std::string ReadLimited(std::istream& stream) {
  std::string text(kMaxYamlBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

absl::StatusOr<std::string> ReadText(const JobFileSource& source, const Environment& environment) {
  if (source.path == "-") return ReadLimited(*environment.in);
  errno = 0;
  std::ifstream stream(source.path, std::ios::binary);
  if (!stream) {
    return absl::NotFoundError(absl::StrCat("cannot open ", source.path, ": ", std::strerror(errno),
                                            ". Samples are in deploy/jobs/."));
  }
  std::string text = ReadLimited(stream);
  if (stream.bad())
    return absl::NotFoundError(absl::StrCat("cannot read ", source.path, ": ", std::strerror(errno)));
  return text;
}

bool IsAtOrBelow(const std::string& path, const std::string& top) {
  return path == top || (absl::StartsWith(path, top) && (path[top.size()] == '.' || path[top.size()] == '['));
}

// Where `path` stands, or the nearest section around it that the file has.
Place FindPlace(const JobFile& file, std::string path) {
  while (!path.empty()) {
    if (const auto found = file.places.find(path); found != file.places.end()) return found->second;
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return {};
}

void SortByPlace(std::vector<Fault>& faults) {
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) {
    return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
  });
}

}  // namespace

absl::StatusOr<JobFile> LoadJobFile(const JobFileSource& source, const Environment& environment) {
  absl::StatusOr<std::string> text = ReadText(source, environment);
  if (!text.ok()) return text.status();
  absl::StatusOr<JobFile> file = ParseJobFile(*text, source.overrides);
  if (file.ok()) {
    LoadCostTable(source.path, *file);
    MakeModelPathAbsolute(source.path, *file);
    SortByPlace(file->faults);
    return file;
  }
  const std::string message(file.status().message());
  if (absl::StartsWith(message, "--set")) return file.status();
  const bool placed = !message.empty() && message[0] >= '0' && message[0] <= '9';
  return absl::InvalidArgumentError(absl::StrCat(ShownName(source), placed ? ":" : ": ", message));
}

std::vector<Fault> ServerFaults(const JobFile& file, const std::vector<v1::FieldViolation>& violations) {
  std::vector<Fault> faults;
  for (const v1::FieldViolation& violation : violations) {
    const bool consequence =
        std::any_of(file.suspect_paths.begin(), file.suspect_paths.end(),
                    [&](const std::string& suspect) { return IsAtOrBelow(violation.field(), suspect); });
    if (!consequence)
      faults.push_back({FindPlace(file, violation.field()), violation.field(), violation.message()});
  }
  SortByPlace(faults);
  return faults;
}

std::vector<Fault> AllFaults(const JobFile& file, Connection& connection, std::string& note) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = file.spec;
  request.set_validate_only(true);
  std::vector<Fault> faults = file.faults;
  const absl::StatusOr<v1::Job> answer = connection.Call(&Connection::Stub::SubmitJob, request);
  if (answer.ok()) return faults;
  const std::vector<v1::FieldViolation> violations = ViolationsOf(answer.status());
  if (violations.empty())
    note = absl::StrCat("The server could not be asked about the rest: ", answer.status().message());
  for (Fault& fault : ServerFaults(file, violations)) faults.push_back(std::move(fault));
  SortByPlace(faults);
  return faults;
}

std::string FaultReport(const std::vector<Fault>& faults, const JobFileSource& source) {
  std::string report;
  for (const Fault& fault : faults) absl::StrAppend(&report, FaultText(fault, ShownName(source)), "\n");
  absl::StrAppend(&report, faults.size(), faults.size() == 1 ? " fault in " : " faults in ",
                  ShownName(source), "; nothing was submitted.");
  return report;
}

}  // namespace precis::client
