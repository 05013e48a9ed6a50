// Page keys as text: the order, then the values, separated by slashes.
#include "server/store/page_key.h"

#include <bit>
#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace precis::server {
namespace {

std::string OrderText(const JobQuery& query) { return query.newest_first ? "newest" : "oldest"; }

std::string OrderText(const CandidateQuery& query) {
  const char* direction = query.descending ? "-" : "+";
  switch (query.order) {
    case CandidateOrder::kNumber:
      return absl::StrCat("number", direction);
    case CandidateOrder::kAccuracy:
      return absl::StrCat("accuracy", direction);
    case CandidateOrder::kCost:
      return absl::StrCat("cost", query.cost_index, direction);
  }
  return "";
}

absl::Status Unsuitable() {
  return absl::InvalidArgumentError("the page key does not belong to a query of this order");
}

}  // namespace

std::string WriteJobKey(const JobQuery& query, const JobKey& key) {
  return absl::StrCat(OrderText(query), "/", key.created_us, "/", key.id);
}

absl::StatusOr<JobKey> ReadJobKey(const JobQuery& query) {
  const std::vector<std::string> parts = absl::StrSplit(query.after_key, absl::MaxSplits('/', 2));
  JobKey key;
  if (parts.size() != 3 || parts[0] != OrderText(query) || parts[2].empty() ||
      !absl::SimpleAtoi(parts[1], &key.created_us)) {
    return Unsuitable();
  }
  key.id = parts[2];
  return key;
}

std::string WriteCandidateKey(const CandidateQuery& query, const CandidateKey& key) {
  return absl::StrCat(OrderText(query), "/", absl::Hex(std::bit_cast<uint64_t>(key.value)), "/", key.number);
}

absl::StatusOr<CandidateKey> ReadCandidateKey(const CandidateQuery& query) {
  const std::vector<std::string> parts = absl::StrSplit(query.after_key, '/');
  CandidateKey key;
  uint64_t bits = 0;
  if (parts.size() != 3 || parts[0] != OrderText(query) || !absl::SimpleHexAtoi(parts[1], &bits) ||
      !absl::SimpleAtoi(parts[2], &key.number)) {
    return Unsuitable();
  }
  key.value = std::bit_cast<double>(bits);
  if (std::isnan(key.value)) return Unsuitable();
  return key;
}

}  // namespace precis::server
