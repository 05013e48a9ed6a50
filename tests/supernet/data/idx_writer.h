// Writes IDX files, whole and damaged, for the tests of supernet/data.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace precis {

using Bytes = std::vector<uint8_t>;

inline Bytes IdxHeader(const std::vector<uint32_t>& dimensions, uint8_t type = 0x08) {
  Bytes bytes = {0, 0, type, static_cast<uint8_t>(dimensions.size())};
  for (const uint32_t dimension : dimensions) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(dimension >> shift));
  }
  return bytes;
}

// The header and `count` data bytes 0, 1, 2, … modulo `modulus`.
inline Bytes IdxBytes(const std::vector<uint32_t>& dimensions, size_t count, int modulus = 256) {
  Bytes bytes = IdxHeader(dimensions);
  for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(i % static_cast<size_t>(modulus)));
  return bytes;
}

inline Bytes Gzip(const Bytes& plain) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  Bytes out(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<uint8_t*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline void WriteBytes(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace precis
