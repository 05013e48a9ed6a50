// Bytes, typed fields and external files, one element type after the other.
#include "supernet/graph/onnx_tensors.h"

#include <fcntl.h>
#include <onnx/onnx_pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

static_assert(std::endian::native == std::endian::little, "ONNX's raw data are little-endian");

namespace precis::onnx_reader {
namespace {

using onnx::TensorProto;

constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr size_t kMaxRank = 32;

template <typename... Parts>
absl::Status Damaged(const TensorProto& proto, const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("tensor \"", proto.name(), "\" ", parts...));
}

float FromHalf(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int mantissa = bits & 0x3FF;
  float magnitude = 0;
  if (exponent == 0x1F) {
    magnitude =
        mantissa == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else {
    magnitude = std::ldexp(static_cast<float>(exponent == 0 ? mantissa : mantissa + 0x400),
                           std::max(exponent, 1) - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float FromBrain(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// What an element is in raw data, and what it becomes.
template <typename Stored, typename Convert>
void AppendRaw(const std::string& bytes, int64_t count, const Convert& convert) {
  for (int64_t i = 0; i < count; ++i) {
    Stored element;
    std::memcpy(&element, bytes.data() + static_cast<size_t>(i) * sizeof(Stored), sizeof(Stored));
    convert(element);
  }
}

size_t ElementBytes(int type) {
  switch (type) {
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::BOOL:
      return 1;
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
    case TensorProto::INT16:
    case TensorProto::UINT16:
      return 2;
    case TensorProto::FLOAT:
    case TensorProto::INT32:
    case TensorProto::UINT32:
      return 4;
    case TensorProto::DOUBLE:
    case TensorProto::INT64:
    case TensorProto::UINT64:
      return 8;
    default:
      return 0;
  }
}

void ConvertRaw(int type, const std::string& bytes, int64_t count, OnnxTensor& tensor) {
  const auto to_float = [&](auto element) { tensor.floats.push_back(static_cast<float>(element)); };
  const auto to_int = [&](auto element) { tensor.ints.push_back({static_cast<int64_t>(element), 0}); };
  switch (type) {
    case TensorProto::FLOAT:
      return AppendRaw<float>(bytes, count, to_float);
    case TensorProto::DOUBLE:
      return AppendRaw<double>(bytes, count, to_float);
    case TensorProto::FLOAT16:
      return AppendRaw<uint16_t>(bytes, count, [&](uint16_t bits) { to_float(FromHalf(bits)); });
    case TensorProto::BFLOAT16:
      return AppendRaw<uint16_t>(bytes, count, [&](uint16_t bits) { to_float(FromBrain(bits)); });
    case TensorProto::INT8:
      return AppendRaw<int8_t>(bytes, count, to_int);
    case TensorProto::BOOL:
      return AppendRaw<uint8_t>(bytes, count, [&](uint8_t byte) { to_int(byte != 0 ? 1 : 0); });
    case TensorProto::UINT8:
      return AppendRaw<uint8_t>(bytes, count, to_int);
    case TensorProto::INT16:
      return AppendRaw<int16_t>(bytes, count, to_int);
    case TensorProto::UINT16:
      return AppendRaw<uint16_t>(bytes, count, to_int);
    case TensorProto::INT32:
      return AppendRaw<int32_t>(bytes, count, to_int);
    case TensorProto::UINT32:
      return AppendRaw<uint32_t>(bytes, count, to_int);
    default:
      return AppendRaw<int64_t>(bytes, count, to_int);
  }
}

// From the field that ONNX gives to the type; false if it holds another number of elements.
bool ConvertTyped(const TensorProto& proto, int64_t count, OnnxTensor& tensor) {
  const auto append = [&](const auto& field, const auto& convert) {
    if (field.size() != count) return false;
    for (const auto element : field) {
      if (tensor.is_float) {
        tensor.floats.push_back(static_cast<float>(convert(element)));
      } else {
        tensor.ints.push_back({static_cast<int64_t>(convert(element)), 0});
      }
    }
    return true;
  };
  const auto same = [](auto element) { return element; };
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
      return append(proto.float_data(), same);
    case TensorProto::DOUBLE:
      return append(proto.double_data(), same);
    case TensorProto::FLOAT16:
      return append(proto.int32_data(), [](int32_t bits) { return FromHalf(static_cast<uint16_t>(bits)); });
    case TensorProto::BFLOAT16:
      return append(proto.int32_data(), [](int32_t bits) { return FromBrain(static_cast<uint16_t>(bits)); });
    case TensorProto::INT64:
      return append(proto.int64_data(), same);
    case TensorProto::UINT32:
    case TensorProto::UINT64:
      return append(proto.uint64_data(), same);
    default:
      return append(proto.int32_data(), same);
  }
}

// The entries of external_data: where, and how much.
absl::StatusOr<std::string> ReadExternal(const TensorProto& proto, int64_t bytes,
                                         const ExternalData& external) {
  std::string location;
  int64_t offset = 0;
  int64_t length = bytes;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if ((entry.key() == "offset" && !absl::SimpleAtoi(entry.value(), &offset)) ||
        (entry.key() == "length" && !absl::SimpleAtoi(entry.value(), &length))) {
      return Damaged(proto, "has external ", entry.key(), " \"", entry.value(), "\", which is no number");
    }
  }
  if (length != bytes) return Damaged(proto, "needs ", bytes, " bytes, and its external length is ", length);
  absl::StatusOr<std::string> data = external.Read(location, offset, length);
  if (data.ok()) return data;
  return absl::Status(data.status().code(),
                      absl::StrCat("tensor \"", proto.name(), "\": ", data.status().message()));
}

}  // namespace

absl::Status Budget::Spend(int64_t elements) {
  if (elements < 0 || elements > left_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "it makes ", elements,
        " more constants, and together they are far more than the file holds; simplify the model "
        "before it is read"));
  }
  left_ -= elements;
  return absl::OkStatus();
}

std::optional<int64_t> CountElements(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  bool empty = false;
  for (const int64_t dimension : dims) {
    if (dimension < 0) return std::nullopt;
    if (dimension == 0) {
      empty = true;
    } else if (count > kMaxElements / dimension) {
      return std::nullopt;
    } else {
      count *= dimension;
    }
  }
  return empty ? 0 : count;
}

absl::StatusOr<std::string> ExternalData::Read(const std::string& location, int64_t offset,
                                               int64_t length) const {
  const std::vector<std::string> parts = absl::StrSplit(location, '/');
  const bool inside = std::none_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part.empty() || part == "." || part == ".." || part.find('\0') != std::string::npos;
  });
  if (folder_.empty() || !inside) {
    return absl::InvalidArgumentError(absl::StrCat("external data \"", location,
                                                   "\" must be a file in the model's own folder, without "
                                                   "\"..\" in its path"));
  }
  int at = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (size_t i = 0; at >= 0 && i < parts.size(); ++i) {
    const int kind = i + 1 < parts.size() ? O_DIRECTORY : O_NONBLOCK;
    const int next = openat(at, parts[i].c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind);
    const int error = errno;
    close(at);
    errno = error;
    at = next;
  }
  if (at < 0 && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("there is no external data \"", location, "\""));
  }
  if (at < 0 && (errno == ELOOP || errno == ENOTDIR)) {
    return absl::InvalidArgumentError(absl::StrCat("external data \"", location, "\" is behind a link"));
  }
  const auto cannot = [&] {
    return absl::UnavailableError(
        absl::StrCat("cannot read external data \"", location, "\": ", std::strerror(errno)));
  };
  if (at < 0) return cannot();
  const absl::Cleanup close_file = [at] { close(at); };
  struct stat status;
  if (fstat(at, &status) != 0) return cannot();
  if (!S_ISREG(status.st_mode) || offset < 0 || length < 0 || offset > status.st_size ||
      length > status.st_size - offset) {
    return absl::DataLossError(absl::StrCat("external data \"", location, "\" has no ", length,
                                            " bytes from ", offset, " on, its size is ", status.st_size));
  }
  std::string data(static_cast<size_t>(length), '\0');
  for (size_t done = 0; done < data.size();) {
    const ssize_t got =
        pread(at, data.data() + done, data.size() - done, offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot();
    if (got == 0) return absl::DataLossError(absl::StrCat("external data \"", location, "\" was cut short"));
    done += static_cast<size_t>(got);
  }
  return data;
}

