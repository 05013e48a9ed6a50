// Writes safetensors 0.x: 8 bytes little-endian header length, JSON header
// {"__metadata__": {…}, "NAME": {"dtype": "U8", "shape": […], "data_offsets": [begin, end]}}, raw data.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace precis {

struct RawTensor {
  std::string name;
  std::string dtype;  // as safetensors calls it: "F32", "U8", "I32"
  std::vector<int64_t> shape;
  std::string_view bytes;  // little-endian, row major; as many as shape and dtype say (the caller's promise)
};

// Length and header, which the tensors' bytes follow in the same order. Equal input gives equal bytes.
std::string SafetensorsHeader(const std::vector<RawTensor>& tensors,
                              const std::map<std::string, std::string>& metadata);

// The whole file.
std::string SafetensorsBytes(const std::vector<RawTensor>& tensors,
                             const std::map<std::string, std::string>& metadata);

}  // namespace precis
