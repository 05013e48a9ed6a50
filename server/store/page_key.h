// Page keys: where a page of the store ended, as short text. Every store writes and reads them here.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace precis::server {

struct JobKey {
  int64_t created_us = 0;
  std::string id;
};
std::string WriteJobKey(const JobQuery& query, const JobKey& key);
// INVALID_ARGUMENT if the text is not a key, or one of another order.
absl::StatusOr<JobKey> ReadJobKey(const JobQuery& query);

// `value` is what the order sorts by (the number itself for kNumber), kept bit for bit.
struct CandidateKey {
  double value = 0;
  int64_t number = 0;
};
std::string WriteCandidateKey(const CandidateQuery& query, const CandidateKey& key);
// INVALID_ARGUMENT if the text is not a key, or one of another order or direction.
absl::StatusOr<CandidateKey> ReadCandidateKey(const CandidateQuery& query);

}  // namespace precis::server
