// Models, ranges and limits of a plan.
#include "search/plan_costs.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "search/bounded_choice.h"
#include "search/cost/elastic_cost.h"
#include "search/cost/table_cost.h"
#include "search/cost/target.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

bool IsReported(const CostSpec& cost, const std::string& metric) {
  if (metric == cost.metric) return true;
  for (const CostLimitSpec& limit : cost.limits) {
    if (limit.metric == metric) return true;
  }
  if (!cost.report.empty()) {
    return std::find(cost.report.begin(), cost.report.end(), metric) != cost.report.end();
  }
  return metric == "bops" || metric == "model_size" || (metric == "table" && !cost.table.empty());
}

// The costs of the options, negated: the most "probable" choices are the cheapest.
std::vector<std::vector<double>> Savings(const CostModel& model, const SearchSpace& space) {
  std::vector<std::vector<double>> values;
  const double most = ReachableCost(model, space).max;
  for (const Decision& decision : space.decisions) {
    values.emplace_back();
    for (size_t o = 0; o < decision.variants.size(); ++o) {
      values.back().push_back(-most * static_cast<double>(o));
    }
    for (size_t o = 0; o < decision.options.size(); ++o) {
      values.back().push_back(-OptionCost(model, decision, o));
    }
  }
  return values;
}

// No configuration was found within all limits at once: what each takes within the target alone.
Violation OutOfReachTogether(const Plan& plan) {
  std::string text =
      absl::StrCat("no configuration was found within cost.target and all limits at once. Within ",
                   plan.spec.cost.metric, " ", CostText(*plan.costs[plan.constrained], plan.target), ",");
  const std::vector<CostBound> target = {{plan.costs[plan.constrained].get(), plan.target}};
  for (size_t i = 1; i < plan.limits.size(); ++i) {
    const CostModel& model = *plan.costs[plan.limits[i].cost];
    const std::optional<Choices> least = MostProbableWithin(plan.space, Savings(model, plan.space), target);
    PRECIS_CHECK(least.has_value());
    absl::StrAppend(&text, i == 1 ? " " : ", ", model.name(), " comes down to ",
                    CostTextAtLeast(model, TotalCost(model, plan.space.Apply(*least))), " (limit ",
                    CostText(model, plan.limits[i].amount), ")");
  }
  return {"cost.limits", absl::StrCat(text, ". Raise the target or a limit, or allow another format.")};
}

}  // namespace

void AddCosts(Plan& plan, bool spec_is_sound, Violations& violations) {
  const CostSpec& cost = plan.spec.cost;
  const size_t before = violations.size();
  std::shared_ptr<const CostModel> table;
  if (!cost.table.empty() && cost.table.size() <= kMostTableBytes) {
    table = MakeTableCost(ParseCostTable(cost.table, violations), plan.layers, violations);
    CheckPrices(*table, plan.space, plan.layers, violations);
  }
  if (!spec_is_sound || violations.size() > before) return;
  const auto make = [&](const std::string& name) {
    const CostOptions options = {.count_attention = cost.count_attention};
    if (plan.network == nullptr) return *MakeCostModel(name, plan.layers, options);
    return MakeElasticCost(*MakeCostModel(name, plan.network->shapes(), options), plan.network);
  };
  for (const std::string& name : CostModelNames()) {
    if (!IsReported(cost, name)) continue;
    if (name == cost.metric) plan.constrained = plan.costs.size();
    plan.costs.push_back(name == "table" ? table : make(name));
    plan.ranges.push_back(ReachableCost(*plan.costs.back(), plan.space));
  }
  plan.cheapest = plan.ranges[plan.constrained].min;
  plan.dearest = plan.ranges[plan.constrained].max;
  if (plan.cheapest <= 0) {
    violations.push_back({"cost.table",
                          "makes the cheapest configuration cost 0, and a search compares costs by their "
                          "ratios: give at least one layer a cost above 0 in every format."});
    plan.costs.clear();
  }
}

std::string TableUnitOf(const Plan& plan) {
  for (const auto& cost : plan.costs) {
    if (cost->name() == "table") return cost->unit();
  }
  return "";
}

void AddLimits(Plan& plan, Violations& violations) {
  const size_t before = violations.size();
  plan.limits = {{plan.constrained, plan.target}};
  for (size_t i = 0; i < plan.spec.cost.limits.size(); ++i) {
    const CostLimitSpec& spec = plan.spec.cost.limits[i];
    const std::string field = absl::StrCat("cost.limits[", i, "].at_most");
    const auto at = std::find_if(plan.costs.begin(), plan.costs.end(),
                                 [&](const auto& cost) { return cost->name() == spec.metric; });
    const CostModel& model = **at;
    const auto index = static_cast<size_t>(at - plan.costs.begin());
    const Target target = *ParseTarget(spec.at_most, spec.metric, TableUnitOf(plan));
    if (absl::Status status = CheckTarget(target, model, plan.layers.size()); !status.ok()) {
      violations.push_back({field, std::string(status.message())});
      continue;
    }
    const CostLimit limit = {index, ResolveTarget(target, model, plan.layers.size())};
    if (limit.amount < plan.ranges[index].min) {
      violations.push_back(
          {field,
           absl::StrCat("\"", spec.at_most, "\" is out of reach of ", plan.spec.model.name, ": ",
                        model.name(), " goes from ", CostText(model, plan.ranges[index].min), " to ",
                        CostText(model, plan.ranges[index].max), ". Ask for at least ",
                        CostTextAtLeast(model, plan.ranges[index].min), ", or allow a narrower format.")});
    }
    plan.limits.push_back(limit);
  }
  if (violations.size() > before || plan.target < plan.cheapest) return;
  std::vector<CostBound> bounds;
  std::vector<std::vector<double>> equal;
  for (const CostLimit& limit : plan.limits) bounds.push_back({plan.costs[limit.cost].get(), limit.amount});
  for (const Decision& decision : plan.space.decisions) equal.emplace_back(decision.size(), 0.0);
  if (std::optional<Choices> fitting = MostProbableWithin(plan.space, equal, bounds)) {
    plan.fitting = *std::move(fitting);
  } else {
    violations.push_back(OutOfReachTogether(plan));
    return;
  }
  for (size_t i = 1; i < plan.targets.size(); ++i) {
    bounds.front().at_most = plan.targets[i];
    if (plan.targets[i] < plan.cheapest || MostProbableWithin(plan.space, equal, bounds)) continue;
    violations.push_back(
        {"cost.targets", absl::StrCat("\"", plan.target_texts[i],
                                      "\" leaves no configuration within cost.limits: ask for "
                                      "a larger target, or raise a limit.")});
  }
}

bool IsWithinLimits(const Plan& plan, const std::vector<double>& costs) {
  return std::all_of(plan.limits.begin(), plan.limits.end(),
                     [&](const CostLimit& limit) { return costs[limit.cost] <= limit.amount; });
}

double BindingCost(const Plan& plan, const Assignment& assignment, double target) {
  double binding = TotalCost(*plan.costs[plan.constrained], assignment);
  for (size_t i = 1; i < plan.limits.size(); ++i) {
    const double cost = TotalCost(*plan.costs[plan.limits[i].cost], assignment);
    binding = std::max(binding, target * (cost / plan.limits[i].amount));
  }
  return binding;
}

}  // namespace precis::search