bool IsFloatType(int type) {
  return type == TensorProto::FLOAT || type == TensorProto::DOUBLE || type == TensorProto::FLOAT16 ||
         type == TensorProto::BFLOAT16;
}

bool IsIntegerType(int type) { return ElementBytes(type) != 0 && !IsFloatType(type); }

absl::StatusOr<OnnxTensor> ReadTensor(const TensorProto& proto, const ExternalData& external) {
  const size_t element_bytes = ElementBytes(proto.data_type());
  if (element_bytes == 0) {
    return absl::InvalidArgumentError(absl::StrCat("tensor \"", proto.name(), "\" has element type ",
                                                   proto.data_type(),
                                                   "; floats, integers and booleans are read"));
  }
  OnnxTensor tensor;
  tensor.dims.assign(proto.dims().begin(), proto.dims().end());
  tensor.is_float = IsFloatType(proto.data_type());
  const std::optional<int64_t> count = CountElements(tensor.dims);
  if (!count.has_value() || tensor.dims.size() > kMaxRank) {
    return Damaged(proto, "has the shape {", absl::StrJoin(tensor.dims, ", "), "}, which no tensor has");
  }
  const int64_t bytes = *count * static_cast<int64_t>(element_bytes);
  const auto reserve = [&] {
    tensor.is_float ? tensor.floats.reserve(static_cast<size_t>(*count))
                    : tensor.ints.reserve(static_cast<size_t>(*count));
  };
  if (proto.data_location() == TensorProto::EXTERNAL) {
    const absl::StatusOr<std::string> data = ReadExternal(proto, bytes, external);
    if (!data.ok()) return data.status();
    reserve();
    ConvertRaw(proto.data_type(), *data, *count, tensor);
  } else if (proto.has_raw_data() && (*count > 0 || !proto.raw_data().empty())) {
    if (static_cast<int64_t>(proto.raw_data().size()) != bytes) {
      return Damaged(proto, "has ", proto.raw_data().size(), " bytes, and its shape {",
                     absl::StrJoin(tensor.dims, ", "), "} needs ", bytes);
    }
    reserve();
    ConvertRaw(proto.data_type(), proto.raw_data(), *count, tensor);
  } else if (!ConvertTyped(proto, *count, tensor)) {
    return Damaged(proto, "has not the ", *count, " elements of its shape {",
                   absl::StrJoin(tensor.dims, ", "), "}");
  }
  return tensor;
}

