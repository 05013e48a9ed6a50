// Bytes, their digest, and what the reader makes of them.
#include "server/model_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/digest.h"

namespace precis::server {
namespace {

absl::StatusOr<OnnxModel> Parse(const std::string& bytes, const search::ModelSpec& spec,
                                const DatasetInfo& dataset) {
  OnnxOptions options;
  options.output = spec.output;
  if (dataset.SizesKnown()) options.input_shape = {dataset.channels, dataset.height, dataset.width};
  absl::StatusOr<OnnxModel> model = ParseOnnxModel(bytes, "", spec.path, options);
  if (model.ok() || options.input_shape.empty()) return model;
  // One that has a size of its own is read all the same, so that what does not fit can be named.
  options.input_shape.clear();
  absl::StatusOr<OnnxModel> by_itself = ParseOnnxModel(bytes, "", spec.path, options);
  return by_itself.ok() ? std::move(by_itself) : std::move(model);
}

}  // namespace

absl::StatusOr<ModelFile> ReadModelFile(const search::ModelSpec& spec, const DatasetInfo& dataset) {
  absl::StatusOr<std::string> bytes = ReadOnnxFile(spec.path);
  if (!bytes.ok()) return bytes.status();
  bytes = SelfContainedOnnx(*std::move(bytes), FolderOf(spec.path), spec.path);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<OnnxModel> model = Parse(*bytes, spec, dataset);
  if (!model.ok()) return model.status();
  std::string content = Sha256Hex(*bytes);
  return ModelFile{.bytes = *std::move(bytes), .content = std::move(content), .model = *std::move(model)};
}

absl::StatusOr<OnnxModel> ReadKeptModel(const std::string& path, const search::ModelSpec& spec,
                                        const DatasetInfo& dataset) {
  const absl::StatusOr<std::string> bytes = ReadOnnxFile(path);
  if (!bytes.ok()) return bytes.status();
  if (!spec.found || Sha256Hex(*bytes) != spec.found->content) {
    return absl::DataLossError(absl::StrCat("\"", path, "\", the job's copy of ", spec.path,
                                            ", has changed since the job was submitted. Submit it again."));
  }
  return Parse(*bytes, spec, dataset);
}

}  // namespace precis::server
