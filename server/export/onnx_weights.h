// The weights of a layer in an ONNX model: real codes behind a DequantizeLinear.
//
// Codes are of the narrowest type that has them. Floats that ONNX lacks, or that its runtimes do not compute
// with, ride on integers: a value is a whole number of the element's smallest steps, and the step goes into
// the scale, which is exact as a power of two is (e2m1 on INT8, e3m2 on INT16, e4m3 on INT32). What has more
// steps than INT32 has exact floats, and no scale, stays FLOAT with every value on its grid, as all weights
// do in arithmetic style; bf16 and fp16 are stored as such. Blocks have a scale each (block_size, opset 21).
//
// Threading: not thread-safe, as OnnxGraph.
#pragma once

#include <string>

#include "server/export/layer_scales.h"
#include "server/export/onnx_activations.h"
#include "server/export/onnx_graph.h"
#include "supernet/formats/format.h"
#include "supernet/graph/weight_file.h"

namespace precis::server {

struct OnnxWeight {
  OnnxValue value;      // FLOAT, of the tensor's shape, or turned
  std::string carrier;  // what stores it: "INT4", "FLOAT"
};

// `format` has passed WhyNotOnnx; `scales` are ComputeScales' of this tensor. With `turned` a matrix {out,
// in} becomes {in, out}, as MatMul takes it.
OnnxWeight AddWeight(OnnxGraph& onnx, OnnxStyle style, const std::string& name, const Format& format,
                     const WeightTensor& tensor, const LayerScales& scales, bool turned);

}  // namespace precis::server
