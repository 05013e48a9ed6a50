// Passing on, with a clock.
#include "server/store/measured_store.h"

#include <chrono>
#include <optional>
#include <utility>

namespace precis::server {
namespace {

absl::StatusCode CodeOf(const absl::Status& status) { return status.code(); }
template <typename T>
absl::StatusCode CodeOf(const absl::StatusOr<T>& result) {
  return result.status().code();
}

}  // namespace

MeasuredStore::MeasuredStore(std::unique_ptr<Store> inner, StoreObserver* observer)
    : inner_(std::move(inner)), observer_(observer) {}

template <typename Call>
auto MeasuredStore::Measure(const char* operation, const Call& call) -> decltype(call()) {
  const auto start = std::chrono::steady_clock::now();
  auto result = call();
  observer_->Called(operation, CodeOf(result), absl::FromChrono(std::chrono::steady_clock::now() - start));
  return result;
}

absl::StatusOr<JobRecord> MeasuredStore::InsertJob(const JobRecord& job) {
  absl::StatusOr<JobRecord> stored = Measure("insert_job", [&] { return inner_->InsertJob(job); });
  // A repeated request brings back the first job under another id.
  if (stored.ok() && stored->id == job.id) observer_->JobAdded(*stored);
  return stored;
}

absl::StatusOr<JobRecord> MeasuredStore::MutateJob(const std::string& id, const Mutation& mutate) {
  JobState before = JobState::kPending;
  Disposition disposition = Disposition::kKeep;
  const Mutation observed = [&](JobRecord& record) -> absl::StatusOr<Disposition> {
    before = record.state;
    absl::StatusOr<Disposition> decided = mutate(record);
    if (decided.ok()) disposition = *decided;
    return decided;
  };
  absl::StatusOr<JobRecord> job = Measure("mutate_job", [&] { return inner_->MutateJob(id, observed); });
  if (!job.ok()) return job;
  if (disposition == Disposition::kErase) {
    observer_->JobErased(before, id);
  } else if (job->state != before) {
    observer_->JobChanged(before, *job);
  }
  return job;
}

absl::Status MeasuredStore::AppendBatch(const std::string& job_id, const WorkerBatch& batch) {
  absl::Status status = Measure("append_batch", [&] { return inner_->AppendBatch(job_id, batch); });
  if (status.ok() && batch.progress) observer_->Progressed(job_id, *batch.progress);
  return status;
}

absl::StatusOr<Page<JobRecord>> MeasuredStore::QueryJobs(const JobQuery& query) {
  return Measure("query_jobs", [&] { return inner_->QueryJobs(query); });
}

absl::StatusOr<Page<search::Candidate>> MeasuredStore::QueryCandidates(const CandidateQuery& query) {
  return Measure("query_candidates", [&] { return inner_->QueryCandidates(query); });
}

absl::StatusOr<Page<Event>> MeasuredStore::QueryEvents(const EventQuery& query) {
  return Measure("query_events", [&] { return inner_->QueryEvents(query); });
}

}  // namespace precis::server
