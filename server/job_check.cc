// Checks of a submitted job.
#include "server/job_check.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "supernet/data/dataset.h"

namespace precis::server {
namespace {

constexpr size_t kMostRequestIdBytes = 100;

// Looks at the files, and keeps what only they can tell.
void FindData(search::DataSpec& data, search::Violations& violations) {
  const absl::StatusOr<DatasetInfo> info = FindDataset(data.name);
  if (!info.ok()) return;  // CompilePlan will say so
  const absl::StatusOr<DatasetInfo> found = InspectDataset(*info, data.path, data.options);
  if (!found.ok()) {
    violations.push_back({"data.path", std::string(found.status().message())});
  } else if (!info->SizesKnown()) {
    data.found = {found->height, found->classes, found->train_images, found->test_images, found->content};
  }
}

}  // namespace

CheckedJob CheckJob(const v1::SubmitJobRequest& request, const DataRoots& roots) {
  CheckedJob checked;
  search::Violations& violations = checked.violations;
  if (request.request_id().size() > kMostRequestIdBytes) {
    violations.push_back({"request_id", absl::StrCat("has ", request.request_id().size(), " bytes: at most ",
                                                     kMostRequestIdBytes, " are allowed.")});
  }
  if (!request.has_spec()) {
    violations.push_back({"spec", "is missing: say what to search."});
    return checked;
  }
  search::JobSpec spec = JobSpecFromWire(request.spec(), violations);
  const std::string digest = SpecDigest(spec);
  spec.data.found.reset();
  search::Violations in_files = RefusedPaths(spec, roots);
  if (in_files.empty()) FindData(spec.data, in_files);
  search::CompiledPlan compiled = search::CompilePlan(spec, Datasets());
  for (const search::Violation& violation : compiled.violations) {
    // That nobody has looked at the files is no news where they are at fault.
    if (violation.field != "data.path" || in_files.empty()) violations.push_back(violation);
  }
  violations.insert(violations.end(), in_files.begin(), in_files.end());
  if (!violations.empty()) return checked;
  checked.record.request_id = request.request_id();
  checked.record.spec = SpecBytes(spec);
  checked.record.spec_digest = digest;
  checked.record.display_name = spec.display_name;
  checked.record.plan = SummarizePlan(*compiled.plan);
  checked.plan = std::move(compiled.plan);
  return checked;
}

PlanSummary SummarizePlan(const search::Plan& plan) {
  PlanSummary summary;
  summary.fingerprint = plan.fingerprint;
  for (const auto& cost : plan.costs) {
    summary.cost_names.push_back(cost->name());
    summary.cost_units.push_back(cost->unit());
    summary.cost_bases.push_back(cost->basis());
  }
  summary.cost_ranges = plan.ranges;
  summary.cost_limits.resize(plan.costs.size());
  for (const search::CostLimit& limit : plan.limits) summary.cost_limits[limit.cost] = limit.amount;
  summary.constrained = static_cast<int64_t>(plan.constrained);
  summary.target = plan.target;
  summary.targets = plan.targets;
  summary.cheapest = plan.cheapest;
  summary.dearest = plan.dearest;
  summary.total_steps = plan.total_steps;
  summary.total_macs = TotalMacs(plan.graph);
  summary.parameters = plan.graph.ParameterCount();
  for (const Layer& layer : plan.layers) summary.layer_names.push_back(layer.name);
  return summary;
}

std::shared_ptr<const ElasticNetwork> NetworkOf(const JobRecord& job) {
  constexpr size_t kMostRemembered = 64;
  static std::mutex& mutex = *new std::mutex;
  static auto& known = *new std::map<std::string, std::shared_ptr<const ElasticNetwork>>;
  {
    const std::lock_guard lock(mutex);
    if (const auto at = known.find(job.spec_digest); at != known.end()) return at->second;
  }
  std::shared_ptr<const ElasticNetwork> network;
  const absl::StatusOr<search::JobSpec> spec = SpecFromBytes(job.spec);
  if (spec.ok() && !spec->space.architecture.empty()) {
    const search::CompiledPlan compiled = search::CompilePlan(*spec, Datasets());
    if (compiled.plan != nullptr) network = compiled.plan->network;
  }
  const std::lock_guard lock(mutex);
  if (known.size() >= kMostRemembered) known.clear();
  return known.emplace(job.spec_digest, std::move(network)).first->second;
}

absl::StatusOr<std::shared_ptr<const search::Plan>> RecompilePlan(const std::string& spec_bytes,
                                                                  const std::string& fingerprint) {
  absl::StatusOr<search::JobSpec> spec = SpecFromBytes(spec_bytes);
  if (!spec.ok()) return spec.status();
  search::CompiledPlan compiled = search::CompilePlan(*spec, Datasets());
  if (compiled.plan == nullptr || compiled.plan->fingerprint != fingerprint) {
    return absl::FailedPreconditionError(
        absl::StrCat("this version of Precis (", PRECIS_VERSION,
                     ") works the job out in another way than the one that accepted it. Submit it again."));
  }
  return compiled.plan;
}

}  // namespace precis::server
