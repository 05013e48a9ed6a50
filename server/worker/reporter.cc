// Batching, the heartbeat and the pace.
#include "server/worker/reporter.h"

#include <algorithm>
#include <iterator>

#include "server/convert.h"

namespace precis::server {
namespace {

// Of a few kilobytes at most each, against a message limit of 4 MiB.
constexpr size_t kCandidatesPerBatch = 200;
constexpr size_t kMostUnsent = 10 * kCandidatesPerBatch;
constexpr std::chrono::seconds kPaceWindow(5);
constexpr std::chrono::milliseconds kPaceGrain(50);

}  // namespace

Reporter::Reporter(ServerLink* link, const ReporterOptions& options)
    : link_(link),
      options_(options),
      candidates_known_(options.candidates_reported),
      last_number_(options.last_batch),
      thread_([this] { Run(); }) {}

Reporter::~Reporter() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

absl::Status Reporter::OnProgress(const search::Progress& progress) {
  std::lock_guard lock(mutex_);
  if (!end_.ok()) return end_;
  if (progress.fraction < options_.fraction) return absl::OkStatus();
  const bool begins = phase_ != progress.phase;
  search::Progress paced = progress;
  paced.images_per_second = ImagesPerSecond(progress);
  if (begins) {
    progress_.reset();
    beginnings_.push_back(paced);
    changed_.notify_all();
  } else {
    progress_ = paced;
  }
  return absl::OkStatus();
}

absl::Status Reporter::OnCandidate(const search::Candidate& candidate) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !end_.ok() || candidates_.size() < kMostUnsent; });
  if (!end_.ok()) return end_;
  if (candidates_known_ > 0) {
    --candidates_known_;
    return absl::OkStatus();
  }
  candidates_.push_back(candidate);
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status Reporter::Flush() {
  std::unique_lock lock(mutex_);
  flushing_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] {
    return !end_.ok() || (!sending_ && !progress_ && beginnings_.empty() && candidates_.empty());
  });
  flushing_ = false;
  return end_;
}

// Training images of the last few seconds; keeps its last value while no step is taken.
double Reporter::ImagesPerSecond(const search::Progress& progress) {
  // What lies between two phases (evaluations, mostly) is no part of the pace.
  if (progress.phase != std::exchange(phase_, progress.phase)) pace_.clear();
  const Clock::time_point now = Clock::now();
  if (!pace_.empty() && (progress.step == pace_.back().second || now - pace_.back().first < kPaceGrain)) {
    return images_per_second_;
  }
  pace_.emplace_back(now, progress.step);
  while (pace_.size() > 2 && now - pace_.front().first > kPaceWindow) pace_.pop_front();
  const std::chrono::duration<double> span = now - pace_.front().first;
  if (span.count() > 0) {
    const int64_t images = (progress.step - pace_.front().second) * options_.images_per_step;
    images_per_second_ = static_cast<double>(images) / span.count();
  }
  return images_per_second_;
}

bool Reporter::ProgressIsDue() const {
  return progress_.has_value() && (flushing_ || Clock::now() - progress_sent_ >=
                                                    absl::ToChronoNanoseconds(options_.progress_interval));
}

bool Reporter::HasWork() const {
  return closing_ || !candidates_.empty() || !beginnings_.empty() || (flushing_ && progress_);
}

v1::ReportBatchRequest Reporter::NextRequest() {
  WorkerBatch batch;
  if (end_.ok()) {
    const size_t count = std::min(candidates_.size(), kCandidatesPerBatch);
    std::move(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(count),
              std::back_inserter(batch.candidates));
    candidates_.erase(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(count));
    if (!beginnings_.empty()) {
      batch.progress = beginnings_.front();
      beginnings_.pop_front();
      progress_sent_ = Clock::now();
    } else if (ProgressIsDue()) {
      batch.progress = std::exchange(progress_, std::nullopt);
      progress_sent_ = Clock::now();
    }
    if (!batch.candidates.empty() || batch.progress) batch.number = ++last_number_;
  }
  return BatchToWire(link_->job_id(), batch);
}

void Reporter::Take(const absl::StatusOr<v1::Directive>& answer) {
  sending_ = false;
  changed_.notify_all();
  if (!end_.ok()) return;
  if (!answer.ok()) {
    end_ = answer.status();
  } else if (*answer == v1::DIRECTIVE_CANCEL) {
    end_ = absl::CancelledError("the server told the worker to stop");
  } else if (*answer == v1::DIRECTIVE_PAUSE) {
    pause_requested_ = true;
  }
}

void Reporter::Run() {
  while (true) {
    v1::ReportBatchRequest request;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.heartbeat_interval),
                        [this] { return HasWork(); });
      if (closing_) return;
      request = NextRequest();
      sending_ = true;
      changed_.notify_all();
    }
    absl::StatusOr<v1::Directive> answer = link_->ReportBatch(request, closing_);
    std::lock_guard lock(mutex_);
    Take(answer);
    if (closing_) return;
  }
}

}  // namespace precis::server
