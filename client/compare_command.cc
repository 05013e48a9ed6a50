// compare: fronts side by side at equal cost.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/job_reference.h"
#include "client/job_text.h"
#include "client/units.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

struct Front {
  v1::Job job;
  v1::GetParetoFrontResponse response;
};

// The best accuracy on the front at no greater cost.
std::optional<double> BestAt(const Front& front, double cost) {
  std::optional<double> best;
  for (const v1::Candidate& candidate : front.response.candidates()) {
    const v1::Cost* own = FindCost(candidate, front.response.metric());
    if (own != nullptr && own->value() <= cost)
      best = std::max(best.value_or(-HUGE_VAL), candidate.search().accuracy());
  }
  return best;
}

// Why `b` does not compare with `a`; "" if it does.
std::string Difference(const v1::Job& a, const v1::Job& b, const std::string& metric) {
  const auto differ = [&](const std::string& what, const std::string& of_a, const std::string& of_b) {
    return of_a == of_b ? "" : absl::StrCat(what, " (", of_a, ", ", of_b, ")");
  };
  std::string text = differ("the data set", a.spec().data().name(), b.spec().data().name());
  if (text.empty())
    text = differ("data.search_images", absl::StrCat(a.spec().data().search_images()),
                  absl::StrCat(b.spec().data().search_images()));
  if (text.empty() && metric == "table" && a.spec().cost().table() != b.spec().cost().table())
    text = "cost.table";  // too long to be shown
  return text;
}

absl::StatusOr<std::vector<Front>> FetchFronts(Session session, const CompareOptions& options,
                                               const std::vector<v1::Job>& jobs, const std::string& metric) {
  std::vector<Front> fronts;
  double dearest = 0;
  // Once to learn what the dearest candidate of all costs, and once against it.
  for (const bool known : {false, true}) {
    fronts.clear();
    for (const v1::Job& job : jobs) {
      v1::GetParetoFrontRequest request;
      request.set_parent(job.name());
      request.set_metric(metric);
      request.set_feasible_only(options.feasible);
      if (known && dearest > 0) request.set_reference_cost(dearest);
      auto response = session.connection.Call(&Connection::Stub::GetParetoFront, request);
      if (!response.ok()) return response.status();
      if (!known) dearest = std::max(dearest, response->reference_cost());
      fronts.push_back({job, *std::move(response)});
    }
  }
  return fronts;
}

std::vector<double> AllCosts(const std::vector<Front>& fronts) {
  std::set<double> costs;
  for (const Front& front : fronts)
    for (const v1::Candidate& candidate : front.response.candidates())
      if (const v1::Cost* cost = FindCost(candidate, front.response.metric())) costs.insert(cost->value());
  return {costs.begin(), costs.end()};
}

void PrintJson(Session session, const std::vector<Front>& fronts, const std::string& unit) {
  nlohmann::ordered_json json;
  json["metric"] = fronts.front().response.metric();
  json["unit"] = unit;
  json["reference_cost"] = fronts.front().response.reference_cost();
  json["reference_accuracy"] = fronts.front().response.reference_accuracy();
  json["jobs"] = nlohmann::ordered_json::array();
  for (const Front& front : fronts)
    json["jobs"].push_back({{"name", front.job.name()},
                            {"display_name", front.job.spec().display_name()},
                            {"hypervolume", front.response.hypervolume()},
                            {"knee", front.response.knee()}});
  json["rows"] = nlohmann::ordered_json::array();
  for (const double cost : AllCosts(fronts)) {
    nlohmann::ordered_json accuracies = nlohmann::ordered_json::array();
    for (const Front& front : fronts) {
      const std::optional<double> best = BestAt(front, cost);
      accuracies.push_back(best ? nlohmann::ordered_json(*best) : nlohmann::ordered_json());
    }
    json["rows"].push_back({{"cost", cost}, {"accuracies", std::move(accuracies)}});
  }
  *session.environment.out << JsonDocument(json);
}

