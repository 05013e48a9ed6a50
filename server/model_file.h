// The ONNX file of a job: read when the job is submitted, and again, from the job's own copy, whenever the
// job is worked out.
//
// Threading: pure functions, but for the files that are read.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "search/job_spec.h"
#include "supernet/graph/dataset_info.h"
#include "supernet/graph/onnx_reader.h"

namespace precis::server {

struct ModelFile {
  std::string bytes;    // of the copy to keep, with external data inside
  std::string content;  // FoundModel::content
  OnnxModel model;
};

// What a job names as model.path and model.output. The data set's image serves for what the model leaves
// open; of a data set whose sizes are not known nothing does. Errors as ReadOnnxModel.
absl::StatusOr<ModelFile> ReadModelFile(const search::ModelSpec& spec, const DatasetInfo& dataset);

// The same model from the copy at `path`. DATA_LOSS, naming the copy, unless its content is what
// spec.found says.
absl::StatusOr<OnnxModel> ReadKeptModel(const std::string& path, const search::ModelSpec& spec,
                                        const DatasetInfo& dataset);

}  // namespace precis::server
