// Store: what the server must not forget.
//
// Durability: a call that returned OK survives a crash of the process. InsertJob and MutateJob also
// survive a power cut (SQLite synchronous=FULL); AppendBatch may lose its last commits then, never tear
// them (synchronous=NORMAL).
// Threading: thread-safe. Writes are serialised; reads see a consistent snapshot and never wait for
// writers.
// Errors: NOT_FOUND, ALREADY_EXISTS and FAILED_PRECONDITION as said below; DATA_LOSS if the file is
// damaged; RESOURCE_EXHAUSTED if the disk is full; UNAVAILABLE for other I/O faults.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/records.h"

namespace precis::server {

// Pages: items after `after_key` (exclusive) in the query's order, at most `limit` (> 0) of them.
// `more` tells whether others follow. The key of an item is what the query's order sorts by plus its id,
// opaque to callers, returned for the last item of a page.
template <typename T>
struct Page {
  std::vector<T> items;
  std::string last_key;
  bool more = false;
};

struct JobQuery {
  std::string id = {};  // if set: this job only
  std::optional<JobState> state = {};
  bool newest_first = true;  // by creation time
  std::string after_key = {};
  int limit = 100;
};

enum class CandidateOrder { kNumber, kAccuracy, kCost };  // accuracy: on the search split

struct CandidateQuery {
  std::string job_id = {};
  int64_t number = 0;  // if > 0: this candidate only
  bool feasible_only = false;
  CandidateOrder order = CandidateOrder::kNumber;
  bool descending = false;  // ties by rising number either way
  int64_t cost_index = 0;   // kCost: which of the job's costs
  // Candidates with number, quality on the search split, feasible and costs alone, all else as a new
  // Candidate has it; for whoever reads very many. In kNumber's order whatever `order` says, and not of one
  // number.
  bool points_only = false;
  std::string after_key = {};
  int limit = 1000;
};

struct EventQuery {
  std::string job_id = {};
  int64_t after_number = 0;
  int limit = 1000;
};

enum class Disposition { kKeep, kErase };

class Store {
 public:
  virtual ~Store() = default;

  // Stores a new job in state PENDING and its first event. If a job with the same non-empty request_id
  // exists, returns that one unchanged, provided its spec_digest is equal; else ALREADY_EXISTS.
  // ALREADY_EXISTS too if the id is taken.
  virtual absl::StatusOr<JobRecord> InsertJob(const JobRecord& job) = 0;

  // Reads the job, lets `mutate` change it, writes it back; all in one transaction. A change of state
  // or of the notice adds an event. kErase removes the job with its candidates and events instead. NOT_FOUND;
  // an error from `mutate` is returned and nothing is written. id, request_id, spec, spec_digest,
  // display_name, plan and created_us must stay (checked). `mutate` must not call the store.
  using Mutation = std::function<absl::StatusOr<Disposition>(JobRecord&)>;
  virtual absl::StatusOr<JobRecord> MutateJob(const std::string& id, const Mutation& mutate) = 0;

  // Applies a worker's batch: progress, candidates (inserted, or replaced if the number exists) and their
  // events, and remembers its number. A batch already applied is OK and changes nothing. NOT_FOUND;
  // INVALID_ARGUMENT as CheckBatch; FAILED_PRECONDITION if the job is not RUNNING or a batch before this
  // one is missing.
  virtual absl::Status AppendBatch(const std::string& job_id, const WorkerBatch& batch) = 0;

  // INVALID_ARGUMENT for an after_key that did not come from a query of the same order.
  virtual absl::StatusOr<Page<JobRecord>> QueryJobs(const JobQuery& query) = 0;
  // NOT_FOUND if the job is unknown. INVALID_ARGUMENT for an after_key that does not suit the order, or a
  // cost_index the job does not have.
  virtual absl::StatusOr<Page<search::Candidate>> QueryCandidates(const CandidateQuery& query) = 0;
  // By rising number. NOT_FOUND if the job is unknown. last_key is not set: an event's number is its key.
  virtual absl::StatusOr<Page<Event>> QueryEvents(const EventQuery& query) = 0;
};

}  // namespace precis::server
