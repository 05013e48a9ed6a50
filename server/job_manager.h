// JobManager: moves jobs through their life. It owns the queue, starts a worker for each running job,
// takes in what workers report, cancels, and cleans up when one dies.
//
//   submitted ─► PENDING ─(a slot is free)─► RUNNING, worker started ─► the worker says how it went
//                                              │ cancel, server shutting down: the worker is told to stop
//                                              ▼ (SIGTERM and by its next report), after a grace killed
//                                            its process has ended ─► slot free
//
// The store has the truth; what is kept here (queue, secrets, deadlines) can be made anew from it.
//
// Threading: thread-safe. Calls block for a store transaction at most, but for Drain.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "search/search_loop.h"
#include "server/event_hub.h"
#include "server/job_files.h"
#include "server/launcher/launcher.h"
#include "server/resource_name.h"
#include "server/store/store.h"

namespace precis::server {

struct JobManagerOptions {
  std::string data_dir;
  int max_concurrent_jobs = 1;
  // How long a worker that was told to stop may take before it is killed.
  absl::Duration stop_grace = absl::Milliseconds(1500);
  // How long a worker may live on after it has delivered its outcome.
  absl::Duration exit_grace = absl::Seconds(30);
  // A worker that is silent for so long is killed and its job FAILED.
  absl::Duration silence_limit = absl::Minutes(2);
};

enum class WorkerDirective { kContinue, kCancel };

// What a worker is to do.
struct WorkOrder {
  std::string spec;  // JobRecord::spec
  std::string fingerprint;
  std::string weights_path;
};

struct JobCounts {
  int64_t running = 0;
  int64_t pending = 0;
};

class JobManager {
 public:
  // All three must outlive the manager.
  JobManager(Store* store, Launcher* launcher, EventHub* hub, JobManagerOptions options);
  // Kills workers that still run and waits for them.
  ~JobManager();

  // Takes over what an earlier server left: PENDING jobs are queued; RUNNING ones, whose workers died with
  // it, become FAILED, or CANCELLED if that had been asked for; folders of deleted jobs go. Call first, once.
  absl::Status Recover();
  // Begins to start workers, which will find the WorkerService at `server_address`. Call once.
  void Start(const std::string& server_address);

  // Stores the job under a new id and queues it. A repeated request_id returns the first job. UNAVAILABLE
  // while shutting down; else the store's errors.
  absl::StatusOr<JobRecord> Submit(JobRecord job);
  // NOT_FOUND; FAILED_PRECONDITION if the job has ended otherwise than by cancelling.
  absl::StatusOr<JobRecord> Cancel(const std::string& job_id);
  // NOT_FOUND; FAILED_PRECONDITION while the job is RUNNING.
  absl::Status Delete(const std::string& job_id);
  JobCounts Counts();

  // For workers. PERMISSION_DENIED unless `secret` is that of the job's running worker.
  absl::StatusOr<WorkOrder> StartWork(const std::string& job_id, const std::string& secret,
                                      const std::string& worker_version);
  // batch.number 0: only a heartbeat.
  absl::StatusOr<WorkerDirective> Report(const std::string& job_id, const std::string& secret,
                                         const WorkerBatch& batch);
  // The job becomes SUCCEEDED with its result; or, from an error, FAILED; CANCELLED if that was asked for.
  // A worker_version that is not empty replaces StartWork's.
  absl::Status Finish(const std::string& job_id, const std::string& secret,
                      const absl::StatusOr<search::SearchResult>& outcome, const std::string& worker_version);

  // Shuts down: refuses new jobs, starts none, stops the workers; running jobs become FAILED. Returns when
  // all workers have ended, killing those that take longer than the grace.
  void Drain();

 private:
  using Clock = std::chrono::steady_clock;  // a step of the wall clock must kill nobody

  // A worker, from just before its start until its process has ended.
  struct Run {
    std::string secret;
    Clock::time_point heard;                               // last sign of life
    Clock::time_point kill_at = Clock::time_point::max();  // when patience ends
    bool launched = false;
    bool told_to_stop = false;
    bool silent = false;  // killed because it was
  };

  void Loop();
  void Launch(const std::string& job_id);
  void Forget(const std::string& job_id);
  void OnExit(const std::string& job_id, const WorkerExit& exit);
  // Moves a RUNNING job to the state that `failure` calls for; one that has ended stays as it is.
  absl::Status EndRun(const std::string& job_id, const absl::Status& failure);
  absl::Status Authenticate(const std::string& job_id, const std::string& secret);

  // With mutex_ held.
  void Changed();
  bool CanLaunch() const;
  Clock::time_point NextDeadline() const;
  void StopRun(const std::string& job_id, Run& run);
  void WatchOverRuns();

  Store* const store_;
  Launcher* const launcher_;
  EventHub* const hub_;
  const JobManagerOptions options_;
  const JobFiles files_;
  JobIdMaker ids_;
  std::string server_address_;  // constant after Start

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable wake_;  // of Loop, and of those who wait for the last run to end
  std::deque<std::string> queue_;
  std::map<std::string, Run> runs_;
  bool draining_ = false;
  bool stopping_ = false;
  bool changed_ = false;  // Loop has something to look at

  std::thread thread_;
};

}  // namespace precis::server
