// What the store keeps, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "search/candidate.h"
#include "search/controller/controller.h"
#include "search/cost/cost_model.h"
#include "search/job_spec.h"
#include "search/search_loop.h"

namespace precis::server {

// PENDING -> RUNNING -> SUCCEEDED | FAILED | CANCELLED, with PAUSED on the way; backwards only where somebody
// asks for it (job_state.h has the table). The numbers are those of the store: append.
enum class JobState { kPending, kRunning, kSucceeded, kFailed, kCancelled, kPaused };

// What a plan says about a job, kept so that it can be shown without compiling it again.
struct PlanSummary {
  std::string fingerprint;
  std::vector<std::string> cost_names;  // the order of Candidate::costs
  std::vector<std::string> cost_units;
  std::vector<std::string> cost_bases;
  std::vector<search::CostRange> cost_ranges;  // reachable; 0 to 0: not known, of a job from before they were
  std::vector<std::optional<double>>
      cost_limits;  // what a feasible candidate may cost: the target, the limits
  int64_t constrained = 0;
  double target = 0;            // the largest
  std::vector<double> targets;  // falling
  double cheapest = 0;
  double dearest = 0;
  int64_t total_steps = 0;
  int64_t total_macs = 0;
  int64_t parameters = 0;
  std::vector<std::string> layer_names;  // the order of Assignment::layers
};

// A file that a job cannot do without, as it was when it was recorded.
struct FileRecord {
  std::string name;  // in the job's folder
  int64_t bytes = 0;
  std::string sha256;  // 64 lower-case digits

  bool operator==(const FileRecord&) const = default;
};

struct JobRecord {
  std::string id;           // the {job} of jobs/{job}
  std::string request_id;   // the client's, unique; "" = none
  std::string spec;         // serialised precis.v1.JobSpec: bytes the store does not look into
  std::string spec_digest;  // hex SHA-256 of the spec in canonical form: same request, same digest
  std::string display_name;
  PlanSummary plan;
  JobState state = JobState::kPending;
  std::string error;  // FAILED: why, for people
  bool cancel_requested = false;
  bool pause_requested = false;
  std::string notice;    // for people: why it is PAUSED, or its worker was started again; "" = nothing to say
  int64_t restarts = 0;  // how often a worker was started again after the last one was lost
  int64_t created_us = 0;  // microseconds since the Unix epoch; 0 = not yet
  int64_t started_us = 0;
  int64_t ended_us = 0;
  search::Progress progress;        // the latest
  int64_t last_batch = 0;           // number of the last worker batch applied
  int64_t candidates_reported = 0;  // in all batches applied, those measured again included
  std::optional<search::SearchResult> result;
  std::string worker_version;  // "LibTorch 1.13.1, CPU, 2 threads"
  // By name: the model from the beginning, weights once SUCCEEDED. Of jobs from before they were kept: none.
  std::vector<FileRecord> files = {};
};

// One line of a job's history. Numbers are 1, 2, 3, … within the job, no gap, no repeat.
struct Event {
  int64_t number = 0;
  int64_t time_us = 0;
  enum class Kind { kState, kProgress, kCandidate } kind = Kind::kState;
  JobState state = JobState::kPending;  // kState
  std::string message;                  // kState: the error, else the notice, if any
  search::Progress progress;            // kProgress
  int64_t candidate_number = 0;         // kCandidate: read it from the candidates
};

// What a worker reports in one piece: applied whole, once.
struct WorkerBatch {
  int64_t number = 0;  // 1, 2, 3, … ; a number already applied changes nothing
  std::optional<search::Progress> progress = {};
  std::vector<search::Candidate> candidates = {};  // new, or measured again
};

// What every store asks of a batch for a job with `plan`: number >= 1; in each candidate number >= 1, one
// format pair a layer, one finite cost >= 0 a metric, accuracies in 0…1, counts >= 0. INVALID_ARGUMENT
// naming the candidate and the field.
absl::Status CheckBatch(const WorkerBatch& batch, const PlanSummary& plan);

}  // namespace precis::server