void PrintTable(Session session, const std::vector<Front>& fronts, const std::string& unit, bool csv) {
  const std::vector<double> costs = AllCosts(fronts);
  const std::string& metric = fronts.front().response.metric();
  const CostScale scale = csv ? CostScale{unit, 1} : ScaleFor(unit, costs.empty() ? 0 : costs.back());
  std::vector<Column> columns = {{csv ? absl::StrCat(metric, "_", unit) : scale.name, true}};
  for (const Front& front : fronts)
    columns.push_back({csv ? front.job.name() : LastPart(front.job.name()), true});
  Table table(columns);
  for (const double cost : costs) {
    std::vector<std::string> cells = {csv ? ExactNumber(cost) : CostNumber(cost, scale)};
    std::vector<std::optional<double>> bests;
    bests.reserve(fronts.size());
    for (const Front& front : fronts) bests.push_back(BestAt(front, cost));
    const std::optional<double> most = *std::max_element(bests.begin(), bests.end());
    for (const std::optional<double>& best : bests) {
      const bool marked = !csv && best == most;
      cells.push_back(!best ? ""
                      : csv ? ExactNumber(*best)
                            : absl::StrCat(marked ? "*" : "", AccuracyText(*best)));
    }
    table.AddRow(std::move(cells));
  }
  if (csv) {
    *session.environment.out << table.Csv();
    return;
  }
  *session.environment.out << "Best accuracy on the search split at no greater " << metric
                           << ". * marks the best of a line.\n\n"
                           << table.Text() << "\n"
                           << "Hypervolume of the rectangle up to "
                           << CostText(fronts.front().response.reference_cost(), unit) << ":\n";
  for (const Front& front : fronts)
    *session.environment.out << absl::StrFormat("  %s  %.4f  %s\n", LastPart(front.job.name()),
                                                front.response.hypervolume(),
                                                Printable(front.job.spec().display_name(), 100));
}

}  // namespace

absl::StatusOr<int> Compare(Session session, const CompareOptions& options) {
  std::vector<v1::Job> jobs;
  std::set<std::string> names;
  for (const std::string& reference : options.jobs) {
    absl::StatusOr<v1::Job> job = FindJob(session.connection, reference);
    if (!job.ok()) return job.status();
    if (!names.insert(job->name()).second)
      return absl::InvalidArgumentError(absl::StrCat(job->name(), " is given twice: name different jobs."));
    jobs.push_back(*std::move(job));
  }
  if (jobs.size() < 2) return absl::InvalidArgumentError("give at least two jobs to compare.");

  const std::string metric =
      options.metric.empty() ? jobs.front().plan().constrained_metric() : options.metric;
  const auto unit_of = [&](const v1::Job& job) {
    for (const v1::CostMetric& each : job.plan().costs())
      if (each.name() == metric) return each.unit();
    return std::string();
  };
  for (size_t i = 1; i < jobs.size(); ++i) {
    const v1::Job& a = jobs.front();
    const v1::Job& b = jobs[i];
    std::string difference = Difference(a, b, metric);
    if (options.metric.empty() && b.plan().constrained_metric() != metric)
      difference = absl::StrCat("the metric (", metric, ", ", b.plan().constrained_metric(),
                                "; --metric names one for all)");
    if (!difference.empty())
      return absl::InvalidArgumentError(
          absl::StrCat(a.name(), " and ", b.name(), " do not compare: they differ in ", difference, "."));
  }
  const auto same_seed = [&](const v1::Job& job) { return job.spec().seed() == jobs.front().spec().seed(); };
  if (!std::all_of(jobs.begin(), jobs.end(), same_seed))
    *session.environment.err
        << "The seeds differ, and with them the images held out for the search split: small "
           "differences may be these.\n";
  const absl::StatusOr<std::vector<Front>> fronts = FetchFronts(session, options, jobs, metric);
  if (!fronts.ok()) return fronts.status();
  const std::string unit = unit_of(jobs.front());
  if (options.output == OutputFormat::kJson) {
    PrintJson(session, *fronts, unit);
  } else {
    PrintTable(session, *fronts, unit, options.output == OutputFormat::kCsv);
  }
  return kExitOk;
}

}  // namespace precis::client
