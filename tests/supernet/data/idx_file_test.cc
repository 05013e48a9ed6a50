// ReadIdxFile: what it reads, and what it says of every file it cannot read.
#include "supernet/data/idx_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "tests/fakes/temp_dir.h"
#include "tests/supernet/data/idx_writer.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class IdxFileTest : public ::testing::Test {
 protected:
  std::string Write(const Bytes& bytes) {
    WriteBytes(path_, bytes);
    return path_;
  }

  void ExpectError(const Bytes& bytes, absl::StatusCode code, const std::vector<std::string>& essentials,
                   const IdxLimits& limits = {}) {
    const absl::Status status = ReadIdxFile(Write(bytes), limits).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
    for (const std::string& essential : essentials) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(essential));
    }
  }

  std::string File(const std::string& name) const { return folder_.path() + "/" + name; }

  TempDir folder_;
  std::string path_ = File("images");
};

TEST_F(IdxFileTest, ReadsPlainAndCompressedAlike) {
  const Bytes whole = IdxBytes({2, 3, 4}, 24);
  for (const Bytes& bytes : {whole, Gzip(whole)}) {
    const absl::StatusOr<IdxFile> file = ReadIdxFile(Write(bytes));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_THAT(file->dimensions, ElementsAre(2, 3, 4));
    EXPECT_EQ(file->data, Bytes(whole.begin() + 16, whole.end()));
    const absl::StatusOr<std::vector<int64_t>> dimensions = ReadIdxDimensions(path_);
    ASSERT_TRUE(dimensions.ok()) << dimensions.status();
    EXPECT_THAT(*dimensions, ElementsAre(2, 3, 4));
  }
}

TEST_F(IdxFileTest, ReadsMoreThanOneBufferAndChunk) {
  const Bytes whole = IdxBytes({3, 1 << 20}, 3 << 20, 251);
  for (const Bytes& bytes : {whole, Gzip(whole)}) {
    const absl::StatusOr<IdxFile> file = ReadIdxFile(Write(bytes));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->data, Bytes(whole.begin() + 12, whole.end()));
  }
}

TEST_F(IdxFileTest, ReadsGzipOfSeveralMembers) {
  const Bytes whole = IdxBytes({10}, 10);
  const Bytes front(whole.begin(), whole.begin() + 11);
  const Bytes back(whole.begin() + 11, whole.end());
  const absl::StatusOr<IdxFile> file = ReadIdxFile(Write(Gzip(front) + Gzip(back)));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->data, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(IdxFileTest, ReadsAnEmptyDimension) {
  const absl::StatusOr<IdxFile> file = ReadIdxFile(Write(IdxHeader({0, 5})));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->data.empty());
}

TEST_F(IdxFileTest, EveryTruncationIsReported) {
  const Bytes whole = IdxBytes({2, 3}, 6);
  for (size_t kept = 0; kept < whole.size(); ++kept) {
    SCOPED_TRACE(kept);
    ExpectError(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept)),
                absl::StatusCode::kDataLoss, {"truncated", "expected", "Fetch"});
  }
  ExpectError(IdxBytes({2, 3}, 4), absl::StatusCode::kDataLoss, {"6 bytes of data (2x3)", "found 4 bytes"});
  ExpectError(Gzip(IdxBytes({2, 3}, 4)), absl::StatusCode::kDataLoss, {"6 bytes of data", "found 4 bytes"});
}

TEST_F(IdxFileTest, EveryTruncationOfTheCompressedStreamIsReported) {
  const Bytes whole = Gzip(IdxBytes({40, 50}, 2000));
  for (size_t kept = 2; kept < whole.size(); ++kept) {
    SCOPED_TRACE(kept);
    ExpectError(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kept)),
                absl::StatusCode::kDataLoss, {"gzip", "ends early", "Fetch"});
  }
}

TEST_F(IdxFileTest, TrailingBytesAreReported) {
  const Bytes whole = IdxBytes({2, 3}, 6);
  const Bytes one = {7};
  ExpectError(whole + one, absl::StatusCode::kDataLoss,
              {"trailing bytes", "6 bytes of data", "2x3", "Fetch"});
  ExpectError(Gzip(whole + one), absl::StatusCode::kDataLoss, {"trailing bytes"});
  ExpectError(Gzip(whole) + one, absl::StatusCode::kDataLoss, {"gzip"});
  ExpectError(Gzip(whole) + Bytes(100, 0), absl::StatusCode::kDataLoss, {"gzip"});
}

TEST_F(IdxFileTest, DamageInTheCompressedStreamIsReported) {
  Bytes bytes = Gzip(IdxBytes({2, 3}, 6));
  bytes[bytes.size() - 6] ^= 0x40;  // in the checksum
  ExpectError(bytes, absl::StatusCode::kDataLoss, {"gzip", "Fetch"});
}

TEST_F(IdxFileTest, ForeignFilesAreRefused) {
  ExpectError({'P', 'K', 3, 4}, absl::StatusCode::kInvalidArgument, {"not an IDX file", "50 4b", "00 00"});
  ExpectError(IdxHeader({2, 3}, 0x0d), absl::StatusCode::kInvalidArgument, {"0x0d", "0x08 (unsigned byte)"});
  ExpectError(IdxHeader({}), absl::StatusCode::kInvalidArgument, {"0 dimensions", "1 to 4"});
  ExpectError(IdxHeader({1, 1, 1, 1, 1}), absl::StatusCode::kInvalidArgument, {"5 dimensions", "1 to 4"});
}

TEST_F(IdxFileTest, SizesBeyondTheLimitAreRefused) {
  ExpectError(IdxBytes({2, 3}, 6), absl::StatusCode::kInvalidArgument, {"2x3", "at most 5"},
              {.max_bytes = 5});
  ExpectError(IdxHeader({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}), absl::StatusCode::kInvalidArgument,
              {"4294967295x4294967295x4294967295x4294967295", "at most 2147483648"});
}

// A header that claims 2 GB, and a stream that holds 64 MB of zeros behind a small header: neither may
// raise the peak memory by more than a few buffers.
TEST_F(IdxFileTest, LyingHeadersAndBombsTakeNoMemory) {
  auto peak_kib = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const Bytes bomb = Gzip(IdxBytes({2, 3}, 64 << 20));
  const long before = peak_kib();
  ExpectError(bomb, absl::StatusCode::kDataLoss, {"trailing bytes"});
  ExpectError(IdxHeader({1u << 31}), absl::StatusCode::kDataLoss, {"2147483648 bytes of data", "found 0"});
  EXPECT_LT(peak_kib() - before, 8 << 10);
}

TEST_F(IdxFileTest, UnreachableFilesAreReported) {
  const absl::Status missing = ReadIdxFile(File("absent")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), AllOf(HasSubstr("absent"), HasSubstr("No such file")));

  EXPECT_EQ(ReadIdxFile(folder_.path()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(IdxFileTest, UnreadableFilesAreReported) {
  Write(IdxBytes({1}, 1));
  std::filesystem::permissions(path_, std::filesystem::perms::none);
  // Root may read everything, so as root the file is read as somebody else.
  const bool is_root = geteuid() == 0;
  constexpr uid_t kNobody = 65534;
  if (is_root) {
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  const absl::StatusCode code = ReadIdxFile(path_).status().code();
  if (is_root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  EXPECT_EQ(code, absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace precis
