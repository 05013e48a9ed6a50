// Page tokens: where a listing goes on, opaque to clients.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace precis::server {

// A token for `key` in a listing that `query` describes (every request field but size and token). It
// carries a checksum over both, so that a damaged token or one of another query is recognised.
std::string WritePageToken(absl::string_view query, absl::string_view key);

// The key; "" for an empty token: the beginning. INVALID_ARGUMENT if the token was altered or the query is
// not the one it came from.
absl::StatusOr<std::string> ReadPageToken(absl::string_view query, absl::string_view token);

// The page size in force: 0 is `standard`, more than `largest` is `largest`. INVALID_ARGUMENT if negative.
absl::StatusOr<int> PageSize(int requested, int standard, int largest);

}  // namespace precis::server
