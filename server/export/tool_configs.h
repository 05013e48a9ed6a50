// Configurations by which other tools quantise the network themselves: which format each layer takes. Ranges
// and scales are the tool's own, found when it calibrates; whoever wants ours takes onnx, packed or aimet.
// Integers of these tools may have one code more at the negative end than our narrow ones.
//
// Modules are called as layers, which are called as PyTorch's modules where the model came from there
// (supernet/graph/onnx_reader.h). What a tool lacks is refused layer by layer, with the nearest that it has.
//
//   modelopt           NVIDIA Model Optimizer's quant_cfg in its ordered-list form (0.40 and later), YAML
//   since
//                      its keys are integers: mtq.quantize(model, yaml.safe_load(open(FILE)), forward_loop)
//   torchao            a FqnToConfig as config_to_dict writes it (0.14 and later):
//                      quantize_(model, config_from_dict(json.load(open(FILE))), filter_fn=None)
//   neural_compressor  Intel Neural Compressor 3's configuration for PyTorch, of one algorithm:
//                      {"static_quant": …}, {"mx_quant": …} or {"rtn": …}, each what the class's from_dict
//                      takes
//   olive              Microsoft Olive (0.7 and later): input_model of a workflow, with the overrides that
//                      OnnxStaticQuantization reads; tensors are called as in the export onnx_float
//
// None of the tools runs in our tests.
//
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/export/exporter.h"

namespace precis::server {

// Errors as ExportCandidate.
absl::StatusOr<std::string> ExportModelOpt(const ExportInput& input);
absl::StatusOr<std::string> ExportTorchAo(const ExportInput& input);
absl::StatusOr<std::string> ExportNeuralCompressor(const ExportInput& input);
absl::StatusOr<std::string> ExportOlive(const ExportInput& input);

}  // namespace precis::server
