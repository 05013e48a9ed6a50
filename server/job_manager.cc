// Queue, workers and their ends.
#include "server/job_manager.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/digest.h"
#include "server/job_state.h"
#include "supernet/formats/failpoint.h"

namespace precis::server {
namespace {

constexpr char kServerStopped[] = "the server was stopped while the job was running";

int64_t NowUs() { return absl::ToUnixMicros(absl::Now()); }

}  // namespace

JobManager::JobManager(Store* store, Launcher* launcher, EventHub* hub, JobManagerOptions options)
    : store_(store),
      launcher_(launcher),
      hub_(hub),
      options_(std::move(options)),
      files_(options_.data_dir) {}

JobManager::~JobManager() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    draining_ = true;
    for (auto& [job_id, run] : runs_) {
      StopRun(job_id, run, WorkerDirective::kPause);
      run.kill_at = Clock::now();
    }
    Changed();
    wake_.wait(lock, [this] { return runs_.empty(); });
    stopping_ = true;
    Changed();
  }
  thread_.join();
}

void JobManager::Start(const std::string& server_address) {
  server_address_ = server_address;
  thread_ = std::thread([this] { Loop(); });
}

absl::Status JobManager::Recover() {
  std::set<std::string> known;
  std::vector<std::string> orphaned;
  std::vector<std::string> waiting;
  JobQuery query{.newest_first = false, .limit = 500};
  for (bool more = true; more;) {
    absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs(query);
    if (!page.ok()) return page.status();
    for (const JobRecord& job : page->items) {
      known.insert(job.id);
      if (job.state == JobState::kPending) waiting.push_back(job.id);
      if (job.state == JobState::kRunning) orphaned.push_back(job.id);
    }
    query.after_key = page->last_key;
    more = page->more;
  }
  for (const std::string& job_id : orphaned) {
    if (absl::Status status = EndRun(job_id, absl::UnavailableError(kServerStopped), true); !status.ok()) {
      return status;
    }
  }
  for (const std::string& job_id : waiting) Enqueue(job_id);
  for (const std::string& folder : files_.Folders()) {
    if (!known.contains(folder)) (void)files_.RemoveFolder(folder);
  }
  return absl::OkStatus();
}

absl::StatusOr<JobRecord> JobManager::Submit(JobRecord job, const std::string& model_bytes) {
  {
    std::lock_guard lock(mutex_);
    if (draining_) {
      return absl::UnavailableError("the server is shutting down and takes no new jobs. Try again later.");
    }
  }
  job.created_us = NowUs();
  job.id = ids_.Make(job.created_us / 1000, RandomBits());
  if (!model_bytes.empty()) {
    if (absl::Status kept = files_.KeepModel(job.id, model_bytes); !kept.ok()) return kept;
    job.files = {{.name = JobFiles::kModelFile,
                  .bytes = static_cast<int64_t>(model_bytes.size()),
                  .sha256 = Sha256Hex(model_bytes)}};
  }
  PRECIS_FAILPOINT("submit/model_kept");
  absl::StatusOr<JobRecord> stored = store_->InsertJob(job);
  PRECIS_FAILPOINT("submit/stored");
  if (!stored.ok() || stored->id != job.id) {
    if (!model_bytes.empty()) (void)files_.RemoveFolder(job.id);
    return stored;
  }
  spdlog::info("job {}: queued", job.id);
  Enqueue(job.id);
  return stored;
}

JobCounts JobManager::Counts() {
  std::lock_guard lock(mutex_);
  return {.running = static_cast<int64_t>(runs_.size()), .pending = static_cast<int64_t>(queue_.size())};
}

absl::Status JobManager::Authenticate(const std::string& job_id, const std::string& secret) {
  std::lock_guard lock(mutex_);
  auto run = runs_.find(job_id);
  if (run == runs_.end() || !EqualSecrets(run->second.secret, secret)) {
    return absl::PermissionDeniedError("this is not the secret of a running worker of this job");
  }
  run->second.heard = Clock::now();
  return absl::OkStatus();
}

absl::StatusOr<WorkOrder> JobManager::StartWork(const std::string& job_id, const std::string& secret,
                                                const std::string& worker_version) {
  if (absl::Status status = Authenticate(job_id, secret); !status.ok()) return status;
  absl::StatusOr<JobRecord> job =
      store_->MutateJob(job_id, [&](JobRecord& record) -> absl::StatusOr<Disposition> {
        if (record.state != JobState::kRunning) {
          return absl::FailedPreconditionError(
              absl::StrCat("job ", job_id, " is ", JobStateName(record.state)));
        }
        record.worker_version = worker_version;
        return Disposition::kKeep;
      });
  if (!job.ok()) return job.status();
  return WorkOrder{.spec = job->spec,
                   .fingerprint = job->plan.fingerprint,
                   .weights_path = files_.WeightsPath(job_id),
                   .checkpoint_folder = files_.CheckpointFolder(job_id),
                   .model_path = files_.ModelPath(job_id),
                   .last_batch = job->last_batch,
                   .candidates_reported = job->candidates_reported,
                   .fraction = job->progress.fraction,
                   .checkpoint_interval = options_.checkpoint_interval};
}

