// SHA-256, random secrets and comparison in constant time, over OpenSSL.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace precis::server {

std::string Sha256(absl::string_view bytes);     // 32 bytes
std::string Sha256Hex(absl::string_view bytes);  // 64 lower-case digits
// NOT_FOUND or UNAVAILABLE, naming the file, if it cannot be read.
absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path);

std::string RandomHex(int bytes);  // from the system's generator; two digits a byte
uint64_t RandomBits();

// Whether both are equal, in a time that depends on the lengths alone.
bool EqualSecrets(absl::string_view a, absl::string_view b);

}  // namespace precis::server
