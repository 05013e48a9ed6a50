// Limits as gRPC's channel arguments.
#include "server/serving_limits.h"

namespace precis::server {
namespace {

constexpr absl::Duration kPingSilentClientsAfter = absl::Minutes(1);
constexpr absl::Duration kPingAnswerWithin = absl::Seconds(20);
constexpr int kPingsTooEarlyForgiven = 2;

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

}  // namespace

void ApplyLimits(const ServingLimits& limits, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(limits.max_request_bytes);
  // gRPC looks at a message's size when it has all of it: without this a client could fill the memory.
  grpc::ResourceQuota quota("precisd");
  quota.Resize(limits.max_buffer_bytes);
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.max_streams_per_connection);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(limits.max_connection_idle));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(limits.min_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kPingsTooEarlyForgiven);
  // A client may keep its connection alive between calls.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(kPingSilentClientsAfter));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(kPingAnswerWithin));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // ours, without limit
}

}  // namespace precis::server
