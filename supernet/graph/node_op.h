// What each operation of a ModelGraph is: how many inputs it takes, the shape it gives, its parameters, its
// text. Everything that differs between operations and needs no tensor is here.
//
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
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
  // A fault unless lowest <= value <= 2^20; of an extent or a padding, for each number that differs.
  void RequireAttribute(const std::string& name, int64_t value, int64_t lowest);
  void RequireExtent(const std::string& name, const Extent& extent, int64_t lowest);
  void RequirePadding(const Padding& padding);
  // A fault unless `axis` is a dimension of `shape`; says whether it is.
  bool RequireAxis(int64_t axis, const Shape& shape);

  bool empty() const { return faults_.empty(); }
  std::string Text() const;  // separated by "; "

 private:
  std::vector<std::string> faults_;
};

struct InputLimits {
  size_t least = 0;
  size_t most = 0;
};
InputLimits InputLimitsOf(const NodeOp& op);

// The output's shape for as many inputs as InputLimitsOf allows. Adds to `faults` where attributes or shapes
// do not suit, or where tensors or work are too large to count; the result then means nothing.
Shape InferShape(const NodeOp& op, const std::vector<const Shape*>& inputs, NodeFaults& faults);

// What makes an operation a layer.
struct LayerSize {
  Layer::Kind kind = Layer::Kind::kConv2d;
  int64_t output_channels = 0;  // as Layer has them
  int64_t reduction = 0;
};
// For inputs that InferShape accepts; nothing for an operation that is no layer.
std::optional<LayerSize> LayerSizeOf(const NodeOp& op, const Shape& first_input);

// The dimension of an operand, batch left out, along which a layer sums products: of its input, or of the
// second operand of a product. `dimensions` are the operand's.
int64_t ReductionAxis(const NodeOp& op, bool is_second, int64_t dimensions);

struct ParameterShape {
  const char* name;  // "weight" or "bias"
  Shape shape;
};
// Of a node whose first input has that shape, which InferShape accepts.
std::vector<ParameterShape> ParametersOf(const NodeOp& op, const Shape& first_input);

// Whether an output is never below 0, whatever the inputs are; or where no input is.
bool IsNonnegative(const NodeOp& op);
bool KeepsNonnegative(const NodeOp& op);

// "conv2d out_channels=16 kernel=3 …": the kind and its attributes, in a fixed order. A shape that the node
// gives anyway is left out, and so are attributes that older graphs lack, where they have their default.
std::string OpText(const NodeOp& op);

// "3", or "1x7": height, width.
std::string ExtentText(const Extent& extent);
// "1"; "0x3": vertical, horizontal; or "0,1,2,3": top, left, bottom, right.
std::string PaddingText(const Padding& padding);

// "16x32x32".
std::string ShapeText(const Shape& shape);

// The product of positive factors, or the largest int64 if it is larger than that.
int64_t ElementCount(const Shape& shape);

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // clang 14 does not deduce aggregates by itself

}  // namespace precis
