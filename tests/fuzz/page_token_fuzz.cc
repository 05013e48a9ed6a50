// A query, a zero byte, a token. What is accepted is what was written.
#include <string>

#include "server/page_token.h"
#include "supernet/formats/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using precis::server::ReadPageToken;
  using precis::server::WritePageToken;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\0');
  const std::string query = text.substr(0, end);
  const std::string rest = end == std::string::npos ? "" : text.substr(end + 1);
  const absl::StatusOr<std::string> key = ReadPageToken(query, rest);
  if (key.ok() && !rest.empty()) PRECIS_CHECK(WritePageToken(query, *key) == rest);
  if (rest.empty()) return 0;  // the beginning, which no token is written for
  const absl::StatusOr<std::string> own = ReadPageToken(query, WritePageToken(query, rest));
  PRECIS_CHECK(own.ok() && *own == rest);
  return 0;
}
