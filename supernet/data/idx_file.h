// Reads IDX files (the format of MNIST and its relatives), plain or gzip-compressed.
//
// Layout: two zero bytes, a type byte (0x08 = unsigned byte, the only one accepted), the number of
// dimensions, each dimension as big-endian uint32, then the data.
//
// Threading: pure functions of the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis {

struct IdxLimits {
  int64_t max_bytes = int64_t{1} << 31;  // of data after decompression
  int max_dimensions = 4;
};

struct IdxFile {
  std::vector<int64_t> dimensions;
  std::vector<uint8_t> data;  // product(dimensions) bytes
};

// The sizes in the header are checked against `limits` before anything is allocated, and decompression
// stops one byte past what they announce, so neither a lying header nor a compression bomb takes memory.
// NOT_FOUND if there is no such file; PERMISSION_DENIED if it cannot be opened; INVALID_ARGUMENT if it is
// not IDX or larger than the limits; DATA_LOSS if it is truncated, has trailing bytes or does not
// decompress. Every message names the file, what was expected and what to do.
absl::StatusOr<IdxFile> ReadIdxFile(const std::string& path, const IdxLimits& limits = {});

// The dimensions alone: opens the file and reads a few bytes of it. Errors as ReadIdxFile, as far as the
// header shows them.
absl::StatusOr<std::vector<int64_t>> ReadIdxDimensions(const std::string& path, const IdxLimits& limits = {});

}  // namespace precis
