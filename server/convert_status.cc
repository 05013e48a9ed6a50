// One cast each way.
#include "server/convert_status.h"

namespace precis::server {
namespace {

// gRPC refuses responses with more than 8 KiB of metadata, and writes each byte beyond ASCII as three.
constexpr size_t kMessageBytes = 1200;

// Length of the UTF-8 character at the beginning of `text`, 0 if it is not one.
size_t CharacterLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned char second = byte(1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
      (lead == 0xF4 && second > 0x8F)) {
    return 0;
  }
  return length;
}

}  // namespace

std::string Shorten(absl::string_view text, size_t bytes) {
  constexpr absl::string_view kCut = "…";
  std::string result;
  size_t fits = 0;  // bytes of `result` that leave room for the mark
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (result.size() + kCut.size() <= bytes) fits = result.size();
    result.append(length == 0 ? "?" : std::string(text.substr(0, length)));
    text.remove_prefix(length == 0 ? 1 : length);
    if (result.size() > bytes) {
      result.resize(fits);
      return result.append(kCut.data(), kCut.size());
    }
  }
  return result;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.raw_code()),
                      Shorten(status.message(), kMessageBytes));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace precis::server
