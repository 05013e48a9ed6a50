// A file's bytes in order, decompressed on the way if the file is gzip. Internal to supernet/data.
//
// Threading: not thread-safe; one user each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis {

class ByteSource {
 public:
  // NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE, with the path and the system's reason. A folder is
  // INVALID_ARGUMENT.
  static absl::StatusOr<ByteSource> Open(const std::string& path);

  ByteSource(ByteSource&&) noexcept;
  ByteSource& operator=(ByteSource&&) noexcept;
  ~ByteSource();

  // Fills `out` with up to `count` bytes; fewer only at the end of the file. Memory use is constant, so a
  // reader that stops asking stops a compression bomb.
  // DATA_LOSS if the gzip stream is damaged or ends early; UNAVAILABLE if reading fails.
  absl::StatusOr<size_t> Read(uint8_t* out, size_t count);

 private:
  struct State;
  explicit ByteSource(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace precis
