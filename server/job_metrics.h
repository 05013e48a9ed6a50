// JobMetrics: what the metrics say about jobs, from what happens to them in the store.
//
//   precis_jobs{state}                       how many there are
//   precis_job_queue_seconds                 from submission to start, a histogram over jobs started
//   precis_job_step_seconds{job}, precis_job_images_per_second{job}, precis_job_reward{job},
//   precis_job_progress_ratio{job}           of running jobs, from their progress reports
//
// Only running jobs have a label of their own, which goes when they end, so that there are never more series
// than jobs may run at once.
//
// Threading: thread-safe.
#pragma once

#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "server/store/store.h"

namespace precis::server {

class JobMetrics {
 public:
  // `registry` must outlive this.
  explicit JobMetrics(prometheus::Registry& registry);

  // Counts what an earlier server left. The store's errors. Call once, before anything changes.
  absl::Status Load(Store& store);

  void Added(const JobRecord& job);
  void Changed(JobState before, const JobRecord& job);
  void Erased(JobState before, const std::string& job_id);
  // Nothing if the job is not running (any more).
  void Progressed(const std::string& job_id, const search::Progress& progress);

 private:
  // Made with the first report, but for the time of a step, which takes two.
  struct Running {
    prometheus::Gauge* step_seconds = nullptr;
    prometheus::Gauge* images_per_second = nullptr;
    prometheus::Gauge* reward = nullptr;
    prometheus::Gauge* progress_ratio = nullptr;
    int64_t step = 0;
    std::chrono::steady_clock::time_point step_time;
  };

  prometheus::Gauge& Count(JobState state);
  // With mutex_ held.
  void Forget(const std::string& job_id);

  prometheus::Family<prometheus::Gauge>& jobs_;
  prometheus::Histogram& queue_seconds_;
  prometheus::Family<prometheus::Gauge>& step_seconds_;
  prometheus::Family<prometheus::Gauge>& images_per_second_;
  prometheus::Family<prometheus::Gauge>& reward_;
  prometheus::Family<prometheus::Gauge>& progress_ratio_;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::map<std::string, Running> running_;
};

}  // namespace precis::server
