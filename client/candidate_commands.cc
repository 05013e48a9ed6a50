// candidates, pareto.
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/candidate_list.h"
#include "client/candidate_text.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/job_reference.h"
#include "client/job_text.h"
#include "client/units.h"

namespace precis::client {
namespace {

void PrintCandidates(Session session, const v1::Job& job, const std::vector<v1::Candidate>& candidates,
                     OutputFormat output) {
  if (output == OutputFormat::kJson) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const v1::Candidate& candidate : candidates) list.push_back(MessageToJson(candidate));
    *session.environment.out << JsonDocument(list);
  } else if (output == OutputFormat::kCsv) {
    *session.environment.out << CandidateCsv(job, candidates).Csv();
  } else {
    *session.environment.out << CandidateTable(job, candidates, output == OutputFormat::kWide).Text();
  }
}

// The front, and below it in the same columns what it is to be compared with.
std::string FrontText(const v1::Job& job, const std::string& metric, const std::vector<v1::Candidate>& front,
                      const std::vector<v1::Candidate>& beside, bool wide) {
  std::vector<v1::Candidate> all = front;
  all.insert(all.end(), beside.begin(), beside.end());
  // One table, so that the columns of both parts line up.
  const std::string table = CandidateTable(job, all, wide).Text();
  size_t cut = 0;
  for (size_t line = 0; line < front.size() + 1; ++line) cut = table.find('\n', cut) + 1;
  std::string text =
      absl::StrCat("Pareto front of ", job.name(), ": ", metric, " against accuracy on the search split.");
  if (job.has_plan()) absl::StrAppend(&text, " Target: at most ", TargetText(job), ".");
  if (job.has_result()) absl::StrAppend(&text, " * marks the answer.");
  absl::StrAppend(&text, "\n\n", table.substr(0, cut));
  if (!beside.empty()) absl::StrAppend(&text, "\nNot on the front, for comparison:\n", table.substr(cut));
  if (job.has_result() && job.result().has_float_test())
    absl::StrAppend(&text, "\nThe same weights in fp32: search ",
                    AccuracyText(job.result().float_search().accuracy()), ", test ",
                    AccuracyText(job.result().float_test().accuracy()), ".\n");
  return text;
}

}  // namespace

absl::StatusOr<int> Candidates(Session session, const CandidatesOptions& options) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  v1::ListCandidatesRequest query;
  query.set_parent(job->name());
  query.set_feasible_only(options.feasible);
  query.set_order_by(options.order_by);
  const auto candidates = FetchCandidates(session.connection, query, options.limit);
  if (!candidates.ok()) return candidates.status();
  PrintCandidates(session, *job, *candidates, options.output);
  if (candidates->empty()) *session.environment.err << job->name() << " has no such candidates.\n";
  return kExitOk;
}

absl::StatusOr<int> Pareto(Session session, const ParetoOptions& options) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  v1::GetParetoFrontRequest request;
  request.set_parent(job->name());
  request.set_feasible_only(options.feasible);
  request.set_metric(options.metric);
  const auto response = session.connection.Call(&Connection::Stub::GetParetoFront, request);
  if (!response.ok()) return response.status();
  const std::vector<v1::Candidate> front(response->candidates().begin(), response->candidates().end());
  if (front.empty()) *session.environment.err << job->name() << " has no such candidates.\n";
  if (options.output == OutputFormat::kJson || options.output == OutputFormat::kCsv) {
    PrintCandidates(session, *job, front, options.output);
    return kExitOk;
  }

  std::set<std::string> on_front;
  for (const v1::Candidate& candidate : front) on_front.insert(candidate.name());
  v1::ListCandidatesRequest query;
  query.set_parent(job->name());
  query.set_order_by("cost");
  const auto all = FetchCandidates(session.connection, query, 0);
  if (!all.ok()) return all.status();
  std::vector<v1::Candidate> beside;
  for (const v1::Candidate& candidate : *all)
    if (candidate.origin() != v1::Candidate::SAMPLED && on_front.count(candidate.name()) == 0)
      beside.push_back(candidate);
  *session.environment.out << FrontText(*job, response->metric(), front, beside,
                                        options.output == OutputFormat::kWide);
  return kExitOk;
}

}  // namespace precis::client
