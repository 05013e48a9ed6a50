// ModelGraph: the one description of a network.
//
// A list of typed nodes in topological order. The zoo builds one; shape and MAC inference, the layer
// list, the cost models, the executor and the exporters all read it. Nothing describes a network twice.
//
// Shapes leave the batch dimension out: an image tensor is {channels, height, width}, a feature vector
// {features}. Every node has exactly one output, whose shape is inferred when the node is added, so a
// graph whose shapes do not fit cannot be built.
//
// Threading: a ModelGraph is a value; concurrent const access is safe.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis {

using NodeId = int32_t;
using Shape = std::vector<int64_t>;

struct InputNode {};

// Cross-correlation, weight {out_channels, in_channels / groups, kernel, kernel}, symmetric zero padding.
struct Conv2dNode {
  int64_t out_channels = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
  bool bias = false;

  bool operator==(const Conv2dNode&) const = default;
};

// y = x·Wᵀ + b on a {features} input, weight {out_features, in_features}.
struct LinearNode {
  int64_t out_features = 0;
  bool bias = true;

  bool operator==(const LinearNode&) const = default;
};

// Over channels, affine; epsilon 1e-5.
struct BatchNormNode {};

enum class ActivationKind { kRelu, kRelu6 };
struct ActivationNode {
  ActivationKind kind = ActivationKind::kRelu;
};

// Elementwise sum of two inputs of one shape.
struct AddNode {};

// Square window, symmetric padding that never wins the maximum.
struct MaxPoolNode {
  int64_t kernel = 2;
  int64_t stride = 2;
  int64_t padding = 0;
};

struct GlobalAveragePoolNode {};  // {C, H, W} -> {C}

using NodeOp = std::variant<InputNode, Conv2dNode, LinearNode, BatchNormNode, ActivationNode, AddNode,
                            MaxPoolNode, GlobalAveragePoolNode>;

struct Node {
  std::string name;  // unique, path-like: "stage2.block0.conv1"; names parameters and exports
  NodeOp op;
  std::vector<NodeId> inputs;  // ids below this node's own
  Shape shape;                 // of the output
};

// One layer whose weight and input activation get a format: every conv and linear node, in graph order.
struct Layer {
  NodeId node = 0;
  std::string name;
  enum class Kind { kConv2d, kDepthwiseConv2d, kLinear } kind = Kind::kConv2d;
  int64_t macs = 0;                // multiply-accumulates for one input image
  int64_t weights = 0;             // weight elements, bias not counted
  int64_t output_channels = 0;     // one weight scale each
  int64_t reduction = 0;           // products summed into one output: weights / output_channels
  int64_t input_elements = 0;      // activation elements read, for one image
  bool nonnegative_input = false;  // whether the input is never below 0: it comes from a ReLU, by pooling or
                                   // sums of such at most
  std::string group = {};          // layers of one group share a decision unless a job splits them; or empty
};

const char* LayerKindName(Layer::Kind kind);  // "conv2d", "depthwise_conv2d", "linear"

class ModelGraph {
 public:
  // A graph with one input node "input". Dimensions must be positive, the name a word as in Add (checked).
  ModelGraph(std::string name, Shape input_shape);

  // Adds a node and infers its shape. INVALID_ARGUMENT, naming the node, if the name is taken, the
  // number or shapes of the inputs do not suit the operation, or an attribute is out of range (all faults
  // at once); the graph is then unchanged. A name is printable ASCII without spaces. Attributes are at
  // most 2^20, tensors 2^40 elements, so that no count or sum overflows.
  absl::StatusOr<NodeId> Add(std::string node_name, NodeOp op, std::vector<NodeId> inputs);

  const std::string& name() const { return name_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  const Shape& input_shape() const { return nodes_.front().shape; }
  NodeId output() const { return static_cast<NodeId>(nodes_.size()) - 1; }  // the last node added

  // Conv and linear nodes with their MACs and sizes, in graph order.
  std::vector<Layer> Layers() const;

  // All trained parameters: weights, biases, batch-norm scale and shift.
  int64_t ParameterCount() const;

  // A text that is equal exactly if the graphs are: name, nodes, attributes, inputs. For fingerprints
  // and golden files.
  std::string CanonicalText() const;

 private:
  std::string name_;
  std::vector<Node> nodes_;
};

// Sum over Layers().
int64_t TotalMacs(const ModelGraph& graph);

}  // namespace precis
