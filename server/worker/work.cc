// Orders, search, outcome.
#include "server/worker/work.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "search/search_loop.h"
#include "server/convert.h"
#include "server/data_roots.h"

namespace precis::server {
namespace {

// Passes everything on to the reporter and looks at the stop flag on the way.
class StoppableSink final : public search::SearchSink {
 public:
  StoppableSink(Reporter* reporter, const std::atomic<bool>* stop) : reporter_(reporter), stop_(stop) {}
  absl::Status OnProgress(const search::Progress& progress) override {
    Check();
    return reporter_->OnProgress(progress);
  }
  absl::Status OnCandidate(const search::Candidate& candidate) override {
    Check();
    return reporter_->OnCandidate(candidate);
  }

 private:
  void Check() {
    if (stop_ != nullptr && *stop_) reporter_->RequestStop("the worker was told to stop by a signal");
  }
  Reporter* const reporter_;
  const std::atomic<bool>* const stop_;
};

absl::StatusOr<std::shared_ptr<const search::Plan>> CompileOrders(const v1::StartWorkResponse& orders) {
  search::Violations violations;
  const search::JobSpec spec = JobSpecFromWire(orders.spec(), violations);
  search::CompiledPlan compiled = search::CompilePlan(spec, Datasets());
  if (compiled.plan == nullptr || compiled.plan->fingerprint != orders.plan_fingerprint()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the worker (", PRECIS_VERSION,
                     ") works the job out in another way than the server: are both of one build?"));
  }
  return compiled.plan;
}

// The server has looked too, but that was when the job was submitted.
absl::Status CheckPath(const std::string& path, const v1::StartWorkResponse& orders) {
  if (path.empty() || !orders.has_data_roots()) return absl::OkStatus();
  const auto& folders = orders.data_roots().folders();
  absl::StatusOr<DataRoots> roots = DataRoots::Only({folders.begin(), folders.end()});
  absl::Status status = roots.ok() ? roots->Check(path) : roots.status();
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat("data.path: ", status.message()));
}

absl::StatusOr<search::SearchResult> Search(ServerLink& link, const WorkOptions& options,
                                            const v1::StartWorkResponse& orders) {
  absl::StatusOr<std::shared_ptr<const search::Plan>> plan = CompileOrders(orders);
  if (!plan.ok()) return plan.status();
  if (absl::Status status = CheckPath((*plan)->spec.data.path, orders); !status.ok()) return status;
  // From here on the server hears from us, however long the data take to load.
  Reporter reporter(&link, {.images_per_step = (*plan)->spec.training.batch_size});
  absl::StatusOr<Dataset> dataset =
      LoadDataset((*plan)->dataset, (*plan)->spec.data.path, (*plan)->spec.data.options);
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<std::unique_ptr<Oracle>> oracle = options.make_oracle(**plan, *std::move(dataset));
  if (!oracle.ok()) return oracle.status();
  StoppableSink sink(&reporter, options.stop);
  absl::StatusOr<search::SearchResult> result =
      search::RunSearch(**plan, **oracle, sink, orders.weights_path());
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
  return link.FinishWork(std::move(request));
}

}  // namespace precis::server
