// The header through nlohmann's JSON.
#include "supernet/graph/safetensors_writer.h"

#include <bit>
#include <nlohmann/json.hpp>

#include "supernet/formats/check.h"

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

namespace precis {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMetadataKey[] = "__metadata__";
constexpr size_t kDataAlignment = 8;  // as the safetensors library pads its header

}  // namespace

std::string SafetensorsHeader(const std::vector<RawTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t offset = 0;
  for (const RawTensor& tensor : tensors) {
    PRECIS_CHECK(tensor.name != kMetadataKey);
    const uint64_t end = offset + tensor.bytes.size();
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + kDataAlignment - 1) / kDataAlignment * kDataAlignment, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text;
}

std::string SafetensorsBytes(const std::vector<RawTensor>& tensors,
                             const std::map<std::string, std::string>& metadata) {
  std::string bytes = SafetensorsHeader(tensors, metadata);
  for (const RawTensor& tensor : tensors) bytes.append(tensor.bytes);
  return bytes;
}

}  // namespace precis
