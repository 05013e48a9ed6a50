// The safetensors reader and writer.
#include "supernet/graph/weight_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/graph/safetensors_writer.h"
#include "supernet/graph/whole_file.h"

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

namespace precis {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMetadataKey[] = "__metadata__";
constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = uint64_t{8} << 20;  // some 50 000 tensors
constexpr int kMaxHeaderDepth = 2;                       // file > tensor > shape

absl::Status SystemError(const std::string& action, const std::string& path, int error) {
  return absl::UnavailableError(absl::StrCat("cannot ", action, " \"", path, "\": ", std::strerror(error)));
}

// Number of elements, or nullopt if it does not fit memory.
std::optional<uint64_t> ElementCount(const std::vector<int64_t>& shape) {
  uint64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    const auto size = static_cast<uint64_t>(dimension);
    if (size != 0 && count > std::numeric_limits<int64_t>::max() / sizeof(float) / size) return std::nullopt;
    count *= size;
  }
  return count;
}

std::vector<RawTensor> RawTensors(const WeightFile& file) {
  std::vector<RawTensor> raw;
  for (const auto& [name, tensor] : file.tensors) {
    PRECIS_CHECK(ElementCount(tensor.shape) == tensor.values.size());
    raw.push_back(
        {name,
         "F32",
         tensor.shape,
         {reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float)}});
  }
  return raw;
}

