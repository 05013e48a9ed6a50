// ServerMetrics: everything the server counts and times, in Prometheus' terms: base units, one HELP a name.
// Jobs are in job_metrics.h; besides:
//
//   precis_rpc_duration_seconds{method,code}      from the request's headers to its status, a histogram; of
//                                                 streams that is their whole life
//   precis_watch_streams                          open now
//   precis_store_duration_seconds{operation}      a histogram
//   precis_store_errors_total{operation,code}     other than a caller's own mistakes
//   precis_store_database_bytes, precis_store_wal_bytes
//   precis_worker_restarts_total
//   precis_build_info{version} 1, process_start_time_seconds
//
// Collect never waits for a store transaction: it reads numbers kept here and the sizes of two files.
//
// Threading: thread-safe.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/job_metrics.h"
#include "server/store/measured_store.h"

namespace precis::server {

class ServerMetrics final : public prometheus::Collectable, public StoreObserver {
 public:
  // Of the store in this data folder.
  explicit ServerMetrics(std::string data_dir);

  // All there is now; for the metrics page and for tests.
  std::vector<prometheus::MetricFamily> Collect() const override;

  // Counts the jobs that are there already. The store's errors. Call once, before anything changes.
  absl::Status Load(Store& store) { return jobs_.Load(store); }

  // `method` is one that the server offers, as "precis.v1.SearchService/GetJob".
  void RpcDone(const std::string& method, absl::StatusCode code, absl::Duration took);
  // A worker that had died or fallen silent was started again.
  void CountWorkerRestart() { worker_restarts_.Increment(); }
  prometheus::Gauge& watch_streams() { return watch_streams_; }

  void Called(const char* operation, absl::StatusCode code, absl::Duration took) override;
  void JobAdded(const JobRecord& job) override { jobs_.Added(job); }
  void JobChanged(JobState before, const JobRecord& job) override { jobs_.Changed(before, job); }
  void JobErased(JobState before, const std::string& job_id) override { jobs_.Erased(before, job_id); }
  void Progressed(const std::string& job_id, const search::Progress& progress) override {
    jobs_.Progressed(job_id, progress);
  }

 private:
  const std::string data_dir_;
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Histogram>& rpcs_;
  prometheus::Family<prometheus::Histogram>& store_calls_;
  prometheus::Family<prometheus::Counter>& store_errors_;
  prometheus::Counter& worker_restarts_;
  prometheus::Gauge& watch_streams_;
  prometheus::Gauge& database_bytes_;
  prometheus::Gauge& wal_bytes_;
  JobMetrics jobs_;
};

}  // namespace precis::server
