// The nodes of a ModelGraph as nodes of ONNX.
//
// Threading: not thread-safe, as OnnxGraph.
#pragma once

#include <string>
#include <vector>

#include "server/export/onnx_graph.h"
#include "supernet/graph/model_graph.h"

namespace precis::server {

// Whether the layer is a MatMul in ONNX, which takes its weight as {in, out}: a linear layer on tokens.
bool TakesTurnedWeight(const ModelGraph& graph, const Node& node);

// What a layer computes from its operands, quantised or not. `weight`: {out, in, rows, columns} of a
// convolution, {out, in} of a linear layer unless it is turned, the second operand of a product. `bias`: ""
// without.
OnnxValue AddLayer(OnnxGraph& onnx, const ModelGraph& graph, const Node& node, const OnnxValue& x,
                   const OnnxValue& weight, const OnnxValue& bias);

// Tensors of a node that is no layer; "" where it has none.
struct OnnxParameters {
  OnnxValue weight;
  OnnxValue bias;
  OnnxValue mean;
  OnnxValue variance;
};

// Any other node but the input.
OnnxValue AddPlainNode(OnnxGraph& onnx, const ModelGraph& graph, const Node& node,
                       const std::vector<OnnxValue>& inputs, const OnnxParameters& parameters);

}  // namespace precis::server
