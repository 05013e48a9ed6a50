// submit, validate, get, list, watch, cancel, pause, resume, retry, delete.
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/job_reference.h"
#include "client/job_text.h"
#include "client/proto_names.h"
#include "client/units.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::client {
namespace {

// RFC 4122, version 4.
std::string RandomUuid() {
  std::random_device device;
  std::array<uint32_t, 4> words;
  for (uint32_t& word : words) word = device();
  words[1] = (words[1] & 0xFFFF0FFFu) | 0x4000u;
  words[2] = (words[2] & 0x3FFFFFFFu) | 0x80000000u;
  return absl::StrFormat("%08x-%04x-%04x-%04x-%04x%08x", words[0], words[1] >> 16, words[1] & 0xFFFF,
                         words[2] >> 16, words[2] & 0xFFFF, words[3]);
}

void PrintJob(Session session, const v1::Job& job, OutputFormat output) {
  *session.environment.out << (output == OutputFormat::kJson ? JsonDocument(MessageToJson(job))
                                                             : JobText(job));
}

int ExitCodeOf(const WatchEnd& end) {
  if (end.interrupted) return kExitInterrupted;
  if (end.job.state() == v1::Job::FAILED) return kExitFailed;
  if (end.job.state() == v1::Job::CANCELLED) return kExitCancelled;
  return kExitOk;
}

absl::StatusOr<int> WatchToTheEnd(Session session, const v1::Job& job, const WatchOptions& watching,
                                  OutputFormat output) {
  const absl::StatusOr<WatchEnd> end = WatchJob(session.connection, job, watching, session.environment);
  if (!end.ok()) return end.status();
  if (!end->interrupted) PrintJob(session, end->job, output);
  return ExitCodeOf(*end);
}

int RefuseFaults(Session session, const std::vector<Fault>& faults, const JobFileSource& source) {
  *session.environment.err << FaultReport(faults, source) << "\n";
  return kExitUsage;
}

// An error that leaves open whether the job was taken.
bool MayHaveArrived(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status) ||
         absl::IsUnknown(status);
}

}  // namespace

absl::StatusOr<int> Submit(Session session, const SubmitOptions& options) {
  const absl::StatusOr<JobFile> file = LoadJobFile(options.source, session.environment);
  if (!file.ok()) return file.status();
  if (!file->faults.empty()) {
    std::string note;
    const std::vector<Fault> faults = AllFaults(*file, session.connection, note);
    const int code = RefuseFaults(session, faults, options.source);
    if (!note.empty()) *session.environment.err << note << "\n";
    return code;
  }

  v1::SubmitJobRequest request;
  *request.mutable_spec() = file->spec;
  request.set_validate_only(options.dry_run);
  if (!options.dry_run)
    request.set_request_id(options.request_id.empty() ? RandomUuid() : options.request_id);
  const absl::StatusOr<v1::Job> job = session.connection.Call(&Connection::Stub::SubmitJob, request);
  if (!job.ok()) {
    const std::vector<v1::FieldViolation> violations = ViolationsOf(job.status());
    if (!violations.empty()) return RefuseFaults(session, ServerFaults(*file, violations), options.source);
    if (options.dry_run || !MayHaveArrived(job.status())) return job.status();
    return WithMessage(
        job.status(),
        absl::StrCat(job.status().message(), "\nTo try again without submitting twice, add: --request-id ",
                     request.request_id()));
  }
  if (options.dry_run) {
    *session.environment.err << "No fault found; nothing was submitted.\n";
    *session.environment.out << (options.output == OutputFormat::kJson ? JsonDocument(MessageToJson(*job))
                                                                       : PlanText(*job));
    return kExitOk;
  }
  if (options.watch) {
    *session.environment.err << "Submitted " << job->name() << "\n";
    return WatchToTheEnd(session, *job, options.watching, options.output);
  }
  if (options.output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*job));
  } else {
    *session.environment.out << job->name() << "\n";
  }
  *session.environment.err << "Submitted. Watch it with: precis watch " << LastPart(job->name()) << "\n";
  return kExitOk;
}

absl::StatusOr<int> Get(Session session, const JobOptions& options) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  PrintJob(session, *job, options.output);
  return kExitOk;
}

absl::StatusOr<int> Watch(Session session, const JobOptions& options, const WatchOptions& watching) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  return WatchToTheEnd(session, *job, watching, options.output);
}

