// Reads a page, writes it event by event, reads the next.
#include "server/watch_stream.h"

#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "server/convert_status.h"
#include "server/job_state.h"

namespace precis::server {
namespace {

constexpr int kPage = 64;

bool EndsTheLog(const Event& event) { return event.kind == Event::Kind::kState && IsTerminal(event.state); }

}  // namespace

WatchStream* WatchStream::Start(Store* store, EventHub* hub, WatchSlot slot, const std::string& job_id,
                                int64_t after) {
  std::shared_ptr<WatchStream> stream(new WatchStream(store, std::move(slot), after));
  stream->self_ = stream;
  // Locked first, so that no wake-up finds it half open.
  std::lock_guard lock(stream->mutex_);
  stream->closing_ = !hub->Watch(job_id, stream);
  absl::Status status = stream->Open(job_id);
  if (status.ok()) {
    stream->Pump();
  } else {
    stream->End(ToGrpcStatus(status));
  }
  return stream.get();
}

WatchStream* WatchStream::Refuse(const grpc::Status& status) {
  std::shared_ptr<WatchStream> stream(new WatchStream(nullptr, nullptr, 0));
  stream->self_ = stream;
  std::lock_guard lock(stream->mutex_);
  stream->End(status);
  return stream.get();
}

absl::Status WatchStream::Open(const std::string& job_id) {
  JobQuery query;
  query.id = job_id;
  absl::StatusOr<Page<JobRecord>> jobs = store_->QueryJobs(query);
  if (!jobs.ok()) return jobs.status();
  if (jobs->items.empty()) return absl::NotFoundError(absl::StrCat("there is no job ", job_id));
  job_ = std::move(jobs->items[0]);
  if (sent_ == 0) return absl::OkStatus();
  absl::StatusOr<Page<Event>> last =
      store_->QueryEvents({.job_id = job_id, .after_number = sent_ - 1, .limit = 1});
  if (!last.ok()) return last.status();
  if (sent_ < 0 || last->items.empty()) {
    return absl::OutOfRangeError(absl::StrCat("after_event: the job has no event number ", sent_,
                                              " yet. Watch from 0 to see them all."));
  }
  complete_ = EndsTheLog(last->items[0]) && !last->more;
  return absl::OkStatus();
}

absl::Status WatchStream::Fill() {
  absl::StatusOr<Page<Event>> page =
      store_->QueryEvents({.job_id = job_.id, .after_number = sent_, .limit = kPage});
  if (!page.ok()) return page.status();
  for (const Event& event : page->items) {
    search::Candidate candidate;
    if (event.kind == Event::Kind::kCandidate) {
      absl::StatusOr<Page<search::Candidate>> found =
          store_->QueryCandidates({.job_id = job_.id, .number = event.candidate_number});
      if (!found.ok()) return found.status();
      if (found->items.empty()) return absl::NotFoundError("the job has been deleted");
      candidate = std::move(found->items[0]);
    }
    waiting_.push_back(EventToWire(job_, event, &candidate));
    sent_ = event.number;
    // What was retried went on after it had ended.
    complete_ = EndsTheLog(event) && !page->more;
  }
  return absl::OkStatus();
}

void WatchStream::Pump() {
  if (writing_ || ending_) return;
  if (waiting_.empty() && !complete_) {
    if (absl::Status status = Fill(); !status.ok()) return End(ToGrpcStatus(status));
  }
  if (waiting_.empty()) {
    if (complete_) End(grpc::Status::OK);
    if (closing_) {
      End(ToGrpcStatus(absl::UnavailableError(
          absl::StrCat("the server is shutting down. When it is back, watch on after event ", sent_))));
    }
    return;
  }
  current_ = std::move(waiting_.front());
  waiting_.pop_front();
  writing_ = true;
  StartWrite(&current_);
}

void WatchStream::End(const grpc::Status& status) {
  if (!ending_) {
    ending_ = true;
    end_status_ = status;
  }
  if (writing_ || finished_) return;
  finished_ = true;
  Finish(end_status_);
}

void WatchStream::Wake() {
  std::lock_guard lock(mutex_);
  Pump();
}

void WatchStream::Close() {
  std::lock_guard lock(mutex_);
  closing_ = true;
  Pump();
}

void WatchStream::OnWriteDone(bool ok) {
  std::lock_guard lock(mutex_);
  writing_ = false;
  if (ending_ || !ok) return End(grpc::Status(grpc::StatusCode::CANCELLED, "the watcher has left"));
  Pump();
}

void WatchStream::OnCancel() {
  std::lock_guard lock(mutex_);
  End(grpc::Status(grpc::StatusCode::CANCELLED, "the watcher has left"));
}

void WatchStream::OnDone() {
  // The hub's thread may hold the object for a moment longer; whoever lets go last destroys it.
  std::shared_ptr<WatchStream> last = std::move(self_);
  slot_.reset();
}

}  // namespace precis::server
