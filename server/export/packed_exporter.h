// The weights as they are stored on a device: codes bit by bit, scales beside them, in one safetensors file.
//
//   LAYER.weight.codes        U8 {outputs, bytes of a row}, as supernet/formats/packing.h packs
//   LAYER.weight.scales       F32, or U8 (codes of e8m0, e4m3, ue5m3): one a tensor {1}, an output {outputs}
//                             or a block {outputs, blocks of a row}
//   LAYER.weight.zero_points  I32 like scales, of affine formats
//   every other tensor of the network (biases, batch norms, embeddings) F32 in its own shape
//
// and the manifest, JSON, as the metadata "precis.manifest": by layer the format, the weight's shape, the
// order of a row ("outputs,inputs,rows,columns", or "outputs,rows,columns,inputs" where blocks or rotations
// run over channels), the global scale and the rotation, and format, scale, zero point and range of the
// inputs. "precis.model" and the other entries are the metadata of the onnx export.
//
// A value is (code - zero point) · scale, rotated back where the manifest says so. Formats without a scale
// are stored as their own bits; fp32 as F32 under LAYER.weight. Randomly rounded formats (+sr) are refused.
//
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/export/exporter.h"

namespace precis::server {

// Errors as ExportCandidate.
absl::StatusOr<std::string> ExportPacked(const ExportInput& input);

// The float weights as they were trained: every tensor of the network, and learned ranges, as F32.
absl::StatusOr<std::string> ExportSafetensors(const ExportInput& input);

}  // namespace precis::server
