// Draft: a graph under construction from an ONNX file, with its weights. Internal to the ONNX reader.
//
// What exporters write as many nodes becomes the one that ModelGraph has: x · sigmoid(x), GELU by the error
// function, layer norms, chains of reshapes and constant factors, padding before a convolution, a bias
// behind a product. What nobody reads in the end is left out, so that no pattern needs to be undone.
//
// Threading: none.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/onnx_tensors.h"
#include "supernet/graph/weight_file.h"

namespace precis::onnx_reader {

// Of a node with parameters; those that it has not are null. Floats, of as many elements as the parameters
// that the node's operation has.
struct DraftWeights {
  TensorPtr weight;
  TensorPtr bias;      // null for one of zeros
  TensorPtr mean;      // of a batch norm
  TensorPtr variance;  // of a batch norm
};

class Draft {
 public:
  // Node 0 is the input.
  explicit Draft(Shape input) { nodes_.push_back({InputNode{}, {}, std::move(input), "", "", {}}); }

  // Nodes added from now on come from the ONNX node with that name; those with parameters are called
  // `weight_name`, unless it is empty.
  void Name(std::string name, std::string weight_name);

  const Shape& ShapeOf(NodeId id) const { return at(id).shape; }
  template <typename Op>
  const Op* As(NodeId id) const {
    return std::get_if<Op>(&at(id).op);
  }
  NodeId InputOf(NodeId id) const { return at(id).inputs[0]; }

  // INVALID_ARGUMENT with what ModelGraph::Add would say.
  using Added = absl::StatusOr<NodeId>;
  Added Add(NodeOp op, std::vector<NodeId> inputs, DraftWeights weights = {});

  Added Reshape(NodeId x, const Shape& shape);
  Added Transpose(NodeId x, const std::vector<int64_t>& permutation);
  Added Scale(NodeId x, double factor, double offset);
  Added Activate(NodeId x, ActivationKind kind, double alpha = 0, double beta = 0);
  Added Multiply(NodeId a, NodeId b);
  // Times, or plus, a tensor of that shape. `alone`: nobody else reads x.
  Added Gain(NodeId x, const TensorPtr& gain, const Shape& shape);
  Added Offset(NodeId x, const TensorPtr& offset, const Shape& shape, bool alone);

  struct Finished {
    ModelGraph graph;
    std::map<std::string, WeightTensor> tensors;  // parameters, and statistics of batch norms
  };
  // What `output` depends on. Linear layers that read the same tokens get one group.
  absl::StatusOr<Finished> Finish(const std::string& name, NodeId output, Budget& budget) const;

 private:
  struct DraftNode {
    NodeOp op;
    std::vector<NodeId> inputs;
    Shape shape;
    std::string name;
    std::string weight_name;
    DraftWeights weights;
  };
  const DraftNode& at(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }

  bool IsActivation(NodeId x, ActivationKind kind, double alpha = 0) const;
  // Whether y is f(x) by the kind, x times a constant before it.
  bool IsErfOf(NodeId y, NodeId x) const;
  std::pair<double, NodeId> Peeled(NodeId x) const;
  Added MultiplyPattern(NodeId a, NodeId b);  // -1: none
  NodeId StandardizedBy(NodeId centred, NodeId inverse_deviation, double* epsilon) const;
  std::vector<bool> Needed(NodeId output) const;
  std::vector<std::string> Groups(const std::vector<bool>& needed) const;

  std::vector<DraftNode> nodes_;
  std::map<std::string, NodeId> known_;  // by operation and inputs
  std::string name_;
  std::string weight_name_;
};

}  // namespace precis::onnx_reader
