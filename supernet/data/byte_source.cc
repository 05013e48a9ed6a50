// zlib's inflate over stdio. Not gzread: that passes damaged or foreign bytes through as plain data and
// ignores whatever follows the compressed stream.
#include "supernet/data/byte_source.h"

#include <errno.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr int kGzipWindow = 15 + 16;  // largest window, gzip wrapper required

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

absl::Status OpenError(const std::string& path, int error) {
  const std::string message = absl::StrCat("Cannot open '", path, "': ", std::strerror(error),
                                           ". Check the path and its permissions.");
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

}  // namespace

struct ByteSource::State {
  std::string path;
  std::unique_ptr<std::FILE, FileCloser> file;
  bool compressed = false;
  bool between_members = false;  // a gzip file may hold several streams; we stand at the end of one
  z_stream stream{};
  std::array<uint8_t, 65536> input;

  ~State() {
    if (compressed) inflateEnd(&stream);
  }

  absl::StatusOr<size_t> ReadFile(uint8_t* out, size_t count) {
    const size_t got = std::fread(out, 1, count, file.get());
    if (got < count && std::ferror(file.get())) {
      return absl::UnavailableError(absl::StrCat("Reading '", path, "' failed: ", std::strerror(errno), "."));
    }
    return got;
  }

  // Makes stream.avail_in positive unless the file has ended.
  absl::Status FillInput() {
    if (stream.avail_in > 0) return absl::OkStatus();
    absl::StatusOr<size_t> got = ReadFile(input.data(), input.size());
    if (!got.ok()) return got.status();
    stream.next_in = input.data();
    stream.avail_in = static_cast<uInt>(*got);
    return absl::OkStatus();
  }

  absl::Status Damaged(const char* what) const {
    return absl::DataLossError(
        absl::StrCat("'", path, "' is not a whole gzip file: ", what, ". Fetch the file again."));
  }
};

ByteSource::ByteSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
ByteSource::ByteSource(ByteSource&&) noexcept = default;
ByteSource& ByteSource::operator=(ByteSource&&) noexcept = default;
ByteSource::~ByteSource() = default;

absl::StatusOr<ByteSource> ByteSource::Open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->file.reset(std::fopen(path.c_str(), "rb"));
  if (state->file == nullptr) return OpenError(path, errno);
  struct stat info;
  if (fstat(fileno(state->file.get()), &info) == 0 && S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is a folder, not a file."));
  }
  if (absl::Status filled = state->FillInput(); !filled.ok()) return filled;
  if (state->stream.avail_in >= 2 && state->input[0] == 0x1f && state->input[1] == 0x8b) {
    PRECIS_CHECK(inflateInit2(&state->stream, kGzipWindow) == Z_OK);
    state->compressed = true;
  }
  return ByteSource(std::move(state));
}

absl::StatusOr<size_t> ByteSource::Read(uint8_t* out, size_t count) {
  z_stream& stream = state_->stream;
  if (!state_->compressed) {
    const size_t buffered = std::min<size_t>(count, stream.avail_in);
    std::memcpy(out, stream.next_in, buffered);
    stream.next_in += buffered;
    stream.avail_in -= static_cast<uInt>(buffered);
    absl::StatusOr<size_t> direct = state_->ReadFile(out + buffered, count - buffered);
    if (!direct.ok()) return direct.status();
    return buffered + *direct;
  }

  size_t done = 0;
  while (done < count) {
    if (absl::Status filled = state_->FillInput(); !filled.ok()) return filled;
    if (stream.avail_in == 0) {
      if (state_->between_members) break;
      return state_->Damaged("the compressed data ends early");
    }
    if (state_->between_members) {
      inflateReset(&stream);
      state_->between_members = false;
    }
    const size_t wanted = std::min<size_t>(count - done, size_t{1} << 30);
    stream.next_out = out + done;
    stream.avail_out = static_cast<uInt>(wanted);
    const int result = inflate(&stream, Z_NO_FLUSH);
    done += wanted - stream.avail_out;
    if (result == Z_STREAM_END) {
      state_->between_members = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return state_->Damaged(stream.msg != nullptr ? stream.msg : "the compressed data is damaged");
    }
  }
  return done;
}

}  // namespace precis
