// UTF-8 after RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
#include "client/utf8.h"

namespace precis::client {
namespace {

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the well-formed sequence at the head of `text`, 0 if there is none.
size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if (!IsContinuation(byte(i))) return 0;
  const unsigned char second = byte(1);
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return length;
}

bool IsControl(char byte) { return (byte >= 0 && byte < 0x20) || byte == 0x7F; }

}  // namespace

size_t FirstNonText(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text.substr(i));
    if (length == 0) return i;
    const char byte = text[i];
    if (IsControl(byte) && byte != '\t' && byte != '\n' && byte != '\r') return i;
    i += length;
  }
  return absl::string_view::npos;
}

size_t DisplayWidth(absl::string_view text) {
  size_t width = 0;
  for (const char byte : text)
    if (!IsContinuation(static_cast<unsigned char>(byte))) ++width;
  return width;
}

absl::string_view CutToWidth(absl::string_view text, size_t columns) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsContinuation(static_cast<unsigned char>(text[i]))) continue;
    if (width == columns) return text.substr(0, i);
    ++width;
  }
  return text;
}

std::string Printable(absl::string_view text, size_t columns) {
  std::string clean;
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text.substr(i));
    if (length == 0 || IsControl(text[i])) {
      clean += '?';
      ++i;
    } else {
      clean.append(text.data() + i, length);
      i += length;
    }
  }
  if (DisplayWidth(clean) <= columns) return clean;
  return std::string(CutToWidth(clean, columns - 3)) + "...";
}

}  // namespace precis::client