// Reads one file; every fault names it.
class Reader {
 public:
  Reader(std::string path, int descriptor, uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

  absl::StatusOr<WeightFile> Read() {
    absl::StatusOr<Json> header = ReadHeader();
    if (!header.ok()) return header.status();
    WeightFile file;
    std::vector<Entry> entries;
    for (const auto& [name, value] : header->items()) {
      if (name == kMetadataKey) {
        if (absl::Status status = ReadMetadata(value, file.metadata); !status.ok()) return status;
        continue;
      }
      absl::StatusOr<Entry> entry = ReadEntry(name, value);
      if (!entry.ok()) return entry.status();
      entries.push_back(*std::move(entry));
    }
    if (absl::Status status = CheckCover(entries); !status.ok()) return status;
    for (Entry& entry : entries) {
      WeightTensor& tensor = file.tensors[entry.name];
      tensor.shape = std::move(entry.shape);
      tensor.values.resize((entry.end - entry.begin) / sizeof(float));
      absl::Status status = ReadAt(data_begin_ + entry.begin, tensor.values.data(), entry.end - entry.begin);
      if (!status.ok()) return status;
    }
    return file;
  }

 private:
  struct Entry {
    std::string name;
    std::vector<int64_t> shape;
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  template <typename... Parts>
  absl::Status Fault(const Parts&... parts) const {
    return absl::DataLossError(
        absl::StrCat("\"", path_, "\" is not a well-formed safetensors file: ", parts...));
  }

  absl::Status ReadAt(uint64_t offset, void* to, uint64_t bytes) const {
    char* next = static_cast<char*>(to);
    while (bytes > 0) {
      const ssize_t got = pread(descriptor_, next, bytes, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SystemError("read", path_, errno);
      if (got == 0) return Fault("it ended while it was being read");
      next += got;
      offset += static_cast<uint64_t>(got);
      bytes -= static_cast<uint64_t>(got);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Json> ReadHeader() {
    uint64_t length = 0;
    if (size_ < kLengthBytes) return Fault("it has ", size_, " bytes, the header's length alone takes 8");
    if (absl::Status status = ReadAt(0, &length, kLengthBytes); !status.ok()) return status;
    if (length > kMaxHeaderBytes) {
      return Fault("its header claims ", length, " bytes, allowed are ", kMaxHeaderBytes);
    }
    if (length > size_ - kLengthBytes) {
      return Fault("its header claims ", length, " bytes, but only ", size_ - kLengthBytes, " follow");
    }
    data_begin_ = kLengthBytes + length;
    std::string text(length, '\0');
    if (absl::Status status = ReadAt(kLengthBytes, text.data(), length); !status.ok()) return status;
    return ParseHeader(text);
  }

  absl::StatusOr<Json> ParseHeader(const std::string& text) const {
    std::set<std::string> names;
    std::string fault;
    const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (event == Json::parse_event_t::key && depth == 1 &&
          !names.insert(parsed.get_ref<const std::string&>()).second) {
        fault = absl::StrCat("the name \"", parsed.get_ref<const std::string&>(), "\" appears twice");
      }
      const bool opens =
          event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
      if (opens && depth > kMaxHeaderDepth) fault = "its header is nested too deeply";
      return !(opens && depth > kMaxHeaderDepth);
    };
    Json header = Json::parse(text, watch, /*allow_exceptions=*/false);
    if (!fault.empty()) return Fault(fault);
    if (!header.is_object()) return Fault("its header is not a JSON object");
    return header;
  }

  absl::Status ReadMetadata(const Json& value, std::map<std::string, std::string>& metadata) const {
    if (!value.is_object()) return Fault(kMetadataKey, " is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) return Fault(kMetadataKey, " entry \"", key, "\" is not a string");
      metadata[key] = text.get<std::string>();
    }
    return absl::OkStatus();
  }

  // The number as int64, or nullopt if it is anything but a whole number of that range that is >= 0.
  static std::optional<int64_t> WholeNumber(const Json& value) {
    if (!value.is_number_unsigned()) return std::nullopt;
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }

  static std::optional<std::vector<int64_t>> WholeNumbers(const Json& parent, const char* key) {
    const auto found = parent.find(key);
    if (found == parent.end() || !found->is_array()) return std::nullopt;
    std::vector<int64_t> numbers;
    for (const Json& value : *found) {
      const std::optional<int64_t> number = WholeNumber(value);
      if (!number.has_value()) return std::nullopt;
      numbers.push_back(*number);
    }
    return numbers;
  }

  absl::StatusOr<Entry> ReadEntry(const std::string& name, const Json& value) const {
    if (!value.is_object()) return Fault("tensor \"", name, "\" is not described by an object");
    const auto dtype = value.find("dtype");
    if (dtype == value.end() || !dtype->is_string()) return Fault("tensor \"", name, "\" has no dtype");
    if (*dtype != "F32") {
      return Fault("tensor \"", name, "\" has dtype ", dtype->get_ref<const std::string&>(),
                   ", only F32 is read");
    }
    std::optional<std::vector<int64_t>> shape = WholeNumbers(value, "shape");
    if (!shape.has_value()) return Fault("tensor \"", name, "\" has no shape of whole numbers");
    const std::optional<std::vector<int64_t>> offsets = WholeNumbers(value, "data_offsets");
    if (!offsets.has_value() || offsets->size() != 2) {
      return Fault("tensor \"", name, "\" has no data_offsets of two whole numbers");
    }
    Entry entry{.name = name,
                .shape = *std::move(shape),
                .begin = static_cast<uint64_t>((*offsets)[0]),
                .end = static_cast<uint64_t>((*offsets)[1])};
    const uint64_t available = size_ - data_begin_;
    if (entry.begin > entry.end || entry.end > available) {
      return Fault("tensor \"", name, "\" claims bytes ", entry.begin, " to ", entry.end, " of ", available);
    }
    const std::optional<uint64_t> elements = ElementCount(entry.shape);
    if (!elements.has_value() || *elements * sizeof(float) != entry.end - entry.begin) {
      return Fault("tensor \"", name, "\" has a shape that does not fill its ", entry.end - entry.begin,
                   " bytes");
    }
    return entry;
  }

  // Every byte of the data belongs to exactly one tensor.
  absl::Status CheckCover(const std::vector<Entry>& entries) const {
    std::vector<const Entry*> order;
    order.reserve(entries.size());
    for (const Entry& entry : entries) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    uint64_t covered = 0;
    for (const Entry* entry : order) {
      if (entry->begin < covered) return Fault("tensor \"", entry->name, "\" overlaps another");
      if (entry->begin > covered) return Fault("no tensor owns the bytes from ", covered);
      covered = entry->end;
    }
    if (covered != size_ - data_begin_) return Fault("no tensor owns the bytes from ", covered);
    return absl::OkStatus();
  }

  const std::string path_;
  const int descriptor_;
  const uint64_t size_;
  uint64_t data_begin_ = 0;
};

}  // namespace

std::string WeightFileBytes(const WeightFile& file) {
  return SafetensorsBytes(RawTensors(file), file.metadata);
}

absl::Status WriteWeightFile(const WeightFile& file, const std::string& path) {
  const std::vector<RawTensor> tensors = RawTensors(file);  // checks `file` before anything is created
  const std::string header = SafetensorsHeader(tensors, file.metadata);
  std::vector<std::string_view> parts = {header};
  for (const RawTensor& tensor : tensors) parts.push_back(tensor.bytes);
  return WriteWholeFile(path, parts);
}

absl::StatusOr<WeightFile> ReadWeightFile(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer; a regular file does not care.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0 && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("there is no file \"", path, "\""));
  }
  if (descriptor < 0) return SystemError("open", path, errno);
  const absl::Cleanup close_file = [descriptor] { close(descriptor); };
  struct stat status;
  if (fstat(descriptor, &status) != 0) return SystemError("examine", path, errno);
  if (!S_ISREG(status.st_mode)) {
    return absl::DataLossError(absl::StrCat("\"", path, "\" is not a regular file"));
  }
  return Reader(path, descriptor, static_cast<uint64_t>(status.st_size)).Read();
}

}  // namespace precis
