// What each operation of a ModelGraph is: how many inputs it takes, the shape it gives, its weight, its text.
// Everything that differs between operations and needs no tensor is here.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/graph/model_graph.h"

namespace precis {

// What is wrong with a node: all of it, since a user's own network may have several faults.
class NodeFaults {
 public:
  template <typename... Parts>
  void Add(const Parts&... parts) {
    faults_.push_back(absl::StrCat(parts...));
  }
  // A fault unless lowest <= value <= 2^20.
  void RequireAttribute(const char* name, int64_t value, int64_t lowest);

  bool empty() const { return faults_.empty(); }
  std::string Text() const;  // separated by "; "

 private:
  std::vector<std::string> faults_;
};

// All zero for an operation without a weight.
struct WeightSize {
  int64_t outputs = 0;    // output channels or features
  int64_t reduction = 0;  // products summed into one output
  bool bias = false;
};

size_t InputCount(const NodeOp& op);

// The output's shape for InputCount(op) inputs. Adds to `faults` where attributes or shapes do not suit, or
// where tensors or work are too large to count; the result then means nothing.
Shape InferShape(const NodeOp& op, const std::vector<const Shape*>& inputs, NodeFaults& faults);

// For an op and input that InferShape accepts.
WeightSize WeightOf(const NodeOp& op, const Shape& input);
Layer::Kind LayerKindOf(const NodeOp& op, const Shape& input);  // of an op that has a weight

// "conv2d out_channels=16 kernel=3 …": the kind and every attribute, in a fixed order.
std::string OpText(const NodeOp& op);

// "16x32x32".
std::string ShapeText(const Shape& shape);

// The product of positive factors, or the largest int64 if it is larger than that.
int64_t ElementCount(const Shape& shape);

}  // namespace precis
