// From a parsed ONNX model to an OnnxModel. Internal to the ONNX reader.
//
// Threading: pure functions, but for external data.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "supernet/graph/onnx_reader.h"

namespace onnx {
class ModelProto;
}

namespace precis::onnx_reader {

// A word out of any text: what a word has not becomes '_', and a long text loses its end.
std::string AsWord(const std::string& text);

// `name` is the graph's. Messages do not name the file.
absl::StatusOr<OnnxModel> Import(const onnx::ModelProto& model, const std::string& folder,
                                 const std::string& name, const OnnxOptions& options);

}  // namespace precis::onnx_reader
