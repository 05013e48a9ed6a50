// One WatchJob call: sends a job's log from a position on, and what is added to it, until the job's last
// event has been sent or the client leaves.
//
// Threading: driven by gRPC's threads and the hub's; owns itself until gRPC is done with it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "precis/v1/search_service.pb.h"
#include "server/event_hub.h"
#include "server/store/store.h"

namespace precis::server {

class WatchStream final : public grpc::ServerWriteReactor<v1::JobEvent>,
                          public Watcher,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  // Starts sending events after number `after`. The call ends with NOT_FOUND if there is no such job (any
  // more), with OUT_OF_RANGE if event `after` has not happened, and with UNAVAILABLE, after what there is,
  // when the hub is closed.
  static WatchStream* Start(Store* store, EventHub* hub, const std::string& job_id, int64_t after);
  // Ends at once with this status.
  static WatchStream* Refuse(const grpc::Status& status);

  void Wake() override;
  void Close() override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  WatchStream(Store* store, int64_t after) : store_(store), sent_(after) {}

  absl::Status Open(const std::string& job_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Fill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store* const store_;
  std::shared_ptr<WatchStream> self_;  // until OnDone

  absl::Mutex mutex_;
  JobRecord job_ ABSL_GUARDED_BY(mutex_);                     // for its plan
  int64_t sent_ ABSL_GUARDED_BY(mutex_);                      // number of the last event read from the store
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;              // nobody will wake us
  bool complete_ ABSL_GUARDED_BY(mutex_) = false;             // that was the job's last
  std::deque<v1::JobEvent> waiting_ ABSL_GUARDED_BY(mutex_);  // one page at most
  v1::JobEvent current_ ABSL_GUARDED_BY(mutex_);              // being written
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;    // Finish is due, or has been called
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // Finish has been called
  grpc::Status end_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace precis::server
