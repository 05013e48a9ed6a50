// How people name a job: "jobs/abc", "abc", the beginning of one, or "latest".
//
// Threading: as Connection. Nothing throws.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/connection.h"

namespace precis::client {

// Jobs page by page, newest first, until `take` returns false or there are no more.
absl::Status ForEachJob(Connection& connection, const v1::ListJobsRequest& query,
                        const std::function<bool(const v1::Job&)>& take);

// An exact id wins over a longer one that begins with it. NOT_FOUND (the server's) if there is none,
// INVALID_ARGUMENT (ours) naming the candidates if a prefix is ambiguous.
absl::StatusOr<v1::Job> FindJob(Connection& connection, const std::string& reference);

}  // namespace precis::client
