// Orders, search, outcome.
#include "server/worker/work.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "search/recorded_oracle.h"
#include "search/search_loop.h"
#include "server/convert.h"
#include "server/data_roots.h"
#include "server/model_file.h"
#include "server/worker/checkpoint.h"
#include "supernet/formats/failpoint.h"

namespace precis::server {
namespace {

// Everything goes on to the reporter, but for progress through what is known.
class ReplayingSink final : public search::SearchSink {
 public:
  ReplayingSink(Reporter* reporter, const search::RecordedOracle* oracle)
      : reporter_(reporter), oracle_(oracle) {}
  absl::Status OnProgress(const search::Progress& progress) override {
    return oracle_->IsReplaying() ? absl::OkStatus() : reporter_->OnProgress(progress);
  }
  absl::Status OnCandidate(const search::Candidate& candidate) override {
    return reporter_->OnCandidate(candidate);
  }

 private:
  Reporter* const reporter_;
  const search::RecordedOracle* const oracle_;
};

// Keeps checkpoints in time, and the last one when the worker is to stop. They take a twentieth of the time
// at most.
class CheckpointTimer {
 public:
  CheckpointTimer(Checkpoints* checkpoints, Oracle* oracle, absl::Duration interval)
      : checkpoints_(checkpoints), oracle_(oracle), interval_(interval), due_(absl::Now() + interval) {}

  absl::Status Before(const std::vector<search::Answer>& answers, bool stop) {
    const absl::Time begin = absl::Now();
    if (!stop && begin < due_) return absl::OkStatus();
    if (absl::Status status = checkpoints_->Write(*oracle_, answers); !status.ok()) {
      spdlog::warn("no checkpoint: {}", status.ToString());
    }
    const absl::Time end = absl::Now();
    due_ = end + std::max(interval_, (interval_ > absl::ZeroDuration() ? kCostFactor : 0) * (end - begin));
    return stop ? absl::CancelledError("the worker was told to stop") : absl::OkStatus();
  }

 private:
  static constexpr int kCostFactor = 20;

