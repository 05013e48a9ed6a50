// Bytes as a file, for readers that take paths.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "supernet/formats/check.h"

namespace precis {

// In memory; gone with its object.
class FuzzFile {
 public:
  FuzzFile(const uint8_t* data, size_t size) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    PRECIS_CHECK(descriptor_ >= 0);
    PRECIS_CHECK(write(descriptor_, data, size) == static_cast<ssize_t>(size));
  }
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;
  ~FuzzFile() { close(descriptor_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace precis
