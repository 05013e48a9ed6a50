// Counting jobs and following the running ones.
#include "server/job_metrics.h"

#include "absl/strings/ascii.h"
#include "server/job_state.h"

namespace precis::server {
namespace {

prometheus::Family<prometheus::Gauge>& Gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

}  // namespace

JobMetrics::JobMetrics(prometheus::Registry& registry)
    : jobs_(Gauges(registry, "precis_jobs", "Jobs in the store, by state.")),
      queue_seconds_(prometheus::BuildHistogram()
                         .Name("precis_job_queue_seconds")
                         .Help("Time from a job's submission to the start of its worker.")
                         .Register(registry)
                         .Add({}, prometheus::Histogram::BucketBoundaries{0.1, 1, 10, 60, 600, 3600, 21600,
                                                                          86400, 604800})),
      step_seconds_(Gauges(registry, "precis_job_step_seconds",
                           "Time of a training step of a running job, mean between its last two reports.")),
      images_per_second_(
          Gauges(registry, "precis_job_images_per_second", "Images a second that a running job trains on.")),
      reward_(Gauges(registry, "precis_job_reward", "Moving average of a running job's reward.")),
      progress_ratio_(
          Gauges(registry, "precis_job_progress_ratio", "Share of a running job that is done, 0 to 1.")) {
  for (const JobState state : {JobState::kPending, JobState::kRunning, JobState::kSucceeded,
                               JobState::kFailed, JobState::kCancelled, JobState::kPaused}) {
    Count(state);
  }
}

prometheus::Gauge& JobMetrics::Count(JobState state) {
  return jobs_.Add({{"state", absl::AsciiStrToLower(JobStateName(state))}});
}

absl::Status JobMetrics::Load(Store& store) {
  JobQuery query{.newest_first = false, .limit = 500};
  for (bool more = true; more;) {
    absl::StatusOr<Page<JobRecord>> page = store.QueryJobs(query);
    if (!page.ok()) return page.status();
    for (const JobRecord& job : page->items) Added(job);
    query.after_key = page->last_key;
    more = page->more;
  }
  return absl::OkStatus();
}

void JobMetrics::Added(const JobRecord& job) { Count(job.state).Increment(); }

void JobMetrics::Changed(JobState before, const JobRecord& job) {
  Count(before).Decrement();
  Count(job.state).Increment();
  if (before == JobState::kPending && job.state == JobState::kRunning) {
    queue_seconds_.Observe(static_cast<double>(job.started_us - job.created_us) * 1e-6);
  }
  std::lock_guard lock(mutex_);
  if (job.state == JobState::kRunning) {
    running_.try_emplace(job.id);
  } else {
    Forget(job.id);
  }
}

void JobMetrics::Erased(JobState before, const std::string& job_id) {
  Count(before).Decrement();
  std::lock_guard lock(mutex_);
  Forget(job_id);
}

void JobMetrics::Progressed(const std::string& job_id, const search::Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  auto found = running_.find(job_id);
  if (found == running_.end()) return;
  Running& job = found->second;
  const prometheus::Labels label = {{"job", job_id}};
  if (job.reward == nullptr) {
    job.images_per_second = &images_per_second_.Add(label);
    job.reward = &reward_.Add(label);
    job.progress_ratio = &progress_ratio_.Add(label);
  } else if (progress.step > job.step) {
    if (job.step_seconds == nullptr) job.step_seconds = &step_seconds_.Add(label);
    job.step_seconds->Set(std::chrono::duration<double>(now - job.step_time).count() /
                          static_cast<double>(progress.step - job.step));
  }
  job.step = progress.step;
  job.step_time = now;
  job.images_per_second->Set(progress.images_per_second);
  job.reward->Set(progress.reward);
  job.progress_ratio->Set(progress.fraction);
}

void JobMetrics::Forget(const std::string& job_id) {
  auto found = running_.find(job_id);
  if (found == running_.end()) return;
  const Running& job = found->second;
  if (job.step_seconds != nullptr) step_seconds_.Remove(job.step_seconds);
  if (job.reward != nullptr) {
    images_per_second_.Remove(job.images_per_second);
    reward_.Remove(job.reward);
    progress_ratio_.Remove(job.progress_ratio);
  }
  running_.erase(found);
}

}  // namespace precis::server
