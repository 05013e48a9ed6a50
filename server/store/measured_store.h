// MeasuredStore: any Store, with a look at what passes through it. What is seen goes to a StoreObserver;
// answers and errors are the inner store's, unchanged.
//
// Threading: as the inner store. The observer is called on the caller's thread once the call is over, never
// within a transaction; two changes of one job may be told in another order than they were made.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/store/store.h"

namespace precis::server {

// Must be thread-safe and quick, since store calls wait for it.
class StoreObserver {
 public:
  virtual ~StoreObserver() = default;
  // Every call. `operation` is a constant of MeasuredStore: "insert_job", "query_events", ….
  virtual void Called(const char* operation, absl::StatusCode code, absl::Duration took) = 0;
  // A job that was not there before.
  virtual void JobAdded(const JobRecord& job) = 0;
  // `job` as it is now; it was in state `before`.
  virtual void JobChanged(JobState before, const JobRecord& job) = 0;
  virtual void JobErased(JobState before, const std::string& job_id) = 0;
  virtual void Progressed(const std::string& job_id, const search::Progress& progress) = 0;
};

class MeasuredStore final : public Store {
 public:
  // `observer` must outlive the store.
  MeasuredStore(std::unique_ptr<Store> inner, StoreObserver* observer);

  absl::StatusOr<JobRecord> InsertJob(const JobRecord& job) override;
  absl::StatusOr<JobRecord> MutateJob(const std::string& id, const Mutation& mutate) override;
  // A batch that had been applied before is told as progress again.
  absl::Status AppendBatch(const std::string& job_id, const WorkerBatch& batch) override;
  absl::StatusOr<Page<JobRecord>> QueryJobs(const JobQuery& query) override;
  absl::StatusOr<Page<search::Candidate>> QueryCandidates(const CandidateQuery& query) override;
  absl::StatusOr<Page<Event>> QueryEvents(const EventQuery& query) override;

 private:
  template <typename Call>
  auto Measure(const char* operation, const Call& call) -> decltype(call());

  const std::unique_ptr<Store> inner_;
  StoreObserver* const observer_;
};

}  // namespace precis::server
