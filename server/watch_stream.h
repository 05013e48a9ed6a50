// One WatchJob call: sends a job's log from a position on, and what is added to it, until the job's last
// event has been sent or the client leaves.
//
// What a stream holds is bounded whatever the client does: events wait in the store, at most one page of them
// here, at most one is given to gRPC, which takes it when the client's window has room. A client that reads
// slowly or not at all lags behind and misses nothing; it holds up nobody, since nobody waits for a write.
//
// Threading: driven by gRPC's threads and the hub's; owns itself until gRPC is done with it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "precis/v1/search_service.pb.h"
#include "server/event_hub.h"
#include "server/store/store.h"
#include "server/watch_slots.h"

namespace precis::server {

class WatchStream final : public grpc::ServerWriteReactor<v1::JobEvent>,
                          public Watcher,
                          public std::enable_shared_from_this<WatchStream> {
 public:
  // Starts sending events after number `after`. The call ends with NOT_FOUND if there is no such job (any
  // more), with OUT_OF_RANGE if event `after` has not happened, and with UNAVAILABLE, after what there is and
  // naming the event to go on from, when the hub is closed. `slot` is given back at the end.
  static WatchStream* Start(Store* store, EventHub* hub, WatchSlot slot, const std::string& job_id,
                            int64_t after);
  // Ends at once with this status.
  static WatchStream* Refuse(const grpc::Status& status);

  void Wake() override;
  void Close() override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  WatchStream(Store* store, WatchSlot slot, int64_t after)
      : store_(store), slot_(std::move(slot)), sent_(after) {}

  // With mutex_ held.
  absl::Status Open(const std::string& job_id);
  absl::Status Fill();
  void Pump();
  void End(const grpc::Status& status);

  Store* const store_;
  WatchSlot slot_;                     // until OnDone
  std::shared_ptr<WatchStream> self_;  // until OnDone

  // Guarded by mutex_.
  std::mutex mutex_;
  JobRecord job_;                     // for its plan
  int64_t sent_;                      // number of the last event read from the store
  bool closing_ = false;              // nobody will wake us
  bool complete_ = false;             // that was the job's last
  std::deque<v1::JobEvent> waiting_;  // one page at most
  v1::JobEvent current_;              // being written
  bool writing_ = false;
  bool ending_ = false;    // Finish is due, or has been called
  bool finished_ = false;  // Finish has been called
  grpc::Status end_status_;
};

}  // namespace precis::server
