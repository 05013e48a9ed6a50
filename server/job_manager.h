// JobManager: moves jobs through their life. It owns the queue, starts a worker for each running job,
// takes in what workers report, pauses, cancels, and starts another worker when one is lost.
//
//   submitted ─► PENDING ─(a slot is free)─► RUNNING, worker started ─► the worker says how it went
//                   ▲ resume, retry            │ cancel, pause, server shutting down: the worker is told to
//                   stop │                          ▼ (SIGTERM and by its next report), after a grace killed
//     PAUSED, FAILED, CANCELLED              its process has ended ─► slot free
//
// A worker that dies, or falls silent, is followed by another one, which goes on from the last checkpoint; so
// are the workers of a server that was shut down or died. Their jobs are RUNNING meanwhile. So are those
// whose worker found the disk full (RESOURCE_EXHAUSTED): the next one starts when there is room, and no job
// starts before; the job's notice says so. Where the store cannot take in how a run ended, it is asked again
// later.
//
// The store has the truth; what is kept here (queue, secrets, deadlines) can be made anew from it.
//
// Threading: thread-safe. Calls block for a store transaction at most, but for Drain.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
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

// Of the disk that the folder is on, for this user; the largest number if it cannot be looked at.
int64_t FreeBytes(const std::string& folder);

struct JobManagerOptions {
  std::string data_dir;
  int max_concurrent_jobs = 1;
  // How long a worker that was told to stop may take before it is killed; and one that is to leave a
  // checkpoint, as for a pause or when the server shuts down.
  absl::Duration stop_grace = absl::Milliseconds(1500);
  absl::Duration checkpoint_grace = absl::Seconds(20);
  // Between two checkpoints of a job: so much work is lost with a worker at most, and what was begun before
  // it.
  absl::Duration checkpoint_interval = absl::Seconds(10);
  // How long a worker may live on after it has delivered its outcome.
  absl::Duration exit_grace = absl::Seconds(30);
  // A worker that is silent for so long is killed.
  absl::Duration silence_limit = absl::Minutes(2);
  // A job whose workers die one after another, so many more times without getting any further, is FAILED.
  int restart_limit = 5;
  // Before a worker is started again; twice as long each time without getting further, up to the longest.
  absl::Duration first_restart_pause = absl::Seconds(1);
  absl::Duration longest_restart_pause = absl::Minutes(1);
  // No worker is started while the disk of data_dir has less room; looked at again after a pause.
  int64_t least_room = int64_t{64} << 20;
  absl::Duration room_pause = absl::Seconds(5);
  std::function<int64_t(const std::string&)> free_bytes = FreeBytes;
  // Called when a worker has been lost and another will follow; from any thread. May be empty.
  std::function<void()> on_restart = nullptr;
};

// How the notice of a job begins that goes on when there is room.
inline constexpr char kNoRoom[] = "waiting for room on the disk";

enum class WorkerDirective { kContinue, kCancel, kPause };  // kPause: leave a checkpoint first

// What a worker is to do.
struct WorkOrder {
  std::string spec;  // JobRecord::spec
  std::string fingerprint;
  std::string weights_path;
  std::string checkpoint_folder;
  std::string model_path;  // JobFiles::ModelPath
  // What has been taken in of the job's earlier workers.
  int64_t last_batch = 0;
  int64_t candidates_reported = 0;
  double fraction = 0;
  absl::Duration checkpoint_interval;
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

  // Takes over what an earlier server left: RUNNING jobs, whose workers died with it, are queued first, and
  // become PAUSED or CANCELLED where that had been asked for; then PENDING ones; folders of deleted jobs go.
  // Call first, once.
  absl::Status Recover();
  // Begins to start workers, which will find the WorkerService at `server_address`. Call once.
  void Start(const std::string& server_address);

  // Stores the job under a new id and queues it, its model, if it has one, beside it. A repeated request_id
  // returns the first job. UNAVAILABLE while shutting down, or if the model cannot be written; else the
  // store's errors.
  absl::StatusOr<JobRecord> Submit(JobRecord job, const std::string& model_bytes = "");
  // NOT_FOUND; FAILED_PRECONDITION if the job has ended otherwise than by cancelling.
  absl::StatusOr<JobRecord> Cancel(const std::string& job_id);
  // A RUNNING job leaves a checkpoint and becomes PAUSED once its worker has ended. NOT_FOUND;
  // FAILED_PRECONDITION if the job has ended.
  absl::StatusOr<JobRecord> Pause(const std::string& job_id);
  // PAUSED to PENDING. NOT_FOUND; FAILED_PRECONDITION if the job has ended or is about to be PAUSED.
  absl::StatusOr<JobRecord> Resume(const std::string& job_id);
  // FAILED or CANCELLED to PENDING: it goes on from the last checkpoint. NOT_FOUND; FAILED_PRECONDITION for
  // one that is neither.
  absl::StatusOr<JobRecord> Retry(const std::string& job_id);
  // NOT_FOUND; FAILED_PRECONDITION while the job is RUNNING.
  absl::Status Delete(const std::string& job_id);
  JobCounts Counts();

