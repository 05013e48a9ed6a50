// The watch loop: stream, show, reconnect.
#include "client/watch.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/interrupt.h"
#include "client/progress_view.h"
#include "client/units.h"

namespace precis::client {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFirstPause{250};
constexpr std::chrono::milliseconds kLongestPause{5000};
constexpr std::chrono::milliseconds kLiveInterval{100};
constexpr std::chrono::milliseconds kPlainInterval{5000};

// Lets the interrupt thread end whatever the watching thread waits for: a stream or a pause.
class Interruptible {
 public:
  void Interrupt() {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    if (stream_ != nullptr) stream_->TryCancel();
    wake_.notify_all();
  }
  // nullptr: no stream is open.
  void SetStream(grpc::ClientContext* stream) {
    const std::lock_guard lock(mutex_);
    stream_ = stream;
    if (interrupted_ && stream_ != nullptr) stream_->TryCancel();
  }
  bool interrupted() {
    const std::lock_guard lock(mutex_);
    return interrupted_;
  }
  void Pause(std::chrono::milliseconds duration) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, duration, [this] { return interrupted_; });
  }

 private:
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  bool interrupted_ = false;
  grpc::ClientContext* stream_ = nullptr;
};

class Printer {
 public:
  explicit Printer(const Environment& environment) : environment_(environment) {}

  void Show(const ProgressView& view, const v1::JobEvent& event) {
    if (!event.state_change().notice().empty()) Print(event.state_change().notice());
    if (environment_.live) {
      if (event.event_case() == v1::JobEvent::kStateChange || Due(kLiveInterval)) Redraw(view);
      return;
    }
    if (event.event_case() == v1::JobEvent::kCandidate) {
      Print(view.CandidateLine(event.candidate()));
    } else if (view.phase() != phase_ || view.state() != state_ || Due(kPlainInterval)) {
      Print(view.PlainLine());
    }
    phase_ = view.phase();
    state_ = view.state();
  }

  void Redraw(const ProgressView& view) {
    *environment_.err << "\r" << view.LiveLine(environment_.columns(), environment_.color) << "\x1b[K"
                      << std::flush;
    drawn_ = true;
    last_ = Clock::now();
  }

  // A line that stays; the live line goes on below it.
  void Print(const std::string& line) {
    if (drawn_) *environment_.err << "\r\x1b[K";
    *environment_.err << line << "\n" << std::flush;
    drawn_ = false;
    last_ = Clock::now();
  }

  // Leaves the last live line standing.
  void Finish() {
    if (drawn_) *environment_.err << "\n" << std::flush;
    drawn_ = false;
  }

 private:
  bool Due(std::chrono::milliseconds interval) const { return Clock::now() - last_ >= interval; }

  const Environment& environment_;
  bool drawn_ = false;
  v1::Phase phase_ = v1::PHASE_UNSPECIFIED;
  v1::Job::State state_ = v1::Job::STATE_UNSPECIFIED;
  Clock::time_point last_{};
};

// What a server that goes down or a broken connection looks like.
bool IsLostConnection(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status) || absl::IsAborted(status) ||
         absl::IsUnknown(status);
}

std::string HowToResume(const v1::Job& job, int64_t last_event) {
  const std::string id = LastPart(job.name());
  return absl::StrCat("Resume with: precis watch ", id,
                      last_event > 0 ? absl::StrCat(" --after ", last_event) : "");
}

class Watch {
 public:
  Watch(Connection& connection, const v1::Job& job, const WatchOptions& options,
        const Environment& environment)
      : connection_(connection),
        options_(options),
        job_(job),
        view_(job),
        last_event_(options.after_event),
        printer_(environment),
        guard_([this] { interruptible_.Interrupt(); }) {}

  absl::StatusOr<WatchEnd> Run() {
    bool lost = false;
    Clock::time_point lost_since{};
    std::chrono::milliseconds pause = kFirstPause;
    while (true) {
      bool heard = false;
      absl::Status status = Stream(lost, heard);
      if (interruptible_.interrupted()) return Interrupted();
      if (heard) {
        lost = false;
        pause = kFirstPause;
      }
      if (status.ok()) {
        absl::StatusOr<v1::Job> job = Fetch();
        if (job.ok() && HasEnded(job->state())) {
          printer_.Finish();
          return WatchEnd{*std::move(job), false};
        }
        // A stream may end well before the job has: the server is going down.
        status = job.ok() ? connection_.FromGrpc({grpc::StatusCode::UNAVAILABLE, "the stream ended"}, nullptr)
                          : job.status();
      }
      if (!IsLostConnection(status)) {
        printer_.Finish();
        return status;
      }
      if (!lost) {
        lost = true;
        lost_since = Clock::now();
        printer_.Print(
            absl::StrCat("Lost the server at ", connection_.address(), "; trying to reach it again."));
      }
      if (Clock::now() - lost_since >= options_.patience) return GaveUp(status);
      interruptible_.Pause(pause);
      if (interruptible_.interrupted()) return Interrupted();
      pause = std::min(pause * 2, kLongestPause);
    }
  }

 private:
  // One stream to its end. `heard`: something came.
  absl::Status Stream(bool was_lost, bool& heard) {
    grpc::ClientContext context;
    connection_.Prepare(context);
    v1::WatchJobRequest request;
    request.set_name(job_.name());
    request.set_after_event(last_event_);
    interruptible_.SetStream(&context);
    const auto reader = connection_.stub().WatchJob(&context, request);
    v1::JobEvent event;
    while (reader->Read(&event)) {
      if (was_lost && !heard) printer_.Print("Found the server again.");
      heard = true;
      view_.Apply(event);
      last_event_ = event.number();
      printer_.Show(view_, event);
    }
    const grpc::Status status = reader->Finish();
    interruptible_.SetStream(nullptr);
    return status.ok() ? absl::OkStatus() : connection_.FromGrpc(status, &context);
  }

  absl::StatusOr<v1::Job> Fetch() {
    v1::GetJobRequest request;
    request.set_name(job_.name());
    return connection_.Call(&Connection::Stub::GetJob, request);
  }

  WatchEnd Interrupted() {
    printer_.Finish();
    printer_.Print(absl::StrCat("Stopped watching; ", job_.name(), " goes on. ",
                                HowToResume(job_, last_event_), "\nCancel with: precis cancel ",
                                LastPart(job_.name())));
    return WatchEnd{job_, true};
  }

  absl::Status GaveUp(const absl::Status& status) {
    printer_.Finish();
    const auto seconds = std::chrono::duration<double>(options_.patience).count();
    return WithMessage(
        status, absl::StrCat("lost the server at ", connection_.address(), " and could not reach it for ",
                             DurationText(seconds), "; ", job_.name(), " may still be running.\n",
                             HowToResume(job_, last_event_)));
  }

  Connection& connection_;
  const WatchOptions options_;
  const v1::Job job_;
  ProgressView view_;
  int64_t last_event_;
  Printer printer_;
  Interruptible interruptible_;
  InterruptGuard guard_;
};

}  // namespace

bool HasEnded(v1::Job::State state) {
  return state == v1::Job::SUCCEEDED || state == v1::Job::FAILED || state == v1::Job::CANCELLED;
}

absl::StatusOr<WatchEnd> WatchJob(Connection& connection, const v1::Job& job, const WatchOptions& options,
                                  const Environment& environment) {
  return Watch(connection, job, options, environment).Run();
}

}  // namespace precis::client
