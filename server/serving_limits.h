// What one client may take from all others: sizes, streams, connections.
//
// A message may have 4 MiB: a job's largest part is a cost table of 1 MiB, a worker's batch has 200
// candidates of a few kilobytes. The server pings clients that are silent for a minute, so that one whose
// machine has vanished does not hold its watch for hours.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/time/time.h"

namespace precis::server {

struct ServingLimits {
  int max_request_bytes = 4 << 20;       // larger: RESOURCE_EXHAUSTED
  size_t max_buffer_bytes = 128 << 20;   // of all that is being read and written; then streams are cancelled
  int max_streams_per_connection = 256;  // more wait on the client's side
  int max_watch_streams = 1000;          // over all clients; more: RESOURCE_EXHAUSTED
  // Clients that ping more often than this are disconnected; `precis` pings every 30 s while it watches.
  absl::Duration min_ping_interval = absl::Seconds(10);
  // Connections without a call are closed after this; clients open a new one with their next call.
  absl::Duration max_connection_idle = absl::Minutes(30);
};

// All but max_watch_streams, which the SearchService keeps.
void ApplyLimits(const ServingLimits& limits, grpc::ServerBuilder& builder);

}  // namespace precis::server