namespace {

// Asks for something and says what came of it: `done` if the job is in that state now, else `doing`.
template <typename Request, typename Method>
absl::StatusOr<int> Ask(Session session, const JobOptions& options, Method method, v1::Job::State state,
                        const char* done, const char* doing) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  Request request;
  request.set_name(job->name());
  const absl::StatusOr<v1::Job> asked = session.connection.Call(method, request);
  if (!asked.ok()) return asked.status();
  if (options.output == OutputFormat::kJson) PrintJob(session, *asked, options.output);
  *session.environment.err << asked->name() << (asked->state() == state ? done : doing);
  return kExitOk;
}

}  // namespace

absl::StatusOr<int> Cancel(Session session, const JobOptions& options) {
  return Ask<v1::CancelJobRequest>(session, options, &Connection::Stub::CancelJob, v1::Job::CANCELLED,
                                   " is cancelled.\n", " is being cancelled.\n");
}

absl::StatusOr<int> Pause(Session session, const JobOptions& options) {
  return Ask<v1::PauseJobRequest>(session, options, &Connection::Stub::PauseJob, v1::Job::PAUSED,
                                  " is paused.\n", " will be paused once it has left a checkpoint.\n");
}

absl::StatusOr<int> Resume(Session session, const JobOptions& options) {
  return Ask<v1::ResumeJobRequest>(session, options, &Connection::Stub::ResumeJob, v1::Job::RUNNING,
                                   " is running.\n", " is queued; it goes on from its checkpoint.\n");
}

absl::StatusOr<int> Retry(Session session, const JobOptions& options) {
  return Ask<v1::RetryJobRequest>(session, options, &Connection::Stub::RetryJob, v1::Job::RUNNING,
                                  " is running.\n",
                                  " is queued; it goes on from its last checkpoint, if there is one.\n");
}

absl::StatusOr<int> Delete(Session session, const JobOptions& options) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  v1::DeleteJobRequest request;
  request.set_name(job->name());
  const auto deleted = session.connection.Call(&Connection::Stub::DeleteJob, request);
  if (!deleted.ok()) return deleted.status();
  *session.environment.err << "Deleted " << job->name() << ", its candidates and its files.\n";
  return kExitOk;
}

absl::StatusOr<int> List(Session session, const ListOptions& options) {
  v1::ListJobsRequest query;
  if (!options.state.empty()) {
    const auto& states = *v1::Job::State_descriptor();
    const auto* state = FindEnumValue(states, options.state);
    if (state == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("--state ", options.state, " is not known.",
                                                     DidYouMean(options.state, ShortEnumNames(states))));
    query.set_state(static_cast<v1::Job::State>(state->number()));
  }
  std::vector<v1::Job> jobs;
  const absl::Status status = ForEachJob(session.connection, query, [&](const v1::Job& job) {
    jobs.push_back(job);
    return options.limit == 0 || static_cast<int64_t>(jobs.size()) < options.limit;
  });
  if (!status.ok()) return status;

  if (options.output == OutputFormat::kJson) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const v1::Job& job : jobs) list.push_back(MessageToJson(job));
    *session.environment.out << JsonDocument(list);
  } else if (options.output == OutputFormat::kCsv) {
    Table table(
        {{"name"}, {"display_name"}, {"state"}, {"fraction"}, {"model"}, {"data"}, {"target"}, {"error"}});
    for (const v1::Job& job : jobs)
      table.AddRow({job.name(), job.spec().display_name(), StateName(job.state()),
                    ExactNumber(job.progress().fraction()), ModelName(job.spec().model()),
                    job.spec().data().name(), AskedTarget(job.spec().cost()), job.error()});
    *session.environment.out << table.Csv();
  } else {
    Table table(
        {{"JOB"}, {"STATE"}, {"DONE", true}, {"MODEL"}, {"DATA"}, {"TARGET"}, {"SUBMITTED"}, {"TITLE"}});
    for (const v1::Job& job : jobs)
      table.AddRow({job.name(), StateName(job.state()),
                    absl::StrFormat("%.0f%%", 100 * job.progress().fraction()), ModelName(job.spec().model()),
                    job.spec().data().name(), AskedTarget(job.spec().cost()), TimeText(job.create_time()),
                    job.spec().display_name()});
    *session.environment.out << table.Text();
    if (jobs.empty()) *session.environment.err << "No job. Submit one with: precis submit JOB.yaml\n";
  }
  return kExitOk;
}

}  // namespace precis::client
