// Statuses between Abseil and gRPC, whose codes are the same numbers.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace precis::server {

// The message is cut to what fits in a response's metadata whatever it quotes.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

// At most `bytes` bytes, cut between UTF-8 characters, with "…" where something was cut. Text that is not
// UTF-8 is returned with '?' for each bad byte, since the wire takes nothing else.
std::string Shorten(absl::string_view text, size_t bytes);

}  // namespace precis::server
