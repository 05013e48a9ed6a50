// FrontStore: any Store, and the fronts of its jobs at hand while candidates come in.
//
// A front is worked out from all candidates of a job when it is first asked for, and follows every batch from
// then on, so that it takes no longer for a million candidates than for a hundred. Of a few jobs, those that
// were asked for last, cost, accuracy and feasibility of every candidate are kept in memory: 56 bytes and 8 a
// metric each. Answers and errors of the store's own calls are the inner store's.
//
// Threading: thread-safe. Front waits for other calls of Front of the same job; nothing else waits for any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace precis::server {

struct FrontPoint {
  int64_t number = 0;  // of the candidate; of equal ones the lowest
  double cost = 0;
  double accuracy = 0;  // on the search split
};

struct JobFront {
  std::vector<FrontPoint> points;  // by rising cost and rising accuracy, as search::ParetoFront
  // The candidates of the points, whole, in the same order.
  std::shared_ptr<const std::vector<search::Candidate>> candidates;
  double dearest = 0;  // the largest cost of the job's candidates, feasible or not
};

class FrontStore final : public Store {
 public:
  explicit FrontStore(std::unique_ptr<Store> inner, size_t kept_jobs = 8);
  ~FrontStore() override;

  // Of every candidate that was committed before the call. NOT_FOUND if the job is unknown; `cost_index` is
  // one of its costs.
  absl::StatusOr<JobFront> Front(const std::string& job_id, int64_t cost_index, bool feasible_only);

  absl::StatusOr<JobRecord> InsertJob(const JobRecord& job) override;
  absl::StatusOr<JobRecord> MutateJob(const std::string& id, const Mutation& mutate) override;
  absl::Status AppendBatch(const std::string& job_id, const WorkerBatch& batch) override;
  absl::StatusOr<Page<JobRecord>> QueryJobs(const JobQuery& query) override;
  absl::StatusOr<Page<search::Candidate>> QueryCandidates(const CandidateQuery& query) override;
  absl::StatusOr<Page<Event>> QueryEvents(const EventQuery& query) override;

 private:
  class JobPoints;
  struct Entry {
    std::shared_ptr<JobPoints> points;
    std::vector<search::Candidate> inbox;  // committed, and not yet among the points
    uint64_t used = 0;                     // when, counted in calls
  };

  // The job's points, made if need be, and what they lack. mutex_ must not be held.
  std::shared_ptr<JobPoints> Find(const std::string& job_id);
  std::vector<search::Candidate> TakeInbox(const std::string& job_id, const JobPoints* points);
  absl::Status Load(const std::string& job_id, JobPoints& points);
  // What the points of a front stand for.
  absl::StatusOr<std::vector<search::Candidate>> ReadWhole(const std::string& job_id,
                                                           const std::vector<FrontPoint>& points);
  void Forget(const std::string& job_id);

  const std::unique_ptr<Store> inner_;
  const size_t kept_jobs_;

  std::mutex mutex_;  // of what follows
  std::map<std::string, Entry> jobs_;
  uint64_t calls_ = 0;
};

}  // namespace precis::server
