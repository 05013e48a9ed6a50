// All candidates of a job, and picking one.
//
// Threading: as Connection. Nothing throws.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/connection.h"

namespace precis::client {

// Page by page, at most `limit` (0 = all). The server's error.
absl::StatusOr<std::vector<v1::Candidate>> FetchCandidates(Connection& connection,
                                                           v1::ListCandidatesRequest query, int64_t limit);

// The most accurate candidate on the search split whose constrained cost is at most `max_cost` ("0.21
// GBOPs", "1.1x int4"); of equals the cheaper, then the older. INVALID_ARGUMENT if the amount cannot be
// read; FAILED_PRECONDITION naming the cheapest there is if none is that cheap.
absl::StatusOr<v1::Candidate> PickWithin(const v1::Job& job, const std::vector<v1::Candidate>& candidates,
                                         const std::string& max_cost);

}  // namespace precis::client
