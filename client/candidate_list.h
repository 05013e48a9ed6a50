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

struct CostCeiling {
  std::string metric;
  std::string unit;
  double at_most = 0;  // in that unit
};

// "0.21 GBOPs", "1.1x int4" for the constrained metric, "model_size=30 KiB" for any of the job's; at least
// one, no metric twice. A multiple is of the job's uniform candidate. INVALID_ARGUMENT saying of every one
// that cannot be read, that names no metric of the job or one again, what is allowed.
absl::StatusOr<std::vector<CostCeiling>> ParseCeilings(const v1::Job& job,
                                                       const std::vector<v1::Candidate>& candidates,
                                                       const std::vector<std::string>& texts);

// The most accurate candidate on the search split within all ceilings (ties: the lower loss, then the cheaper
// in the first ceiling's metric, then the older). As for `choose`, the job's own target and its limits of the
// ceilings' metrics give way; its other limits stay. FAILED_PRECONDITION naming the cheapest that there is in
// every metric, if none is within.
absl::StatusOr<v1::Candidate> PickWithin(const v1::Job& job, const std::vector<v1::Candidate>& candidates,
                                         const std::vector<CostCeiling>& ceilings);

}  // namespace precis::client
