// Arithmetic between activations, and of one with constants.
#include <algorithm>
#include <limits>

#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

constexpr double kLargest = std::numeric_limits<float>::max();

struct Pair {
  Activation a;
  Activation b;
  std::vector<int64_t> dims;
};

// Both with as many dimensions, and their batches at one place.
absl::StatusOr<Pair> Aligned(const Activation& first, const Activation& second) {
  const size_t rank = std::max(first.dims.size(), second.dims.size());
  Pair pair = {Extended(first, rank), Extended(second, rank), {}};
  const auto dims = BroadcastDims(pair.a.dims, pair.b.dims);
  if (pair.a.batch_axis != pair.b.batch_axis || pair.a.per_image() != pair.b.per_image() ||
      !dims.has_value()) {
    return Unsupported("two activations whose dimensions do not fit each other");
  }
  pair.dims = *dims;
  return pair;
}

absl::StatusOr<Value> SumOf(OnnxNode& node, const Activation& first, const Activation& second,
                            double factor) {
  ONNX_TRY(const Pair pair, Aligned(first, second));
  ONNX_TRY(const NodeId b, node.draft.Scale(pair.b.node, factor, 0));
  ONNX_TRY(const NodeId sum, node.draft.Add(AddNode{}, {pair.a.node, b}));
  return InDims(node, sum, pair.dims, pair.a.batch_axis);
}

absl::StatusOr<Value> ProductOf(OnnxNode& node, const Activation& first, const Activation& second,
                                bool divides) {
  ONNX_TRY(const Pair pair, Aligned(first, second));
  NodeId b = pair.b.node;
  if (divides) {
    ONNX_TRY(b, node.draft.Activate(b, ActivationKind::kPower, -1));
  }
  ONNX_TRY(const NodeId product, node.draft.Multiply(pair.a.node, b));
  return InDims(node, product, pair.dims, pair.a.batch_axis);
}

// A constant beside an activation: one number, or a tensor in the shape of the activation's node.
struct ConstantBeside {
  Activation x;
  double number = 0;
  TensorPtr tensor;  // null for one number
  Shape shape;
  std::vector<int64_t> dims;  // of the result
};

absl::StatusOr<ConstantBeside> Beside(OnnxNode& node, size_t activation, size_t constant,
                                      double (*convert)(double)) {
  ONNX_TRY(const Activation x, node.ActivationAt(activation));
  ONNX_TRY(const TensorPtr given, node.ConstantAt(constant));
  ConstantBeside beside;
  beside.x = Extended(x, given->dims.size());
  const auto rank = beside.x.dims.size();
  std::vector<int64_t> dims(rank - given->dims.size(), 1);
  dims.insert(dims.end(), given->dims.begin(), given->dims.end());
  if (given->size() == 1) {
    ONNX_TRY(const double number, node.ScalarAt(constant, 0));
    beside.number = convert(number);
    beside.dims = beside.x.dims;
    return beside;
  }
  const auto both = BroadcastDims(beside.x.dims, dims);
  const auto at_batch = static_cast<size_t>(beside.x.batch_axis);
  const bool of_one_image =
      node.batch <= 1 && beside.x.per_image() > 1 && dims[at_batch] == beside.x.per_image();
  if (!both.has_value() || given->size() == 0 || (dims[at_batch] != 1 && !of_one_image)) {
    return Unsupported("a constant whose shape does not fit, or that differs between images");
  }
  beside.dims = *both;
  beside.shape = dims;
  if (beside.x.per_image() == 1) beside.shape.erase(beside.shape.begin() + beside.x.batch_axis);
  if (beside.shape.empty()) beside.shape.push_back(1);
  ONNX_TRY(const TensorPtr floats, node.FloatsAt(constant));
  if (absl::Status status = node.budget.Spend(floats->size()); !status.ok()) return status;
  OnnxTensor converted = *floats;
  for (float& value : converted.floats) value = static_cast<float>(convert(value));
  beside.tensor = std::make_shared<const OnnxTensor>(std::move(converted));
  return beside;
}

absl::StatusOr<Value> Shifted(OnnxNode& node, const ConstantBeside& c, NodeId from, bool alone) {
  const Draft::Added y = c.tensor == nullptr ? node.draft.Scale(from, 1, c.number)
                                             : node.draft.Offset(from, c.tensor, c.shape, alone);
  if (!y.ok()) return y.status();
  return InDims(node, *y, c.dims, c.x.batch_axis);
}

absl::StatusOr<Value> Scaled(OnnxNode& node, const ConstantBeside& c, NodeId from) {
  const Draft::Added y =
      c.tensor == nullptr ? node.draft.Scale(from, c.number, 0) : node.draft.Gain(from, c.tensor, c.shape);
  if (!y.ok()) return y.status();
  return InDims(node, *y, c.dims, c.x.batch_axis);
}

double Same(double value) { return value; }

bool IsConstant(const OnnxNode& node, size_t input) {
  return input < node.inputs.size() && std::holds_alternative<TensorPtr>(node.inputs[input]);
}

// Which input is the constant; 2 for none.
size_t ConstantInput(const OnnxNode& node) { return IsConstant(node, 0) ? 0 : IsConstant(node, 1) ? 1 : 2; }

absl::Status RequireTwo(const OnnxNode& node) {
  if (node.Has(0) && node.Has(1)) return absl::OkStatus();
  return Unsupported("it needs two inputs");
}