absl::StatusOr<WorkerDirective> JobManager::Report(const std::string& job_id, const std::string& secret,
                                                   const WorkerBatch& batch) {
  if (absl::Status status = Authenticate(job_id, secret); !status.ok()) return status;
  if (batch.number != 0) {
    if (absl::Status status = store_->AppendBatch(job_id, batch); !status.ok()) return status;
    PRECIS_FAILPOINT("report/stored");
    hub_->Notify(job_id);
  }
  std::lock_guard lock(mutex_);
  auto run = runs_.find(job_id);
  return run != runs_.end() ? run->second.told : WorkerDirective::kCancel;
}

absl::Status JobManager::Finish(const std::string& job_id, const std::string& secret,
                                const absl::StatusOr<search::SearchResult>& outcome,
                                const std::string& worker_version) {
  if (absl::Status status = Authenticate(job_id, secret); !status.ok()) return status;
  if (!outcome.ok()) {
    absl::Status status;
    if (absl::IsResourceExhausted(outcome.status())) {
      // The store may be able to take in nothing now: OnExit goes on with it.
      std::lock_guard lock(mutex_);
      if (auto run = runs_.find(job_id); run != runs_.end()) {
        run->second.no_room = std::string(outcome.status().message());
      }
    } else if (absl::IsCancelled(outcome.status())) {
      status = EndIfCancelled(job_id);  // a worker that was stopped has failed at nothing
    } else {
      status = EndRun(job_id, outcome.status(), false);
    }
    if (!status.ok()) return status;
  } else {
    absl::StatusOr<Page<search::Candidate>> final_candidate =
        store_->QueryCandidates({.job_id = job_id, .number = outcome->final_candidate});
    if (!final_candidate.ok()) return final_candidate.status();
    if (final_candidate->items.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the final candidate ", outcome->final_candidate, " was never reported"));
    }
    absl::StatusOr<std::vector<FileRecord>> files = files_.Describe(job_id);
    if (!files.ok()) return files.status();
    PRECIS_FAILPOINT("finish/hashed");
    absl::StatusOr<JobRecord> job =
        store_->MutateJob(job_id, [&](JobRecord& record) -> absl::StatusOr<Disposition> {
          if (IsTerminal(record.state)) return Disposition::kKeep;
          const bool cancelled = record.cancel_requested;
          absl::Status moved =
              MoveJob(record, cancelled ? JobState::kCancelled : JobState::kSucceeded, NowUs());
          if (!moved.ok()) return moved;
          record.pause_requested = false;
          record.notice.clear();
          if (cancelled) return Disposition::kKeep;
          record.result = *outcome;
          record.files = *files;
          if (!worker_version.empty()) record.worker_version = worker_version;
          return Disposition::kKeep;
        });
    if (!job.ok()) return job.status();
    PRECIS_FAILPOINT("finish/stored");
    hub_->Notify(job_id);
    spdlog::info("job {}: {}", job_id, JobStateName(job->state));
    if (job->state == JobState::kSucceeded) (void)files_.RemoveCheckpoint(job_id);
    PRECIS_FAILPOINT("finish/checkpoint_removed");
  }
  std::lock_guard lock(mutex_);
  if (auto run = runs_.find(job_id); run != runs_.end()) {
    run->second.kill_at =
        std::min(run->second.kill_at, Clock::now() + absl::ToChronoNanoseconds(options_.exit_grace));
    Changed();
  }
  return absl::OkStatus();
}

void JobManager::Drain() {
  std::unique_lock lock(mutex_);
  draining_ = true;
  for (auto& [job_id, run] : runs_) StopRun(job_id, run, WorkerDirective::kPause);
  if (thread_.joinable()) wake_.wait(lock, [this] { return runs_.empty(); });
}

absl::Status JobManager::EndIfCancelled(const std::string& job_id) {
  absl::StatusOr<Page<JobRecord>> page = store_->QueryJobs({.id = job_id});
  if (!page.ok()) return page.status();
  if (page->items.empty() || !page->items[0].cancel_requested) return absl::OkStatus();
  return EndRun(job_id, absl::CancelledError("cancelled"), false);
}

}  // namespace precis::server