namespace {

absl::StatusOr<bool> EmbedTensor(TensorProto& proto, const ExternalData& external) {
  if (proto.data_location() != TensorProto::EXTERNAL) return false;
  const size_t element_bytes = ElementBytes(proto.data_type());
  const std::optional<int64_t> count = CountElements({proto.dims().begin(), proto.dims().end()});
  if (element_bytes == 0 || !count.has_value()) return Damaged(proto, "has external data of no known size");
  const int64_t bytes = *count * static_cast<int64_t>(element_bytes);
  if (bytes > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("tensor \"", proto.name(), "\" has more than 2 GiB"));
  }
  absl::StatusOr<std::string> data = ReadExternal(proto, bytes, external);
  if (!data.ok()) return data.status();
  proto.clear_external_data();
  proto.clear_data_location();
  proto.set_raw_data(*std::move(data));
  return true;
}

}  // namespace

absl::StatusOr<bool> Embed(onnx::GraphProto& graph, const ExternalData& external) {
  bool any = false;
  const auto embed = [&](TensorProto& proto) {
    const absl::StatusOr<bool> embedded = EmbedTensor(proto, external);
    any = any || (embedded.ok() && *embedded);
    return embedded.status();
  };
  for (TensorProto& tensor : *graph.mutable_initializer()) {
    if (absl::Status status = embed(tensor); !status.ok()) return status;
  }
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (!attribute.has_t()) continue;
      if (absl::Status status = embed(*attribute.mutable_t()); !status.ok()) return status;
    }
  }
  return any;
}

}  // namespace precis::onnx_reader