  Checkpoints* const checkpoints_;
  Oracle* const oracle_;
  const absl::Duration interval_;
  absl::Time due_;
};

// The answers that are known, with the oracle in the state after them; none if there is no checkpoint to use.
std::vector<search::Answer> GoOn(const Checkpoints& checkpoints, Oracle& oracle) {
  absl::StatusOr<Checkpoints::Found> found = checkpoints.Find();
  if (absl::IsNotFound(found.status())) return {};
  absl::Status status = found.ok() ? oracle.LoadState(found->state_path) : found.status();
  if (!status.ok()) {
    spdlog::warn("beginning anew, since the checkpoint is of no use: {}", status.ToString());
    return {};
  }
  spdlog::info("going on after {} answers", found->answers.size());
  return std::move(found->answers);
}

struct CompiledOrders {
  std::shared_ptr<const search::Plan> plan;
  std::shared_ptr<const WeightFile> weights;  // to start from; or null
};

absl::StatusOr<CompiledOrders> CompileOrders(const v1::StartWorkResponse& orders) {
  search::Violations violations;
  const search::JobSpec spec = JobSpecFromWire(orders.spec(), violations);
  std::optional<OnnxModel> model;
  if (!spec.model.path.empty()) {
    const absl::StatusOr<DatasetInfo> data = FindDataset(spec.data.name);
    if (!data.ok()) return data.status();
    absl::StatusOr<OnnxModel> kept =
        ReadKeptModel(orders.model_path(), spec.model, search::WithFound(*data, spec.data));
    if (!kept.ok()) return kept.status();
    model = *std::move(kept);
  }
  search::CompiledPlan compiled =
      search::CompilePlan(spec, Datasets(), model.has_value() ? &model->graph : nullptr);
  if (compiled.plan == nullptr || compiled.plan->fingerprint != orders.plan_fingerprint()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the worker (", PRECIS_VERSION,
                     ") works the job out in another way than the server: are both of one build?"));
  }
  CompiledOrders work = {.plan = std::move(compiled.plan), .weights = nullptr};
  if (spec.model.start != search::Start::kFromScratch) {
    work.weights = std::make_shared<const WeightFile>(std::move(model->weights));
  }
  return work;
}

// The server has looked too, but that was when the job was submitted.
absl::Status CheckPaths(const search::JobSpec& spec, const v1::StartWorkResponse& orders) {
  if (!orders.has_data_roots()) return absl::OkStatus();
  const auto& folders = orders.data_roots().folders();
  const absl::StatusOr<DataRoots> roots = DataRoots::Only({folders.begin(), folders.end()});
  if (!roots.ok()) return roots.status();
  const search::Violations refused = RefusedPaths(spec, *roots);
  if (refused.empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(refused[0].field, ": ", refused[0].message));
}

absl::StatusOr<search::SearchResult> Search(ServerLink& link, const WorkOptions& options,
                                            const v1::StartWorkResponse& orders) {
  const absl::StatusOr<CompiledOrders> compiled = CompileOrders(orders);
  if (!compiled.ok()) return compiled.status();
  const search::Plan& plan = *compiled->plan;
  if (absl::Status status = CheckPaths(plan.spec, orders); !status.ok()) return status;
  // From here on the server hears from us, however long the data take to load.
  Reporter reporter(&link, {.images_per_step = plan.spec.training.batch_size,
                            .last_batch = orders.last_batch(),
                            .candidates_reported = orders.candidates_reported(),
                            .fraction = orders.fraction()});
  absl::StatusOr<Dataset> dataset = LoadDataset(plan.dataset, plan.spec.data.path, plan.spec.data.options);
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<std::unique_ptr<Oracle>> oracle =
      options.make_oracle(plan, *std::move(dataset), compiled->weights);
  if (!oracle.ok()) return oracle.status();
  Checkpoints checkpoints(orders.checkpoint_folder(),
                          absl::StrCat(orders.plan_fingerprint(), " ", PRECIS_VERSION));
  std::vector<search::Answer> known = GoOn(checkpoints, **oracle);
  CheckpointTimer timer(&checkpoints, oracle->get(), absl::Seconds(orders.checkpoint_interval_s()));
  search::RecordedOracle recorded(
      **oracle, std::move(known), [&](const std::vector<search::Answer>& answers) {
        const bool stop = reporter.PauseRequested() || (options.stop != nullptr && *options.stop);
        return timer.Before(answers, stop);
      });
  ReplayingSink sink(&reporter, &recorded);
  absl::StatusOr<search::SearchResult> result =
      search::RunSearch(plan, recorded, sink, orders.weights_path());
  PRECIS_FAILPOINT("work/searched");
  if (!result.ok()) return result;
  if (absl::Status status = reporter.Flush(); !status.ok()) return status;
  return result;
}

}  // namespace

absl::Status Work(ServerLink& link, const WorkOptions& options) {
  absl::StatusOr<v1::StartWorkResponse> orders = link.StartWork(options.worker_version);
  if (!orders.ok()) return orders.status();
  absl::StatusOr<search::SearchResult> result = Search(link, options, *orders);
  if (options.stop != nullptr && *options.stop) link.GiveUp();
  v1::FinishWorkRequest request;
  if (result.ok()) {
    *request.mutable_result() = WorkerResultToWire(*result);
    request.mutable_result()->set_worker_version(
        absl::StrCat(options.worker_version, ", ", options.execution_version()));
  } else {
    request.mutable_failure()->set_code(result.status().raw_code());
    request.mutable_failure()->set_message(std::string(result.status().message()));
  }
  PRECIS_FAILPOINT("work/reported");
  absl::Status delivered = link.FinishWork(std::move(request));
  PRECIS_FAILPOINT("work/delivered");
  return delivered;
}

}  // namespace precis::server
