// Encodings for AIMET and for Qualcomm's tools, which read the same files: bits, scale and offset of every
// weight and activation that is quantised, as JSON of version 1.0.0 or 0.6.1 of AIMET's encoding
// specification (https://quic.github.io/aimet-pages/, "Encoding Format Specification").
//
// Tensors are called as in the export onnx_float, the model that the encodings are for.
//
// What the versions have: integers of 2 to 32 bits (0.6.1: 4 to 32) with a scale a tensor, an output channel
// or, in 1.0.0, of weights a block of input channels; FP16 and FP32. A tensor has one encoding, whoever reads
// it. An integer has all its codes there: what Precis clips at the lowest code but one, as its narrow
// integers do, AIMET clips one step lower; no other value differs.
//
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/export/exporter.h"

namespace precis::server {

// Errors as ExportCandidate.
absl::StatusOr<std::string> ExportAimet(const ExportInput& input);     // 1.0.0
absl::StatusOr<std::string> ExportAimet061(const ExportInput& input);  // 0.6.1

}  // namespace precis::server
