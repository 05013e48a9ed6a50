// Where the server listens.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace precis::server {

struct ListenAddress {
  std::string host;  // an IP address: "127.0.0.1", "::1", "0.0.0.0"
  int port = 0;      // 0: any free one

  // "127.0.0.1:7070", "[::1]:7070".
  std::string Text() const;
  // Whether only this machine can reach it: 127.0.0.0/8 and ::1.
  bool IsLoopback() const;
};

// Reads HOST:PORT, HOST an IP address of this machine or "localhost", which is 127.0.0.1. INVALID_ARGUMENT,
// naming the option and saying what is allowed. Whether the address may be used at all, CheckDoors decides.
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text,
                                                 absl::string_view option = "--listen");

// UNAVAILABLE, with the reason and the remedy, if the address cannot be bound: gRPC itself does not say why.
absl::Status CheckAddressIsFree(const ListenAddress& address);

}  // namespace precis::server
