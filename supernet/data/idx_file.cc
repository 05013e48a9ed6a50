// The IDX header, checked field by field, and the data behind it.
#include "supernet/data/idx_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "supernet/data/byte_source.h"

namespace precis {
namespace {

constexpr uint8_t kUnsignedByte = 0x08;
constexpr size_t kFirstChunk = size_t{1} << 20;

absl::Status Truncated(const std::string& path, const std::string& expected, size_t got) {
  return absl::DataLossError(absl::StrCat("'", path, "' is truncated: expected ", expected, ", found ", got,
                                          " bytes. Fetch the file again."));
}

absl::StatusOr<std::vector<int64_t>> ReadHeader(ByteSource& source, const std::string& path,
                                                const IdxLimits& limits) {
  std::array<uint8_t, 4> magic;
  absl::StatusOr<size_t> got = source.Read(magic.data(), magic.size());
  if (!got.ok()) return got.status();
  if (*got < magic.size()) return Truncated(path, "an IDX header of at least 4 bytes", *got);
  if (magic[0] != 0 || magic[1] != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "'%s' is not an IDX file: it begins with the bytes %02x %02x, expected 00 00. Check that it is the "
        "file the data set publishes.",
        path, magic[0], magic[1]));
  }
  if (magic[2] != kUnsignedByte) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "'%s' holds IDX elements of type 0x%02x; only 0x08 (unsigned byte) is read. Convert the "
        "file.",
        path, magic[2]));
  }
  const int count = magic[3];
  if (count < 1 || count > limits.max_dimensions) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' announces ", count,
                                                   " dimensions; allowed are 1 to ", limits.max_dimensions,
                                                   ". Check that it is the file the data set publishes."));
  }

  std::vector<uint8_t> bytes(static_cast<size_t>(count) * 4);
  got = source.Read(bytes.data(), bytes.size());
  if (!got.ok()) return got.status();
  if (*got < bytes.size()) {
    return Truncated(path, absl::StrCat(bytes.size(), " bytes of dimensions"), *got);
  }
  std::vector<int64_t> dimensions;
  int64_t total = 1;
  bool too_large = false;
  for (int d = 0; d < count; ++d) {
    const uint8_t* b = bytes.data() + d * 4;
    dimensions.push_back((int64_t{b[0]} << 24) | (int64_t{b[1]} << 16) | (int64_t{b[2]} << 8) |
                         int64_t{b[3]});
    too_large = too_large || __builtin_mul_overflow(total, dimensions.back(), &total);
  }
  if (too_large || total > limits.max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' announces ", absl::StrJoin(dimensions, "x"), " bytes of data; at most ",
                     limits.max_bytes, " are allowed. Check that it is the file the data set publishes."));
  }
  return dimensions;
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> ReadIdxDimensions(const std::string& path, const IdxLimits& limits) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  return ReadHeader(*source, path, limits);
}

absl::StatusOr<IdxFile> ReadIdxFile(const std::string& path, const IdxLimits& limits) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::vector<int64_t>> dimensions = ReadHeader(*source, path, limits);
  if (!dimensions.ok()) return dimensions.status();

  IdxFile file;
  file.dimensions = *std::move(dimensions);
  size_t announced = 1;
  for (const int64_t dimension : file.dimensions) announced *= static_cast<size_t>(dimension);

  // Memory grows with the bytes that arrive, not with what the header claims.
  while (file.data.size() < announced) {
    const size_t begin = file.data.size();
    file.data.resize(std::min(announced, std::max(kFirstChunk, 2 * begin)));
    absl::StatusOr<size_t> got = source->Read(file.data.data() + begin, file.data.size() - begin);
    if (!got.ok()) return got.status();
    if (begin + *got < file.data.size()) {
      return Truncated(path,
                       absl::StrCat(announced, " bytes of data (", absl::StrJoin(file.dimensions, "x"), ")"),
                       begin + *got);
    }
  }
  uint8_t extra;
  absl::StatusOr<size_t> got = source->Read(&extra, 1);
  if (!got.ok()) return got.status();
  if (*got != 0) {
    return absl::DataLossError(absl::StrCat("'", path, "' has trailing bytes after the ", announced,
                                            " bytes of data that its header announces (",
                                            absl::StrJoin(file.dimensions, "x"), "). Fetch the file again."));
  }
  return file;
}

}  // namespace precis
