// Token: base64url(checksum, 8 bytes | key).
#include "server/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/digest.h"

namespace precis::server {
namespace {

constexpr size_t kChecksumBytes = 8;

std::string Checksum(absl::string_view query, absl::string_view key) {
  return Sha256(absl::StrCat("page token 1\n", query.size(), "\n", query, key)).substr(0, kChecksumBytes);
}

}  // namespace

std::string WritePageToken(absl::string_view query, absl::string_view key) {
  return absl::WebSafeBase64Escape(absl::StrCat(Checksum(query, key), key));
}

absl::StatusOr<std::string> ReadPageToken(absl::string_view query, absl::string_view token) {
  if (token.empty()) return std::string();
  std::string bytes;
  // Written again and compared, since base64 has several spellings of the same bytes.
  if (absl::WebSafeBase64Unescape(token, &bytes) && bytes.size() > kChecksumBytes) {
    std::string key = bytes.substr(kChecksumBytes);
    if (WritePageToken(query, key) == token) return key;
  }
  return absl::InvalidArgumentError(
      "page_token: not a token of this listing. Pass next_page_token unchanged and keep the other fields of "
      "the request as they were.");
}

absl::StatusOr<int> PageSize(int requested, int standard, int largest) {
  if (requested < 0) {
    return absl::InvalidArgumentError(absl::StrCat("page_size: ", requested,
                                                   " is negative. Use 0 for the default of ", standard,
                                                   ", or up to ", largest, "."));
  }
  return requested == 0 ? standard : std::min(requested, largest);
}

}  // namespace precis::server
