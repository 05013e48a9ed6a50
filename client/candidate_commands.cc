// candidates, pareto, choose.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

std::string UnitOf(const v1::Plan& plan, const std::string& metric) {
  for (const v1::CostMetric& each : plan.costs())
    if (each.name() == metric) return each.unit();
  return "";
}

// What the front comes to, a line each.
std::string SummaryText(const v1::Job& job, const v1::GetParetoFrontResponse& front,
                        std::optional<double> within_points) {
  const std::string unit = UnitOf(job.plan(), front.metric());
  const auto line = [&](const std::string& name) {
    for (const v1::Candidate& candidate : front.candidates()) {
      const v1::Cost* cost = FindCost(candidate, front.metric());
      if (candidate.name() != name || cost == nullptr) continue;
      return absl::StrCat("candidate ", LastPart(name), ", ", CostText(cost->value(), unit), ", search ",
                          AccuracyText(candidate.search().accuracy()), ".\n");
    }
    return std::string("none.\n");
  };
  std::string text =
      absl::StrFormat("Hypervolume: %.4f of the rectangle up to %s and above %s.\n", front.hypervolume(),
                      CostText(front.reference_cost(), unit), AccuracyText(front.reference_accuracy()));
  absl::StrAppend(&text, "Knee: ", line(front.knee()));
  if (within_points)
    absl::StrAppend(&text, absl::StrFormat("Cheapest within %g points of the best: ", *within_points),
                    line(front.cheapest_within()));
  return text;
}

// The front, below it in the same columns what it is to be compared with, and what it comes to.
std::string FrontText(const v1::Job& job, const v1::GetParetoFrontResponse& response,
                      const std::vector<v1::Candidate>& beside, bool wide) {
  std::vector<v1::Candidate> all(response.candidates().begin(), response.candidates().end());
  all.insert(all.end(), beside.begin(), beside.end());
  // One table, so that the columns of both parts line up.
  const std::string table = CandidateTable(job, all, wide).Text();
  size_t cut = 0;
  for (int line = 0; line < response.candidates_size() + 1; ++line) cut = table.find('\n', cut) + 1;
  std::string text = absl::StrCat("Pareto front of ", job.name(), ": ", response.metric(),
                                  " against accuracy on the search split.");
  if (job.has_plan()) absl::StrAppend(&text, " Target: at most ", TargetText(job), ".");
  if (job.has_result()) absl::StrAppend(&text, " * marks the answer.");
  absl::StrAppend(&text, "\n\n", table.substr(0, cut));
  if (!beside.empty()) absl::StrAppend(&text, "\nNot on the front, for comparison:\n", table.substr(cut));
  absl::StrAppend(&text, "\n", SummaryText(job, response, std::nullopt));
  if (job.has_result() && job.result().has_float_test())
    absl::StrAppend(&text, "The same weights in fp32: search ",
                    AccuracyText(job.result().float_search().accuracy()), ", test ",
                    AccuracyText(job.result().float_test().accuracy()), ".\n");
  return text;
}

absl::StatusOr<v1::GetParetoFrontRequest> FrontRequest(const v1::Job& job, const ParetoOptions& options) {
  v1::GetParetoFrontRequest request;
  request.set_parent(job.name());
  request.set_feasible_only(options.feasible);
  request.set_metric(options.metric);
  if (options.within_points) request.set_within_points(*options.within_points);
  if (options.reference_accuracy) request.set_reference_accuracy(*options.reference_accuracy);
  if (options.reference_cost.empty()) return request;
  const std::string& metric = options.metric.empty() ? job.plan().constrained_metric() : options.metric;
  const absl::StatusOr<Amount> amount = ParseAmount(options.reference_cost, UnitOf(job.plan(), metric));
  if (!amount.ok())
    return absl::InvalidArgumentError(absl::StrCat("--reference-cost: ", amount.status().message()));
  if (!amount->times_format.empty())
    return absl::InvalidArgumentError("--reference-cost: give an amount, not a multiple of a format.");
  request.set_reference_cost(amount->value);
  return request;
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
  const absl::StatusOr<v1::GetParetoFrontRequest> request = FrontRequest(*job, options);
  if (!request.ok()) return request.status();
  const auto response = session.connection.Call(&Connection::Stub::GetParetoFront, *request);
  if (!response.ok()) return response.status();
  const bool table = options.output == OutputFormat::kTable || options.output == OutputFormat::kWide;
  if (options.summary && options.output != OutputFormat::kCsv) {
    *session.environment.out << (table ? SummaryText(*job, *response, options.within_points)
                                       : JsonDocument(MessageToJson(*response)));
    return kExitOk;
  }
  std::vector<v1::Candidate> front(response->candidates().begin(), response->candidates().end());
  const bool one = options.knee || options.within_points.has_value();
  if (one) {
    const std::string& chosen = options.knee ? response->knee() : response->cheapest_within();
    const auto other = [&](const v1::Candidate& candidate) { return candidate.name() != chosen; };
    front.erase(std::remove_if(front.begin(), front.end(), other), front.end());
  }
  if (front.empty())
    *session.environment.err << job->name()
                             << (options.knee ? " has a front without a knee.\n"
                                              : " has no such candidates.\n");
  if (!table || one) {
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
  *session.environment.out << FrontText(*job, *response, beside, options.output == OutputFormat::kWide);
  return kExitOk;
}

absl::StatusOr<int> Choose(Session session, const ChooseOptions& options) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  v1::ChooseCandidateRequest request;
  request.set_parent(job->name());
  request.set_target(options.target);
  request.set_metric(options.metric);
  const auto response = session.connection.Call(&Connection::Stub::ChooseCandidate, request);
  if (!response.ok()) return response.status();
  if (!response->has_candidate()) {
    const std::string measured =
        response->measured_max() > 0
            ? absl::StrCat("; those that keep its other limits cost ",
                           CostText(response->measured_min(), response->unit()), " to ",
                           CostText(response->measured_max(), response->unit()))
            : "; none keeps its other limits";
    return absl::FailedPreconditionError(
        absl::StrCat("no candidate of ", job->name(), " is within ", response->metric(), " ",
                     CostText(response->target(), response->unit()), measured, "."));
  }
  if (options.output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response));
  } else {
    PrintCandidates(session, *job, {response->candidate()}, options.output);
  }
  return kExitOk;
}

}  // namespace precis::client
