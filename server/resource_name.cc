// Names and ids as text.
#include "server/resource_name.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace precis::server {
namespace {

constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kTimeDigits = 8;
constexpr int kRandomDigits = 4;
constexpr int64_t kEpochMs = 1'735'689'600'000;  // 2025-01-01T00:00:00Z

void AppendBase32(std::string& text, uint64_t value, int digits) {
  for (int shift = 5 * (digits - 1); shift >= 0; shift -= 5) text += kDigits[(value >> shift) & 31];
}

absl::Status BadName(absl::string_view field, absl::string_view name, absl::string_view pattern) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": \"", name, "\" is not a resource name of the form ", pattern));
}

}  // namespace

std::string JobName(absl::string_view job_id) { return absl::StrCat("jobs/", job_id); }

std::string CandidateResourceName(absl::string_view job_id, int64_t number) {
  return absl::StrCat("jobs/", job_id, "/candidates/", number);
}

bool IsJobId(absl::string_view text) {
  return text.size() == kTimeDigits + kRandomDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
         });
}

absl::StatusOr<std::string> ParseJobName(absl::string_view name, absl::string_view field) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, "jobs/") || !IsJobId(id)) return BadName(field, name, "jobs/{job}");
  return std::string(id);
}

absl::StatusOr<CandidateName> ParseCandidateName(absl::string_view name, absl::string_view field) {
  constexpr absl::string_view kMiddle = "/candidates/";
  absl::string_view rest = name;
  CandidateName result;
  const size_t middle = rest.find(kMiddle);
  if (middle == absl::string_view::npos) return BadName(field, name, "jobs/{job}/candidates/{candidate}");
  const absl::string_view number = rest.substr(middle + kMiddle.size());
  absl::StatusOr<std::string> job_id = ParseJobName(rest.substr(0, middle), field);
  // The canonical spelling only: no sign, no leading zero, no space.
  if (!job_id.ok() || !absl::SimpleAtoi(number, &result.number) || result.number < 1 ||
      absl::StrCat(result.number) != number) {
    return BadName(field, name, "jobs/{job}/candidates/{candidate}");
  }
  result.job_id = *std::move(job_id);
  return result;
}

std::string JobIdMaker::Make(int64_t now_ms, uint64_t random) {
  std::lock_guard lock(mutex_);
  last_ms_ = std::max(now_ms - kEpochMs, last_ms_ + 1);
  std::string id;
  AppendBase32(id, static_cast<uint64_t>(last_ms_), kTimeDigits);
  AppendBase32(id, random, kRandomDigits);
  return id;
}

}  // namespace precis::server
