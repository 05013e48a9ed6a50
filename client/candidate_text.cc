// Candidates as tables and CSV.
#include "client/candidate_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/proto_names.h"
#include "client/units.h"

namespace precis::client {
namespace {

std::string OriginName(const v1::Candidate& candidate) {
  const auto* value = v1::Candidate::Origin_descriptor()->FindValueByNumber(candidate.origin());
  return value == nullptr ? "" : ShortEnumName(*value);
}

double LargestCost(const std::vector<v1::Candidate>& candidates, const std::string& metric) {
  double largest = 0;
  for (const v1::Candidate& candidate : candidates)
    if (const v1::Cost* cost = FindCost(candidate, metric)) largest = std::max(largest, cost->value());
  return largest;
}

std::string LayerList(const v1::Candidate& candidate) {
  std::string text = candidate.architecture();
  for (const v1::LayerFormats& layer : candidate.layers())
    absl::StrAppend(&text, text.empty() ? "" : " ", layer.layer(), "=", layer.weight(), "/",
                    layer.activation());
  return text;
}

}  // namespace

Table CandidateTable(const v1::Job& job, const std::vector<v1::Candidate>& candidates, bool wide) {
  const v1::Plan& plan = job.plan();
  std::vector<Column> columns = {{"CANDIDATE", true}, {"ORIGIN"}, {"LABEL"}};
  std::vector<CostScale> scales;
  for (const v1::CostMetric& metric : plan.costs()) {
    scales.push_back(ScaleFor(metric.unit(), LargestCost(candidates, metric.name())));
    // "GBOPs" says what it is; "KiB" does not.
    const std::string& unit = scales.back().name;
    const bool telling = absl::EndsWithIgnoreCase(unit, metric.name());
    columns.push_back({telling ? unit : absl::StrCat(metric.name(), " ", unit), true});
    if (metric.name() == plan.constrained_metric()) columns.push_back({"OF TARGET", true});
  }
  for (const char* name : {"SEARCH", "TEST"}) columns.push_back({name, true});
  columns.push_back({"FITS"});
  if (wide)
    for (const char* name : {"SEARCH LOSS", "TEST LOSS", "STEP", "SAMPLED AT"})
      columns.push_back({name, true});
  columns.push_back({"FORMATS"});

  Table table(columns);
  for (const v1::Candidate& candidate : candidates) {
    const bool answer = job.has_result() && candidate.name() == job.result().final_candidate();
    std::vector<std::string> cells = {absl::StrCat(answer ? "*" : "", LastPart(candidate.name())),
                                      OriginName(candidate), candidate.label()};
    for (int i = 0; i < plan.costs_size(); ++i) {
      const v1::Cost* cost = FindCost(candidate, plan.costs(i).name());
      cells.push_back(cost == nullptr ? "" : CostNumber(cost->value(), scales[static_cast<size_t>(i)]));
      if (plan.costs(i).name() == plan.constrained_metric())
        cells.push_back(cost == nullptr || plan.target() <= 0 ? ""
                                                              : PercentText(cost->value() / plan.target()));
    }
    const bool tested = candidate.has_test();
    cells.push_back(AccuracyText(candidate.search().accuracy()));
    cells.push_back(tested ? AccuracyText(candidate.test().accuracy()) : "");
    cells.push_back(candidate.feasible() ? "yes" : "no");
    if (wide) {
      cells.push_back(absl::StrFormat("%.4f", candidate.search().loss()));
      cells.push_back(tested ? absl::StrFormat("%.4f", candidate.test().loss()) : "");
      cells.push_back(absl::StrCat(candidate.step()));
      cells.push_back(candidate.has_sampled_at_step() ? absl::StrCat(candidate.sampled_at_step()) : "");
    }
    cells.push_back(wide ? LayerList(candidate) : FormatsSummary(candidate));
    table.AddRow(std::move(cells));
  }
  return table;
}

Table CandidateCsv(const v1::Job& job, const std::vector<v1::Candidate>& candidates) {
  std::vector<Column> columns;
  for (const char* name :
       {"name", "origin", "label", "step", "sampled_at_step", "search_accuracy", "search_loss",
        "search_images", "test_accuracy", "test_loss", "test_images", "feasible"})
    columns.push_back({name});
  for (const v1::CostMetric& metric : job.plan().costs())
    columns.push_back({absl::StrCat(metric.name(), "_", metric.unit())});
  columns.push_back({"formats"});

  Table table(columns);
  for (const v1::Candidate& candidate : candidates) {
    std::vector<std::string> cells = {
        candidate.name(), OriginName(candidate), candidate.label(), absl::StrCat(candidate.step()),
        candidate.has_sampled_at_step() ? absl::StrCat(candidate.sampled_at_step()) : ""};
    const auto add_quality = [&cells](bool known, const v1::Quality& quality) {
      cells.push_back(known ? ExactNumber(quality.accuracy()) : "");
      cells.push_back(known ? ExactNumber(quality.loss()) : "");
      cells.push_back(known ? absl::StrCat(quality.images()) : "");
    };
    add_quality(candidate.has_search(), candidate.search());
    add_quality(candidate.has_test(), candidate.test());
    cells.push_back(candidate.feasible() ? "true" : "false");
    for (const v1::CostMetric& metric : job.plan().costs()) {
      const v1::Cost* cost = FindCost(candidate, metric.name());
      cells.push_back(cost == nullptr ? "" : ExactNumber(cost->value()));
    }
    cells.push_back(LayerList(candidate));
    table.AddRow(std::move(cells));
  }
  return table;
}

}  // namespace precis::client
