// The table of exporters.
#include "server/export/exporter.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/export/aimet_exporter.h"
#include "server/export/json_exporter.h"
#include "server/export/onnx_exporter.h"
#include "server/export/packed_exporter.h"
#include "server/export/tool_configs.h"
#include "supernet/formats/check.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::server {
namespace {

using Exporter = absl::StatusOr<std::string> (*)(const ExportInput&);

struct Row {
  ExportFormat format;
  Exporter run;
};

const std::vector<Row>& Rows() {
  static const std::vector<Row> rows = {
      {{"json",
        "formats, scales, costs and accuracy of every layer in one JSON document (precis-export version 1)",
        ".json"},
       ExportJson},
      {{"onnx", "an ONNX model with real low-precision weights, QuantizeLinear and DequantizeLinear",
        ".onnx"},
       ExportOnnx},
      {{"onnx_fake",
        "an ONNX model of the same values without QuantizeLinear: FLOAT weights, plain arithmetic", ".onnx"},
       ExportOnnxFake},
      {{"onnx_float", "the ONNX model in float, whose tensors aimet and olive name", ".onnx"},
       ExportOnnxFloat},
      {{"packed", "weights bit by bit with their scales and a manifest, in one safetensors file",
        ".safetensors"},
       ExportPacked},
      {{"safetensors", "the float weights", ".safetensors"}, ExportSafetensors},
      {{"aimet", "AIMET encodings, version 1.0.0", ".encodings"}, ExportAimet},
      {{"aimet_0.6.1", "AIMET encodings, version 0.6.1", ".encodings"}, ExportAimet061},
      {{"modelopt", "NVIDIA Model Optimizer's quant_cfg (0.40 and later), YAML", ".yaml"}, ExportModelOpt},
      {{"torchao", "torchao's FqnToConfig (0.14 and later), of linear layers", ".json"}, ExportTorchAo},
      {{"neural_compressor", "Intel Neural Compressor's configuration (3.x, PyTorch)", ".json"},
       ExportNeuralCompressor},
      {{"olive", "Microsoft Olive's tensor overrides (0.7 and later)", ".json"}, ExportOlive}};
  return rows;
}

}  // namespace

const std::vector<ExportFormat>& ExportFormats() {
  static const std::vector<ExportFormat> formats = [] {
    std::vector<ExportFormat> all;
    for (const Row& row : Rows()) all.push_back(row.format);
    return all;
  }();
  return formats;
}

absl::StatusOr<std::string> ExportCandidate(const std::string& format, const ExportInput& input) {
  PRECIS_CHECK(input.plan != nullptr && input.candidate != nullptr && input.weights != nullptr);
  std::vector<std::string> known;
  for (const Row& row : Rows()) {
    if (row.format.name == format) return row.run(input);
    known.push_back(row.format.name);
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown export format \"", format, "\".",
                                                 DidYouMean(format, known),
                                                 " Known are: ", absl::StrJoin(known, ", "), "."));
}

}  // namespace precis::server
