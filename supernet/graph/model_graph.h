// ModelGraph: the one description of a network.
//
// A list of typed nodes in topological order. The zoo builds one; shape and MAC inference, the layer
// list, the cost models, the executor and the exporters all read it. Nothing describes a network twice.
//
// Every node (node.h has the operations) has exactly one output, whose shape is inferred when the node is
// added, so a graph whose shapes do not fit cannot be built.
//
// Threading: a ModelGraph is a value; concurrent const access is safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/node.h"

namespace precis {

// One layer whose operands get formats: every conv and linear node, and every product of two activations, in
// graph order. LayerFormats::activation is that of its input, LayerFormats::weight that of its weight, or of
// the second operand of a product.
struct Layer {
  NodeId node = 0;
  std::string name;
  enum class Kind { kConv2d, kDepthwiseConv2d, kLinear, kMatMul } kind = Kind::kConv2d;
  int64_t macs = 0;                // multiply-accumulates for one input image
  int64_t weights = 0;             // weight elements, bias not counted; 0 for a product
  int64_t output_channels = 0;     // one weight scale each; 1 for a product
  int64_t reduction = 0;           // products summed into one output
  int64_t input_elements = 0;      // activation elements read as input, for one image
  bool nonnegative_input = false;  // whether the input is never below 0: it comes from a ReLU, a sigmoid or a
                                   // softmax, by what keeps the sign at most
  std::string group = {};          // layers of one group share a decision unless a job splits them; or empty

  bool HasWeight() const { return kind != Kind::kMatMul; }
};

const char* LayerKindName(Layer::Kind kind);  // "conv2d", "depthwise_conv2d", "linear", "matmul"

// An activation that a layer quantises.
struct ActivationOperand {
  size_t layer = 0;        // index into Layers()
  NodeId node = 0;         // whose output it is
  bool is_second = false;  // the second operand of a product
};

// A trained tensor.
struct ParameterInfo {
  NodeId node = 0;
  std::string name;  // NODE.weight or NODE.bias
  Shape shape;
};

class ModelGraph {
 public:
  // A graph with one input node "input" of one to three dimensions. Those must be positive, the name a word
  // as in Add (checked).
  ModelGraph(std::string name, Shape input_shape);

  // Adds a node and infers its shape. INVALID_ARGUMENT, naming the node, if the name is taken, the number or
  // shapes of the inputs do not suit the operation, an attribute is out of range, or a group is given to what
  // is no layer (all faults at once); the graph is then unchanged. A name is printable ASCII without spaces,
  // and so is a group. Attributes are at most 2^20, tensors 2^40 elements, so that no count or sum overflows.
  absl::StatusOr<NodeId> Add(std::string node_name, NodeOp op, std::vector<NodeId> inputs,
                             std::string group = {});

  const std::string& name() const { return name_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  const Shape& input_shape() const { return nodes_.front().shape; }
  NodeId output() const { return static_cast<NodeId>(nodes_.size()) - 1; }  // the last node added

  // Conv, linear and matrix-product nodes with their MACs and sizes, in graph order.
  std::vector<Layer> Layers() const;

  // The input of every layer in the order of Layers(), then the second operand of every product. Calibrated
  // ranges of activations are listed in this order.
  std::vector<ActivationOperand> ActivationOperands() const;

  // Everything that is trained, in graph order, weight before bias.
  std::vector<ParameterInfo> Parameters() const;
  int64_t ParameterCount() const;  // elements of all of them

  // A text that is equal exactly if the graphs are: name, nodes, attributes, inputs, groups. For
  // fingerprints and golden files; what has its default value may be left out, so that new attributes leave
  // old texts as they were.
  std::string CanonicalText() const;

 private:
  std::string name_;
  std::vector<Node> nodes_;
};

// Sum over Layers(), products of activations included.
int64_t TotalMacs(const ModelGraph& graph);

}  // namespace precis
