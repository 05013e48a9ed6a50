// Works a job out: network, space, costs, target, references, steps, fingerprint.
#include "search/plan.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "search/cost/target.h"
#include "search/fingerprint.h"
#include "search/model_check.h"
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

std::string UniformName(const Plan& plan, const std::vector<LayerFormats>& options, double cost) {
  for (const LayerFormats& option : options) {
    const Assignment uniform = UniformAssignment(plan.layers.size(), option);
    if (plan.space.ChoicesOf(uniform).has_value() &&
        TotalCost(*plan.costs[plan.constrained], uniform) == cost) {
      return absl::StrCat("all ", LayerFormatsName(option));
    }
  }
  return "a mixture";
}

// One of the job's targets as it is written.
struct WrittenTarget {
  std::string field;
  std::string text;
  Target target;
  double cost = 0;
};

Violation OutOfReach(const Plan& plan, const std::vector<LayerFormats>& formats,
                     const WrittenTarget& written) {
  const Target& target = written.target;
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
  const std::string asked = target.relative_to.has_value()
                                ? absl::StrCat("\"", written.text, "\", ", CostText(model, written.cost), ",")
                                : absl::StrCat("\"", written.text, "\"");
  const std::string multiple =
      unit > 0 ? absl::StrCat(" or \"", MultipleAtLeast(plan.cheapest, unit), times, "\"") : "";
  return {written.field,
          absl::StrCat(asked, " is out of reach of ", plan.graph.name(), " over ", SpaceText(formats),
                       ". Reachable: ", end(plan.cheapest), " to ", end(plan.dearest), ". Ask for at least ",
                       CostTextAtLeast(model, plan.cheapest), multiple,
                       plan.network == nullptr ? ", or allow a narrower format."
                                               : ", or allow a narrower format or width.")};
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
    if (space.ChoicesOf(assignment).has_value())
      AddReference(references, std::move(name), std::move(assignment));
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
  if (space.network == nullptr) return references;
  for (const LayerFormats& option : options) {
    const std::optional<Choices> uniform = space.ChoicesOf(UniformAssignment(space.layer_count, option));
    if (!uniform) continue;
    const Architecture smallest = space.network->Smallest();
    Choices choices = *uniform;
    std::copy_backward(smallest.begin(), smallest.end(), choices.end());
    AddReference(references, absl::StrCat("uniform ", LayerFormatsName(option), ", smallest"),
                 space.Apply(choices));
  }
  return references;
}

// The job's targets in the order in which they are written; those between the ends of a range last.
// Violations for those that have no cost.
std::vector<WrittenTarget> WrittenTargets(const Plan& plan, Violations& violations) {
  const CostSpec& cost = plan.spec.cost;
  const CostModel& model = *plan.costs[plan.constrained];
  std::vector<WrittenTarget> written;
  const size_t before = violations.size();
  const auto add = [&](const std::string& field, const std::string& text) {
    const Target target = *ParseTarget(text, cost.metric, TableUnitOf(plan));
    if (absl::Status status = CheckTarget(target, model, plan.layers.size()); !status.ok()) {
      violations.push_back({field, std::string(status.message())});
      return;
    }
    written.push_back({field, text, target, ResolveTarget(target, model, plan.layers.size())});
  };
  if (cost.range.count > 0) {
    add("cost.range.from", cost.range.from);
    add("cost.range.to", cost.range.to);
    if (violations.size() > before) return written;
    const double from = written[0].cost, to = written[1].cost;
    for (int64_t i = 1; i + 1 < cost.range.count; ++i) {
      const double amount =
          from * std::pow(to / from, static_cast<double>(i) / static_cast<double>(cost.range.count - 1));
      written.push_back({"cost.range", CostText(model, amount), Target{amount, {}}, amount});
    }
    return written;
  }
  for (size_t i = 0; i < cost.targets.size(); ++i)
    add(absl::StrCat("cost.targets[", i, "]"), cost.targets[i]);
  if (cost.targets.empty()) add("cost.target", cost.target);
  return written;
}

