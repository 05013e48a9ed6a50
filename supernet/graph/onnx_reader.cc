// The file, and the walk over its nodes.
#include "supernet/graph/onnx_reader.h"

#include <fcntl.h>
#include <onnx/onnx_pb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_import.h"
#include "supernet/graph/onnx_operators.h"
#include "supernet/graph/onnx_tensors.h"

namespace precis {
namespace {

constexpr int64_t kMaxFileBytes = std::numeric_limits<int32_t>::max();  // protobuf's own limit

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0 && errno == ENOENT) return absl::NotFoundError("there is no such file");
  const auto cannot = [] {
    return absl::UnavailableError(absl::StrCat("cannot be read: ", std::strerror(errno)));
  };
  if (descriptor < 0) return cannot();
  const absl::Cleanup close_file = [descriptor] { close(descriptor); };
  struct stat status;
  if (fstat(descriptor, &status) != 0) return cannot();
  if (!S_ISREG(status.st_mode)) return absl::DataLossError("is not a regular file");
  if (status.st_size > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        "has more than 2 GiB; export the weights as external data, which have no such limit");
  }
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = read(descriptor, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot();
    if (got == 0) return absl::DataLossError("was cut short while it was read");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

absl::Status Parse(std::string_view bytes, const std::string& name, onnx::ModelProto& model) {
  if (bytes.size() <= static_cast<size_t>(kMaxFileBytes) &&
      model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("\"", name, "\": is not a whole ONNX file"));
}

absl::Status Prefixed(const std::string& name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("\"", name, "\": ", status.message()));
}

}  // namespace

absl::StatusOr<std::string> ReadOnnxFile(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadWhole(path);
  if (!bytes.ok()) return Prefixed(path, bytes.status());
  return bytes;
}

absl::StatusOr<OnnxModel> ReadOnnxModel(const std::string& path, const OnnxOptions& options) {
  const absl::StatusOr<std::string> bytes = ReadOnnxFile(path);
  if (!bytes.ok()) return bytes.status();
  return ParseOnnxModel(*bytes, FolderOf(path), path, options);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

absl::StatusOr<std::string> SelfContainedOnnx(std::string bytes, const std::string& folder,
                                              const std::string& name) {
  onnx::ModelProto model;
  if (absl::Status parsed = Parse(bytes, name, model); !parsed.ok()) return parsed;
  const onnx_reader::ExternalData external(folder);
  const absl::StatusOr<bool> changed = onnx_reader::Embed(*model.mutable_graph(), external);
  if (!changed.ok()) return Prefixed(name, changed.status());
  if (!*changed) return bytes;
  if (model.ByteSizeLong() > static_cast<size_t>(kMaxFileBytes)) {
    return Prefixed(name, absl::InvalidArgumentError("has more than 2 GiB with its external data"));
  }
  return model.SerializeAsString();
}

absl::StatusOr<OnnxModel> ParseOnnxModel(std::string_view bytes, const std::string& folder,
                                         const std::string& name, const OnnxOptions& options) {
  onnx::ModelProto model;
  if (absl::Status parsed = Parse(bytes, name, model); !parsed.ok()) return parsed;
  std::string_view stem = name;
  if (const size_t slash = stem.rfind('/'); slash != std::string_view::npos) stem.remove_prefix(slash + 1);
  absl::StatusOr<OnnxModel> read = onnx_reader::Import(
      model, folder, std::string(absl::StripSuffix(absl::string_view(stem.data(), stem.size()), ".onnx")),
      options);
  if (!read.ok()) return Prefixed(name, read.status());
  return read;
}

std::vector<std::string> SupportedOnnxOperators() { return onnx_reader::SupportedOperators(); }

std::string Describe(const OnnxModel& model) {
  return absl::StrCat(model.graph.name(), ": ", ShapeText(model.graph.input_shape()), ", ",
                      model.graph.Layers().size(), " layers, ", TotalMacs(model.graph),
                      " multiply-accumulates, ", model.graph.ParameterCount(), " parameters, opset ",
                      model.opset, model.producer.empty() ? "" : ", by ", model.producer);
}

}  // namespace precis
