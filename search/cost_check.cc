// Metrics, targets, limits and reports.
#include "search/cost_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "search/cost/cost_model.h"
#include "search/cost/cost_table.h"
#include "search/cost/target.h"
#include "search/name_check.h"
#include "search/range_check.h"

namespace precis::search {
namespace {

constexpr int64_t kMostTargets = 64;

// `text` as a target of `metric`, or, where that is not known, of any: whose unit it should be is then not
// known either, so only what suits no metric at all is a fault.
void CheckAmount(const std::string& field, const std::string& text, const std::string& metric, bool known,
                 const std::string& table_unit, Violations& violations) {
  if (known && metric == "table" && table_unit.empty()) return;  // there is no table to tell the unit
  absl::Status fault;
  for (const std::string& each : CostModelNames()) {
    if (known && each != metric) continue;
    fault = ParseTarget(text, each, table_unit).status();
    if (fault.ok()) return;
  }
  violations.push_back({field, std::string(fault.message())});
}

void CheckTargets(const CostSpec& cost, bool known, const std::string& table_unit, Violations& violations) {
  const bool has_range = cost.range.count != 0 || !cost.range.from.empty() || !cost.range.to.empty();
  const int kinds = (cost.target.empty() ? 0 : 1) + (cost.targets.empty() ? 0 : 1) + (has_range ? 1 : 0);
  if (kinds > 1) {
    violations.push_back({"cost.target",
                          "is one way to name targets, cost.targets and cost.range are others: give only one "
                          "of the three."});
    return;
  }
  const auto check = [&](const std::string& field, const std::string& text) {
    CheckAmount(field, text, cost.metric, known, table_unit, violations);
  };
  for (size_t i = 0; i < cost.targets.size(); ++i) {
    check(absl::StrCat("cost.targets[", i, "]"), cost.targets[i]);
  }
  if (cost.targets.size() > kMostTargets) {
    violations.push_back({"cost.targets", absl::StrCat("has ", cost.targets.size(), " targets: at most ",
                                                       kMostTargets, " are allowed. Take some out.")});
  }
  if (has_range) {
    check("cost.range.from", cost.range.from);
    check("cost.range.to", cost.range.to);
    RangeCheck(violations)
        .Whole("cost.range.count", cost.range.count, 2, kMostTargets, "", "It is the number of targets.");
  }
  if (kinds == 0 || !cost.target.empty()) check("cost.target", cost.target);
}

void CheckLimits(const CostSpec& cost, const std::string& table_unit, Violations& violations) {
  for (size_t i = 0; i < cost.limits.size(); ++i) {
    const CostLimitSpec& limit = cost.limits[i];
    const std::string field = absl::StrCat("cost.limits[", i, "]");
    const bool known =
        CheckName(field + ".metric", limit.metric, "cost metric", CostModelNames(), violations);
    CheckAmount(field + ".at_most", limit.at_most, limit.metric, known, table_unit, violations);
    if (known && limit.metric == cost.metric) {
      violations.push_back({field + ".metric", absl::StrCat("\"", limit.metric,
                                                            "\" has a limit already, cost.target: take this "
                                                            "one out.")});
    }
    for (size_t j = 0; known && j < i; ++j) {
      if (cost.limits[j].metric != limit.metric) continue;
      violations.push_back(
          {field + ".metric", absl::StrCat("\"", limit.metric, "\" has a limit already, cost.limits[", j,
                                           "]: take one of them out.")});
      break;
    }
  }
}

void CheckReport(const CostSpec& cost, Violations& violations) {
  for (size_t i = 0; i < cost.report.size(); ++i) {
    const std::string field = absl::StrCat("cost.report[", i, "]");
    if (!CheckName(field, cost.report[i], "cost metric", CostModelNames(), violations)) continue;
    for (size_t j = 0; j < i; ++j) {
      if (cost.report[j] != cost.report[i]) continue;
      violations.push_back(
          {field, absl::StrCat("\"", cost.report[i], "\" is already in the list (cost.report[", j,
                               "]): take one of them out.")});
      break;
    }
  }
}

void CheckTable(const CostSpec& cost, Violations& violations) {
  bool needed = cost.metric == "table";
  for (const CostLimitSpec& limit : cost.limits) needed = needed || limit.metric == "table";
  for (const std::string& metric : cost.report) needed = needed || metric == "table";
  if (needed && cost.table.empty()) {
    violations.push_back(
        {"cost.table",
         "is required for the metric \"table\": give the CSV file that has the costs. The README "
         "says what its columns are."});
  }
  if (cost.table.size() > kMostTableBytes) {
    violations.push_back(
        {"cost.table", absl::StrCat("has ", cost.table.size(), " bytes: at most ", kMostTableBytes,
                                    " are allowed. A glob or an operation can stand for many "
                                    "layers.")});
  }
}

}  // namespace

void CheckCost(const CostSpec& cost, Violations& violations) {
  const bool readable = !cost.table.empty() && cost.table.size() <= kMostTableBytes;
  const std::string table_unit = readable ? TableUnit(cost.table) : "";
  const bool known = CheckName("cost.metric", cost.metric, "cost metric", CostModelNames(), violations);
  CheckTargets(cost, known, table_unit, violations);
  CheckLimits(cost, table_unit, violations);
  CheckReport(cost, violations);
  CheckTable(cost, violations);
}

}  // namespace precis::search