// Sets the plan's targets, falling; false if one has no cost.
bool SetTargets(const std::vector<LayerFormats>& options, Plan& plan, Violations& violations) {
  const size_t before = violations.size();
  std::vector<WrittenTarget> written = WrittenTargets(plan, violations);
  if (violations.size() > before) return false;
  for (const WrittenTarget& each : written) {
    if (each.cost < plan.cheapest) violations.push_back(OutOfReach(plan, options, each));
  }
  std::stable_sort(written.begin(), written.end(),
                   [](const WrittenTarget& a, const WrittenTarget& b) { return a.cost > b.cost; });
  for (size_t i = 0; i < written.size(); ++i) {
    if (i > 0 && written[i].cost == written[i - 1].cost) {
      violations.push_back({written[i].field, absl::StrCat("\"", written[i].text, "\" is the same cost as \"",
                                                           written[i - 1].text, "\" (", written[i - 1].field,
                                                           "): take one of them out.")});
    }
    plan.targets.push_back(written[i].cost);
    plan.target_texts.push_back(written[i].text);
  }
  plan.target = plan.targets.front();
  return true;
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

// The job's network, or what is wrong with it.
absl::StatusOr<ModelGraph> NetworkOf(const ModelSpec& spec, const DatasetInfo& dataset,
                                     const ModelGraph* from_file, Violations& violations) {
  if (spec.path.empty()) {
    absl::StatusOr<ModelGraph> graph = BuildModel(spec.name, OptionsOf(spec, dataset));
    if (!graph.ok()) violations.push_back({"model", std::string(graph.status().message())});
    return graph;
  }
  if (from_file == nullptr) {
    violations.push_back({"model.path", "the file has not been looked at."});
    return absl::InvalidArgumentError("no file");
  }
  const Violations misfits = CheckFit(*from_file, dataset);
  if (misfits.empty()) return *from_file;
  violations.insert(violations.end(), misfits.begin(), misfits.end());
  return absl::InvalidArgumentError("the file does not fit");
}

}  // namespace

int64_t Plan::LegEnd(size_t target) const {
  const int64_t frozen = total_steps - search_steps;
  const auto count = static_cast<int64_t>(targets.size());
  return search_steps + frozen * (static_cast<int64_t>(target) + 1) / count;
}

CompiledPlan CompilePlan(const JobSpec& spec, const std::vector<DatasetInfo>& datasets,
                         const ModelGraph* from_file) {
  CompiledPlan compiled;
  Violations& violations = compiled.violations;
  violations = Validate(spec, datasets);
  // Faults elsewhere do not hide one of the network or the target: the author learns of all at once.
  for (const char* needed : {"model.", "data.name", "data.channels", "data.image_size", "space."}) {
    if (Concerns(violations, needed)) return compiled;
  }

  DatasetInfo dataset =
      WithFound(*std::find_if(datasets.begin(), datasets.end(),
                              [&](const DatasetInfo& d) { return d.name == spec.data.name; }),
                spec.data);
  if (!dataset.SizesKnown()) {
    violations.push_back({"data.path", absl::StrCat("the sizes of ", dataset.name,
                                                    " lie in its files, which have not been looked at.")});
    return compiled;
  }
  const absl::StatusOr<ModelGraph> graph = NetworkOf(spec.model, dataset, from_file, violations);
  if (!graph.ok()) return compiled;
  if (!spec.model.labels.empty()) dataset.labels = spec.model.labels;

  std::shared_ptr<const ElasticNetwork> network;
  if (!spec.space.architecture.empty()) {
    const auto elastic =
        BuildElasticModel(spec.model.name, OptionsOf(spec.model, dataset), spec.space.architecture);
    if (!elastic.ok()) {
      violations.push_back({"space.architecture", std::string(elastic.status().message())});
      return compiled;
    }
    // Lists of the network's own values alone leave nothing to search.
    if (!(*elastic)->dimensions().empty()) network = *elastic;
  }

  const std::vector<LayerFormats> options = SpaceOptions(spec.space);
  auto plan = std::make_shared<Plan>(
      Plan{.spec = spec, .dataset = dataset, .graph = *graph, .layers = graph->Layers(), .network = network});
  PRECIS_CHECK(!plan->layers.empty());
  const size_t before = violations.size();
  plan->space = BuildSpace(spec.space, plan->graph, plan->layers, violations);
  if (violations.size() > before) return compiled;
  if (network != nullptr) plan->space.MakeElastic(network);
  AddCosts(*plan, !Concerns(violations, "cost."), violations);
  if (plan->costs.empty()) return compiled;
  if (!SetTargets(options, *plan, violations)) return compiled;
  AddLimits(*plan, violations);
  if (!violations.empty()) return compiled;

  const Schedule schedule = ScheduleOf(spec, dataset);
  plan->warmup_steps = schedule.warmup_steps;
  plan->search_steps = schedule.search_steps;
  plan->total_steps = schedule.total_steps;
  plan->spec.training.steps = schedule.total_steps;
  plan->spec.training.seed = Mix(spec.seed);
  if (spec.model.start == Start::kPostTraining) {
    plan->spec.training.recalibration_images = spec.post_training.calibration_images;
  }
  if (plan->targets.size() > 1 && schedule.total_steps > schedule.search_steps) {
    // Every target's part of the frozen steps anneals its own answer.
    plan->spec.training.cycles = static_cast<int64_t>(plan->targets.size());
    plan->spec.training.decay_share = static_cast<double>(schedule.total_steps - schedule.search_steps) /
                                      static_cast<double>(schedule.total_steps);
  }
  plan->spec.reward.beta = RewardBeta(spec.reward);
  plan->spec.controller.screening_images =
      std::min(spec.controller.screening_images, spec.data.search_images);
  plan->references = References(plan->space, options);
  plan->fingerprint = Sha256Hex(CanonicalText(*plan));
  compiled.plan = std::move(plan);
  return compiled;
}

}  // namespace precis::search
