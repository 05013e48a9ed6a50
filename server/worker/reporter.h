// Reporter: the SearchSink that sends everything to the server.
//
// Candidates and the first progress of each phase are sent at once, however short the phase; other progress
// at most every `progress_interval`, and a heartbeat at least every
// `heartbeat_interval` by a thread of its own, so that the server hears from the worker, and the worker of a
// cancellation, even while an evaluation runs long. A batch is sent again until it is acknowledged; the next
// one waits for that.
//
// A worker that goes on where another one was lost tells again what the server knows already: the same
// candidates in the same order, and progress that lies behind. That is left out.
//
// Threading: OnProgress and OnCandidate from the search's thread, PauseRequested from any.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "search/search_loop.h"
#include "server/worker/server_link.h"

namespace precis::server {

struct ReporterOptions {
  int64_t images_per_step = 0;  // for images_per_second
  absl::Duration progress_interval = absl::Milliseconds(500);
  absl::Duration heartbeat_interval = absl::Milliseconds(500);
  // What the server has taken in already (StartWorkResponse).
  int64_t last_batch = 0;
  int64_t candidates_reported = 0;
  double fraction = 0;
};

class Reporter final : public search::SearchSink {
 public:
  Reporter(ServerLink* link, const ReporterOptions& options);
  // Drops what was not sent.
  ~Reporter() override;

  // Both return what ends the search: CANCELLED when the server says so, the server's error if it will not
  // take a batch. OnCandidate waits while very many candidates are unsent.
  absl::Status OnProgress(const search::Progress& progress) override;
  absl::Status OnCandidate(const search::Candidate& candidate) override;

  // Whether the server wants a checkpoint and the worker's end.
  bool PauseRequested() const { return pause_requested_; }

  // Waits until everything handed in is acknowledged; the status that ends the search if it never will be.
  absl::Status Flush();

 private:
  using Clock = std::chrono::steady_clock;

  void Run();

  // With mutex_ held.
  bool HasWork() const;
  bool ProgressIsDue() const;
  v1::ReportBatchRequest NextRequest();
  void Take(const absl::StatusOr<v1::Directive>& answer);
  double ImagesPerSecond(const search::Progress& progress);

  ServerLink* const link_;
  const ReporterOptions options_;
  std::atomic<bool> closing_ = false;
  std::atomic<bool> pause_requested_ = false;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable changed_;
  absl::Status end_;                          // not OK: the search is to end with it
  std::optional<search::Progress> progress_;  // the latest, not sent yet
  std::deque<search::Progress> beginnings_;   // the first of each phase, not sent yet
  std::deque<search::Candidate> candidates_;  // not sent yet
  bool sending_ = false;
  bool flushing_ = false;     // what is there is due now
  int64_t candidates_known_;  // to the server, of those that are still to come
  int64_t last_number_;
  Clock::time_point progress_sent_;
  // (when, step) over the last few seconds of this phase, at least two where there are.
  std::optional<search::Phase> phase_;
  std::deque<std::pair<Clock::time_point, int64_t>> pace_;
  double images_per_second_ = 0;

  std::thread thread_;
};

}  // namespace precis::server
