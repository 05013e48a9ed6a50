// Works a job out: network, space, costs, target, references, steps, fingerprint.
#include "search/plan.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "search/cost/target.h"
#include "search/fingerprint.h"
#include "search/plan_costs.h"
#include "search/range_check.h"
#include "search/reward.h"
#include "supernet/formats/check.h"
#include "supernet/formats/format.h"
#include "supernet/graph/model_zoo.h"

namespace precis::search {
namespace {

// A distinct stream for the weights and the data order, so that it shares nothing with the controller's.
// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

bool Concerns(const Violations& violations, const std::string& prefix) {
  return std::any_of(violations.begin(), violations.end(),
                     [&](const Violation& v) { return absl::StartsWith(v.field, prefix); });
}

std::vector<LayerFormats> AllowedOptions(const SpaceSpec& space) {
  std::vector<LayerFormats> options;
  for (const std::string& name : space.formats) options.push_back(*ParseLayerFormats(name));
  return options;
}

// A multiple of `unit` that is not below `value`: four digits after the point.
std::string MultipleAtLeast(double value, double unit) {
  double count = std::ceil(value / unit * 1e4);
  while (count / 1e4 * unit < value) ++count;
  return NumberText(count / 1e4);
}

std::string SpaceText(const std::vector<LayerFormats>& options) {
  return absl::StrCat("{",
                      absl::StrJoin(options, ", ",
                                    [](std::string* out, const LayerFormats& option) {
                                      out->append(LayerFormatsName(option));
                                    }),
                      "}");
}

// Whether every layer has its formats among its options.
bool IsInSpace(const SearchSpace& space, const Assignment& assignment) {
  return std::all_of(space.decisions.begin(), space.decisions.end(), [&](const Decision& decision) {
    return std::all_of(decision.layers.begin(), decision.layers.end(), [&](size_t layer) {
      return std::find(decision.options.begin(), decision.options.end(), assignment.layers[layer]) !=
             decision.options.end();
    });
  });
}

std::string UniformName(const Plan& plan, const std::vector<LayerFormats>& options, double cost) {
  for (const LayerFormats& option : options) {
    const Assignment uniform = UniformAssignment(plan.layers.size(), option);
    if (IsInSpace(plan.space, uniform) && TotalCost(*plan.costs[plan.constrained], uniform) == cost) {
      return absl::StrCat("all ", LayerFormatsName(option));
    }
  }
  return "a mixture";
}

// The layers that no option suits, for their inputs can be below 0.
void CheckOptions(const Plan& plan, Violations& violations) {
  std::vector<std::string> bare;
  for (const Decision& decision : plan.space.decisions) {
    if (decision.options.empty()) bare.push_back(decision.name);
  }
  if (bare.empty()) return;
  const size_t named = std::min<size_t>(bare.size(), 3);
  violations.push_back(
      {"space.formats",
       absl::StrCat("leaves ", bare.size(), bare.size() == 1 ? " layer" : " layers", " without an option (",
                    absl::StrJoin(bare.begin(), bare.begin() + static_cast<std::ptrdiff_t>(named), ", "),
                    bare.size() > named ? ", …" : "",
                    "): the input can be below 0, and no activation format listed holds such values. Add one "
                    "that does, as \"int8\" or \"int8/uint8_affine\".")});
}

Violation OutOfReach(const Plan& plan, const std::vector<LayerFormats>& formats, const Target& target) {
  const CostModel& model = *plan.costs[plan.constrained];
  const Format unit_format = target.relative_to.value_or(*ParseFormat("int4"));
  // A user's table may not have int4.
  const bool has_unit = PricesUniform(model, plan.layers.size(), {unit_format, unit_format});
  const double unit = has_unit ? TotalCost(model, UniformAssignment(plan.layers.size(), unit_format)) : 0;
  const std::string times = absl::StrCat("x ", FormatName(unit_format));
  const auto end = [&](double cost) {
    return absl::StrCat(CostText(model, cost), " (", UniformName(plan, formats, cost),
                        unit > 0 ? absl::StrCat("; ", cost / unit, times) : "", ")");
  };
  const std::string asked = target.relative_to.has_value() ? absl::StrCat("\"", plan.spec.cost.target, "\", ",
                                                                          CostText(model, plan.target), ",")
                                                           : absl::StrCat("\"", plan.spec.cost.target, "\"");
  const std::string multiple =
      unit > 0 ? absl::StrCat(" or \"", MultipleAtLeast(plan.cheapest, unit), times, "\"") : "";
  return {"cost.target",
          absl::StrCat(asked, " is out of reach of ", plan.spec.model.name, " over ", SpaceText(formats),
                       ". Reachable: ", end(plan.cheapest), " to ", end(plan.dearest), ". Ask for at least ",
                       CostTextAtLeast(model, plan.cheapest), multiple, ", or allow a narrower format.")};
}

// Appends unless the same assignment is there already.
void AddReference(std::vector<Reference>& references, std::string name, Assignment assignment) {
  for (const Reference& each : references) {
    if (each.assignment == assignment) return;
  }
  references.push_back({std::move(name), std::move(assignment)});
}

std::vector<Reference> References(const SearchSpace& space, const std::vector<LayerFormats>& options) {
  std::vector<Reference> references;
  const auto add = [&](std::string name, Assignment assignment) {
    if (IsInSpace(space, assignment)) AddReference(references, std::move(name), std::move(assignment));
  };
  for (const LayerFormats& option : options) {
    add(absl::StrCat("uniform ", LayerFormatsName(option)), UniformAssignment(space.layer_count, option));
  }
  const auto bits = [](const LayerFormats& option) { return option.weight.element.bits; };
  int end_bits = 0;
  for (const LayerFormats& option : options) {
    if (bits(option) == 8) end_bits = 8;
    if (end_bits != 8) end_bits = std::max(end_bits, bits(option));
  }
  for (const LayerFormats& ends : options) {
    if (bits(ends) != end_bits) continue;
    for (const LayerFormats& rest : options) {
      if (bits(rest) >= end_bits) continue;
      Assignment assignment = UniformAssignment(space.layer_count, rest);
      assignment.layers.front() = assignment.layers.back() = ends;
      add(absl::StrCat("ends ", LayerFormatsName(ends), ", rest ", LayerFormatsName(rest)),
          std::move(assignment));
    }
  }
  return references;
}

ModelOptions OptionsOf(const ModelSpec& spec, const DatasetInfo& dataset) {
  ModelOptions options;
  options.channels = dataset.channels;
  options.height = dataset.height;
  options.width = dataset.width;
  options.classes = dataset.classes;
  options.width_multiplier = spec.width_multiplier;
  options.stem = spec.stem;
  options.stage1_projection = spec.stage1_projection;
  return options;
}

}  // namespace

CompiledPlan CompilePlan(const JobSpec& spec, const std::vector<DatasetInfo>& datasets) {
  CompiledPlan compiled;
  Violations& violations = compiled.violations;
  violations = Validate(spec, datasets);
  // Faults elsewhere do not hide one of the network or the target: the author learns of all at once.
  for (const char* needed : {"model.", "data.name", "space."}) {
    if (Concerns(violations, needed)) return compiled;
  }

  const DatasetInfo& dataset = *std::find_if(datasets.begin(), datasets.end(),
                                             [&](const DatasetInfo& d) { return d.name == spec.data.name; });
  absl::StatusOr<ModelGraph> graph = BuildModel(spec.model.name, OptionsOf(spec.model, dataset));
  if (!graph.ok()) {
    violations.push_back({"model", std::string(graph.status().message())});
    return compiled;
  }

  const std::vector<LayerFormats> options = AllowedOptions(spec.space);
  auto plan = std::make_shared<Plan>(Plan{.spec = spec,
                                          .dataset = dataset,
                                          .graph = *graph,
                                          .layers = graph->Layers(),
                                          .space = {},
                                          .costs = {},
                                          .ranges = {},
                                          .limits = {},
                                          .fitting = {},
                                          .references = {},
                                          .fingerprint = ""});
  PRECIS_CHECK(!plan->layers.empty());
  plan->space = SearchSpace::PerLayer(plan->layers, options);
  const size_t before = violations.size();
  CheckOptions(*plan, violations);
  if (violations.size() > before) return compiled;
  AddCosts(*plan, !Concerns(violations, "cost."), violations);
  if (plan->costs.empty()) return compiled;
  const CostModel& model = *plan->costs[plan->constrained];
  const Target target = *ParseTarget(spec.cost.target, spec.cost.metric, TableUnitOf(*plan));
  if (absl::Status status = CheckTarget(target, model, plan->layers.size()); !status.ok()) {
    violations.push_back({"cost.target", std::string(status.message())});
    return compiled;
  }
  plan->target = ResolveTarget(target, model, plan->layers.size());
  if (plan->target < plan->cheapest) violations.push_back(OutOfReach(*plan, options, target));
  AddLimits(*plan, violations);
  if (!violations.empty()) return compiled;

  const Schedule schedule = ScheduleOf(spec, dataset);
  plan->warmup_steps = schedule.warmup_steps;
  plan->search_steps = schedule.search_steps;
  plan->total_steps = schedule.total_steps;
  plan->spec.training.steps = schedule.total_steps;
  plan->spec.training.seed = Mix(spec.seed);
  plan->spec.reward.beta = RewardBeta(spec.reward);
  plan->spec.controller.screening_images =
      std::min(spec.controller.screening_images, spec.data.search_images);
  plan->references = References(plan->space, options);
  plan->fingerprint = Sha256Hex(CanonicalText(*plan));
  compiled.plan = std::move(plan);
  return compiled;
}

}  // namespace precis::search