  // For workers. PERMISSION_DENIED unless `secret` is that of the job's running worker.
  absl::StatusOr<WorkOrder> StartWork(const std::string& job_id, const std::string& secret,
                                      const std::string& worker_version);
  // batch.number 0: only a heartbeat.
  absl::StatusOr<WorkerDirective> Report(const std::string& job_id, const std::string& secret,
                                         const WorkerBatch& batch);
  // The job becomes SUCCEEDED with its result and the hashes of its files; or, from an error, FAILED;
  // CANCELLED if that was asked for. After CANCELLED of a worker that was stopped for another reason, its end
  // decides. A worker_version that is not empty replaces StartWork's.
  absl::Status Finish(const std::string& job_id, const std::string& secret,
                      const absl::StatusOr<search::SearchResult>& outcome, const std::string& worker_version);

  // Shuts down: refuses new jobs, starts none, has the workers leave a checkpoint and end; the next server
  // goes on with their jobs. Returns when all workers have ended, killing those that take longer than the
  // grace.
  void Drain();

 private:
  using Clock = std::chrono::steady_clock;  // a step of the wall clock must kill nobody

  // A worker, from just before its start until its process has ended.
  struct Run {
    std::string secret;
    Clock::time_point heard;                               // last sign of life
    Clock::time_point kill_at = Clock::time_point::max();  // when patience ends
    bool launched = false;
    WorkerDirective told = WorkerDirective::kContinue;
    bool silent = false;       // killed because it was
    std::string no_room = {};  // what it said of the full disk
  };

  struct Waiting {
    std::string job_id;
    Clock::time_point not_before = Clock::time_point::min();
  };

  // How often a job's worker was lost in a row, and how far the job had come then.
  struct Losses {
    int in_a_row = 0;
    double fraction = -1;
  };

  void Loop();
  void Launch(const std::string& job_id);
  void Forget(const std::string& job_id);
  void OnExit(const std::string& job_id, const WorkerExit& exit);
  // Of a job without worker: a RUNNING one goes where somebody asked it to go; else it becomes FAILED, or, if
  // its worker was `lost`, stays RUNNING and is queued again.
  absl::Status EndRun(const std::string& job_id, const absl::Status& failure, bool lost);
  // The same; if the store cannot take it in, the job is queued, and tried again.
  void EndRunOrTryAgain(const std::string& job_id, const absl::Status& failure, bool lost);
  // Puts the job back into the queue, and says why; unless the disk has room, or somebody wants it to stop.
  bool WaitsForRoom(const std::string& job_id);
  // CANCELLED, if that was asked for; else as it is.
  absl::Status EndIfCancelled(const std::string& job_id);
  // What a lost worker means for the job; the pause before the next one, or none: too many were lost.
  std::optional<absl::Duration> CountLoss(const JobRecord& job);
  // Mutates a job, tells its watchers, logs `what` happened.
  absl::StatusOr<JobRecord> Move(const std::string& job_id, const char* what, const Store::Mutation& mutate);
  // Ends the run of a job that is to stop, or the wait for one. Returns the job as it stands.
  absl::StatusOr<JobRecord> Stop(const std::string& job_id, JobRecord job, WorkerDirective how);
  void Enqueue(const std::string& job_id, absl::Duration pause = absl::ZeroDuration());
  absl::Status Authenticate(const std::string& job_id, const std::string& secret);

  // With mutex_ held.
  void Changed();
  // The first in the queue that may start now; the queue's end if none may.
  std::deque<Waiting>::iterator NextToLaunch();
  // Whether the job was in the queue.
  bool LeaveQueue(const std::string& job_id);
  Clock::time_point NextDeadline() const;
  void StopRun(const std::string& job_id, Run& run, WorkerDirective how);
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
  std::deque<Waiting> queue_;
  std::map<std::string, Run> runs_;
  std::map<std::string, Losses> losses_;
  bool draining_ = false;
  bool stopping_ = false;
  bool changed_ = false;  // Loop has something to look at

  std::thread thread_;
};

}  // namespace precis::server
