// The "onnx" exports: one candidate as a model that a runtime executes with the accuracy that was measured.
//
//   onnx       QuantizeLinear and DequantizeLinear around every quantised layer, weights as real codes (INT2,
//              INT4, INT8, INT16, FLOAT8E4M3FN, FLOAT8E5M2, BFLOAT16 …), at the lowest opset that has them;
//              activations of less than 8 bits as such codes on INT8
//   onnx_fake  the same values without such nodes: weights are FLOAT and on their grids, activations are
//              rounded by plain arithmetic; opset 13 to 18, for runtimes without QuantizeLinear
//
// Input "input" {batch, channels, height, width}, normalised pixels; output "logits" {batch, classes}. Batch
// norms stay nodes of their own, since that is how the weights were measured. Metadata: precis.* of the
// candidate, its formats layer by layer, accuracy, preprocessing, labels.
//
// ONNX Runtime (1.30) cannot run some of what its own optimiser makes of FP8 and INT2: give sessions
// session.disable_quant_qdq = "1".
//
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/export/exporter.h"

namespace precis::server {

// Errors as ExportCandidate; FAILED_PRECONDITION names all layers whose formats rotate or round at random;
// RESOURCE_EXHAUSTED for a model of more than 2 GiB.
absl::StatusOr<std::string> ExportOnnx(const ExportInput& input);
absl::StatusOr<std::string> ExportOnnxFake(const ExportInput& input);
// The network in float, with the weights that the search left, not rounded: what the exports for other tools
// (aimet, olive) name the tensors of.
absl::StatusOr<std::string> ExportOnnxFloat(const ExportInput& input);

}  // namespace precis::server