Outputs Add(OnnxNode& node) {
  if (absl::Status two = RequireTwo(node); !two.ok()) return two;
  const size_t constant = ConstantInput(node);
  if (constant < 2) {
    ONNX_TRY(const ConstantBeside c, Beside(node, 1 - constant, constant, Same));
    return One(Shifted(node, c, c.x.node, node.read_here_alone[1 - constant]));
  }
  ONNX_TRY(const Activation a, node.ActivationAt(0));
  ONNX_TRY(const Activation b, node.ActivationAt(1));
  return One(SumOf(node, a, b, 1));
}

Outputs Sub(OnnxNode& node) {
  if (absl::Status two = RequireTwo(node); !two.ok()) return two;
  const size_t constant = ConstantInput(node);
  if (constant == 1) {
    ONNX_TRY(const ConstantBeside c, Beside(node, 0, 1, [](double value) { return -value; }));
    return One(Shifted(node, c, c.x.node, node.read_here_alone[0]));
  }
  if (constant == 0) {
    ONNX_TRY(const ConstantBeside c, Beside(node, 1, 0, Same));
    ONNX_TRY(const NodeId negative, node.draft.Scale(c.x.node, -1, 0));
    return One(Shifted(node, c, negative, false));
  }
  ONNX_TRY(const Activation a, node.ActivationAt(0));
  ONNX_TRY(const Activation b, node.ActivationAt(1));
  return One(SumOf(node, a, b, -1));
}

Outputs Mul(OnnxNode& node) {
  if (absl::Status two = RequireTwo(node); !two.ok()) return two;
  const size_t constant = ConstantInput(node);
  if (constant < 2) {
    ONNX_TRY(const ConstantBeside c, Beside(node, 1 - constant, constant, Same));
    return One(Scaled(node, c, c.x.node));
  }
  ONNX_TRY(const Activation a, node.ActivationAt(0));
  ONNX_TRY(const Activation b, node.ActivationAt(1));
  return One(ProductOf(node, a, b, false));
}

Outputs Div(OnnxNode& node) {
  if (absl::Status two = RequireTwo(node); !two.ok()) return two;
  const size_t constant = ConstantInput(node);
  if (constant == 1) {
    ONNX_TRY(const ConstantBeside c, Beside(node, 0, 1, [](double value) { return 1 / value; }));
    return One(Scaled(node, c, c.x.node));
  }
  if (constant == 0) {
    ONNX_TRY(const ConstantBeside c, Beside(node, 1, 0, Same));
    ONNX_TRY(const NodeId inverse, node.draft.Activate(c.x.node, ActivationKind::kPower, -1));
    return One(Scaled(node, c, inverse));
  }
  ONNX_TRY(const Activation a, node.ActivationAt(0));
  ONNX_TRY(const Activation b, node.ActivationAt(1));
  return One(ProductOf(node, a, b, true));
}

Outputs Pow(OnnxNode& node) {
  if (absl::Status two = RequireTwo(node); !two.ok()) return two;
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const double exponent, node.ScalarAt(1, 1));
  return One(Like(x, node.draft.Activate(x.node, ActivationKind::kPower, exponent)));
}

// Of any number of activations, times a factor.
Outputs SumOfAll(OnnxNode& node, double factor) {
  ONNX_TRY(Activation sum, node.ActivationAt(0));
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    ONNX_TRY(const Activation next, node.ActivationAt(i));
    ONNX_TRY(const Value both, SumOf(node, sum, next, 1));
    sum = std::get<Activation>(both);
  }
  return One(Like(sum, node.draft.Scale(sum.node, factor, 0)));
}

Outputs Sum(OnnxNode& node) { return SumOfAll(node, 1); }
Outputs Mean(OnnxNode& node) { return SumOfAll(node, 1 / static_cast<double>(node.inputs.size())); }

// With one number.
template <bool is_max>
Outputs Limit(OnnxNode& node) {
  if (node.inputs.size() != 2)
    return Unsupported(node.inputs.size(), " inputs; an activation and a number are read");
  const size_t constant = IsConstant(node, 0) ? 0 : 1;
  ONNX_TRY(const Activation x, node.ActivationAt(1 - constant));
  ONNX_TRY(const double limit, node.ScalarAt(constant, 0));
  return One(Like(x, Clipped(node.draft, x.node, is_max ? limit : -kLargest, is_max ? kLargest : limit)));
}

// relu(x) - slope · relu(-x).
Outputs PRelu(OnnxNode& node) {
  if (absl::Status two = RequireTwo(node); !two.ok()) return two;
  ONNX_TRY(const ConstantBeside c, Beside(node, 0, 1, [](double value) { return -value; }));
  if (c.tensor == nullptr) {
    return One(Like(c.x, node.draft.Activate(c.x.node, ActivationKind::kLeakyRelu, -c.number)));
  }
  ONNX_TRY(const NodeId above, node.draft.Activate(c.x.node, ActivationKind::kRelu));
  ONNX_TRY(const NodeId negative, node.draft.Scale(c.x.node, -1, 0));
  ONNX_TRY(const NodeId below, node.draft.Activate(negative, ActivationKind::kRelu));
  ONNX_TRY(const NodeId scaled, node.draft.Gain(below, c.tensor, c.shape));
  ONNX_TRY(const NodeId sum, node.draft.Add(AddNode{}, {above, scaled}));
  return One(InDims(node, sum, c.dims, c.x.batch_axis));
}

}  // namespace

const OperatorTable& ArithmeticOperators() {
  static const auto& table = *new OperatorTable{
      {"Add", Add}, {"Div", Div},     {"Max", Limit<true>}, {"Mean", Mean}, {"Min", Limit<false>},
      {"Mul", Mul}, {"PRelu", PRelu}, {"Pow", Pow},         {"Sub", Sub},   {"Sum", Sum},
  };
  return table;
}

}  // namespace precis::onnx_reader
