// Checks of a submitted job.
#include "server/job_check.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "server/model_file.h"
#include "supernet/data/dataset.h"

namespace precis::server {
namespace {

constexpr size_t kMostRequestIdBytes = 100;
constexpr size_t kMostPieceBytes = 480;  // what the service sends of one violation

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

// The message of a model that cannot be read may name a hundred nodes. Each piece is a violation, cut where a
// list goes on.
void AddPieces(const std::string& field, std::string_view text, search::Violations& violations) {
  while (text.size() > kMostPieceBytes) {
    size_t end = text.substr(0, kMostPieceBytes).find_last_of(",;");
    if (end == std::string_view::npos || end == 0) end = kMostPieceBytes - 1;
    violations.push_back({field, std::string(text.substr(0, end + 1))});
    text.remove_prefix(end + 1);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  }
  violations.push_back({field, std::string(text)});
}

// Reads the file, and keeps what only it can tell. None where the job has none, or it cannot be read.
std::optional<ModelFile> FindModel(search::JobSpec& spec, search::Violations& violations) {
  search::ModelSpec& model = spec.model;
  if (model.path.empty() || model.path.front() != '/') return std::nullopt;
  absl::StatusOr<DatasetInfo> data = FindDataset(spec.data.name);
  absl::StatusOr<ModelFile> file =
      ReadModelFile(model, data.ok() ? search::WithFound(*data, spec.data) : DatasetInfo());
  if (!file.ok()) {
    AddPieces("model.path", std::string(file.status().message()), violations);
    return std::nullopt;
  }
  model.found = {.content = file->content};
  return *std::move(file);
}

absl::StatusOr<search::CompiledPlan> CompileKept(const search::JobSpec& spec, const std::string& model_path) {
  if (spec.model.path.empty()) return search::CompilePlan(spec, Datasets());
  const absl::StatusOr<DatasetInfo> data = FindDataset(spec.data.name);
  if (!data.ok()) return data.status();
  const absl::StatusOr<OnnxModel> model =
      ReadKeptModel(model_path, spec.model, search::WithFound(*data, spec.data));
  if (!model.ok()) return model.status();
  return search::CompilePlan(spec, Datasets(), &model->graph);
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
  spec.model.found.reset();
  search::Violations in_files = RefusedPaths(spec, roots);
  std::optional<ModelFile> file;
  if (in_files.empty()) {
    FindData(spec.data, in_files);
    file = FindModel(spec, in_files);
  }
  search::CompiledPlan compiled =
      search::CompilePlan(spec, Datasets(), file.has_value() ? &file->model.graph : nullptr);
  for (const search::Violation& violation : compiled.violations) {
    // That nobody has looked at the files is no news where they are at fault.
    const bool of_files = violation.field == "data.path" || violation.field == "model.path";
    if (!of_files || in_files.empty()) violations.push_back(violation);
  }
  violations.insert(violations.end(), in_files.begin(), in_files.end());
  if (!violations.empty()) return checked;
  checked.record.request_id = request.request_id();
  checked.record.spec = SpecBytes(spec);
  checked.record.spec_digest = digest;
  checked.record.display_name = spec.display_name;
  checked.record.plan = SummarizePlan(*compiled.plan);
  checked.plan = std::move(compiled.plan);
  if (file.has_value()) checked.model_bytes = std::move(file->bytes);
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

absl::StatusOr<std::shared_ptr<const search::Plan>> RecompilePlan(const JobRecord& job,
                                                                  const JobFiles& files) {
  const absl::StatusOr<search::JobSpec> spec = SpecFromBytes(job.spec);
  if (!spec.ok()) return spec.status();
  const absl::StatusOr<search::CompiledPlan> compiled = CompileKept(*spec, files.ModelPath(job.id));
  if (!compiled.ok()) return compiled.status();
  if (compiled->plan == nullptr || compiled->plan->fingerprint != job.plan.fingerprint) {
    return absl::FailedPreconditionError(
        absl::StrCat("this version of Precis (", PRECIS_VERSION,
                     ") works the job out in another way than the one that accepted it. Submit it again."));
  }
  return compiled->plan;
}

}  // namespace precis::server
