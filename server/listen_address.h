// Where the server listens.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis::server {

struct ListenAddress {
  std::string host;  // "127.0.0.1" or "::1"
  int port = 0;      // 0: any free one

  // "127.0.0.1:7070", "[::1]:7070".
  std::string Text() const;
};

// Reads HOST:PORT. INVALID_ARGUMENT saying what is allowed; addresses other than loopback are refused,
// since there is neither encryption nor authentication yet. "localhost" is 127.0.0.1.
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text);

// UNAVAILABLE, with the reason and the remedy, if the address cannot be bound: gRPC itself does not say why.
absl::Status CheckAddressIsFree(const ListenAddress& address);

}  // namespace precis::server
