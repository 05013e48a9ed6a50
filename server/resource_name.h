// Resource names and job ids. All building and parsing of names is here; nobody else cuts strings.
//   jobs/{job}                            {job}: 12 characters of a-z and 0-9
//   jobs/{job}/candidates/{candidate}     {candidate}: its number, 1 and up
//
// Threading: JobIdMaker is thread-safe, the rest are pure functions.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace precis::server {

struct CandidateName {
  std::string job_id;
  int64_t number = 0;
};

std::string JobName(absl::string_view job_id);
std::string CandidateResourceName(absl::string_view job_id, int64_t number);

// INVALID_ARGUMENT, quoting the name and showing the pattern. `field` names the request's field.
absl::StatusOr<std::string> ParseJobName(absl::string_view name, absl::string_view field);
absl::StatusOr<CandidateName> ParseCandidateName(absl::string_view name, absl::string_view field);

// Whether the text has the form of a job id: nothing else ever becomes a path.
bool IsJobId(absl::string_view text);

// Job ids that sort by time: 8 characters of milliseconds since 2025, 4 of chance, in Crockford's base 32
// (no i, l, o, u), lower case. Ids from one maker rise strictly, whatever the clock does.
class JobIdMaker {
 public:
  // now_ms: since the Unix epoch; random: any bits.
  std::string Make(int64_t now_ms, uint64_t random);

 private:
  std::mutex mutex_;
  int64_t last_ms_ = 0;  // guarded by mutex_
};

}  // namespace precis::server
