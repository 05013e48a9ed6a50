// Moving elements, and what makes shapes.
#include "supernet/graph/onnx_constants.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <functional>
#include <map>

#include "supernet/graph/onnx_arithmetic.h"

namespace precis::onnx_reader {
namespace {

using Tensors = std::vector<TensorPtr>;  // null where an input is absent
using Folded = absl::StatusOr<OnnxTensor>;

Folded Filled(std::vector<int64_t> dims, const OnnxTensor& value, Budget& budget) {
  const std::optional<int64_t> count = CountElements(dims);
  if (!count.has_value()) return Unsupported("a shape that no tensor has");
  if (absl::Status status = budget.Spend(*count); !status.ok()) return status;
  OnnxTensor out{.dims = std::move(dims), .is_float = value.is_float, .floats = {}, .ints = {}};
  if (value.is_float) {
    out.floats.assign(static_cast<size_t>(*count), value.floats[0]);
  } else {
    out.ints.assign(static_cast<size_t>(*count), value.ints[0]);
  }
  return out;
}

absl::StatusOr<std::vector<int64_t>> IntsOf(const TensorPtr& tensor) {
  if (tensor == nullptr) return Unsupported("an input is missing");
  return PlainInts(*tensor);
}

// ---- moving elements

Folded WithDims(const OnnxTensor& x, std::vector<int64_t> dims, Budget& budget) {
  if (CountElements(dims) != x.size()) return Unsupported("a shape with another number of elements");
  if (absl::Status status = budget.Spend(x.size()); !status.ok()) return status;
  OnnxTensor out = x;
  out.dims = std::move(dims);
  return out;
}

Folded Gather(const OnnxTensor& data, const OnnxTensor& at, int64_t axis_given, Budget& budget) {
  const absl::StatusOr<int64_t> axis = NormalAxis(axis_given, static_cast<int64_t>(data.dims.size()));
  if (!axis.ok()) return axis.status();
  absl::StatusOr<std::vector<int64_t>> indices = PlainInts(at);
  if (!indices.ok()) return indices.status();
  const int64_t size = data.dims[static_cast<size_t>(*axis)];
  std::vector<int64_t> dims(data.dims.begin(), data.dims.begin() + *axis);
  dims.insert(dims.end(), at.dims.begin(), at.dims.end());
  dims.insert(dims.end(), data.dims.begin() + *axis + 1, data.dims.end());
  const std::optional<int64_t> count = CountElements(dims);
  const int64_t inner = *CountElements({data.dims.begin() + *axis + 1, data.dims.end()});
  const int64_t outer = *CountElements({data.dims.begin(), data.dims.begin() + *axis});
  if (!count.has_value()) return Unsupported("a result that is too large");
  if (absl::Status status = budget.Spend(*count); !status.ok()) return status;
  OnnxTensor out{.dims = dims, .is_float = data.is_float, .floats = {}, .ints = {}};
  if (*count == 0) return out;
  for (int64_t o = 0; o < outer; ++o) {
    for (const int64_t index : *indices) {
      if (index < -size || index >= size) return Unsupported("index ", index, " of ", size);
      const int64_t from = (o * size + (index < 0 ? index + size : index)) * inner;
      if (data.is_float) {
        out.floats.insert(out.floats.end(), data.floats.begin() + from, data.floats.begin() + from + inner);
      } else {
        out.ints.insert(out.ints.end(), data.ints.begin() + from, data.ints.begin() + from + inner);
      }
    }
  }
  return out;
}

Folded SliceTensor(OnnxNode& node, const OnnxTensor& x) {
  const auto starts = node.IntsAt("starts", 1);
  const auto ends = node.IntsAt("ends", 2);
  const auto axes = node.IntsAt("axes", 3);
  const auto steps = node.IntsAt("steps", 4);
  for (const auto* each : {&starts, &ends, &axes, &steps}) {
    if (!each->ok()) return each->status();
  }
  if (!starts->has_value() || !ends->has_value()) return Unsupported("starts or ends are missing");
  std::vector<int64_t> dims = x.dims;
  std::vector<int64_t> strides = StridesOf(x.dims);
  int64_t base = 0;
  for (size_t i = 0; i < (*starts)->size(); ++i) {
    if (i >= (*ends)->size() || (axes->has_value() && i >= (*axes)->size()) ||
        (steps->has_value() && i >= (*steps)->size())) {
      return Unsupported("starts, ends, axes and steps of different lengths");
    }
    const absl::StatusOr<int64_t> axis = NormalAxis(axes->has_value() ? (**axes)[i] : static_cast<int64_t>(i),
                                                    static_cast<int64_t>(dims.size()));
    if (!axis.ok()) return axis.status();
    const auto at = static_cast<size_t>(*axis);
    const int64_t step = steps->has_value() ? (**steps)[i] : 1;
    if (step == 0 || dims[at] != x.dims[at]) return Unsupported("a step of 0, or an axis twice");
    const SliceRange range = SliceOf(x.dims[at], (**starts)[i], (**ends)[i], step);
    base += range.begin * strides[at];
    strides[at] *= range.step;
    dims[at] = range.count;
  }
  return Strided(x, dims, strides, base, node.budget);
}

Folded ConcatTensors(OnnxNode& node, const Tensors& in) {
  std::vector<int64_t> dims = in[0]->dims;
  const absl::StatusOr<int64_t> axis =
      NormalAxis(node.attributes.Int("axis", 0), static_cast<int64_t>(dims.size()));
  if (!axis.ok()) return axis.status();
  const auto at = static_cast<size_t>(*axis);
  dims[at] = 0;
  int64_t count = 0;
  for (const TensorPtr& each : in) {
    if (each == nullptr || each->dims.size() != dims.size() || each->is_float != in[0]->is_float) {
      return Unsupported("inputs that do not fit each other");
    }
    std::vector<int64_t> other = each->dims;
    dims[at] += other[at];
    other[at] = in[0]->dims[at];
    if (other != in[0]->dims) return Unsupported("inputs that do not fit each other");
    count += each->size();
  }
  if (absl::Status status = node.budget.Spend(count); !status.ok()) return status;
  OnnxTensor out{.dims = dims, .is_float = in[0]->is_float, .floats = {}, .ints = {}};
  const int64_t outer = *CountElements({dims.begin(), dims.begin() + *axis});
  for (int64_t o = 0; o < outer; ++o) {
    for (const TensorPtr& each : in) {
      const int64_t part = each->size() / outer;
      if (out.is_float) {
        out.floats.insert(out.floats.end(), each->floats.begin() + o * part,
                          each->floats.begin() + (o + 1) * part);
      } else {
        out.ints.insert(out.ints.end(), each->ints.begin() + o * part, each->ints.begin() + (o + 1) * part);
      }
    }
  }
  return out;
}

Folded SqueezeTensor(OnnxNode& node, const OnnxTensor& x) {
  const auto axes = node.IntsAt("axes", 1);
  if (!axes.ok()) return axes.status();
  std::vector<bool> goes(x.dims.size(), false);
  for (const int64_t given : axes->value_or(std::vector<int64_t>())) {
    const absl::StatusOr<int64_t> axis = NormalAxis(given, static_cast<int64_t>(x.dims.size()));
    if (!axis.ok()) return axis.status();
    goes[static_cast<size_t>(*axis)] = true;
  }
  std::vector<int64_t> dims;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    if (!(axes->has_value() ? goes[i] : x.dims[i] == 1)) dims.push_back(x.dims[i]);
  }
  return WithDims(x, dims, node.budget);
}

Folded UnsqueezeTensor(OnnxNode& node, const OnnxTensor& x) {
  const auto axes = node.IntsAt("axes", 1);
  if (!axes.ok()) return axes.status();
  const std::vector<int64_t> given = axes->value_or(std::vector<int64_t>());
  const auto rank = static_cast<int64_t>(x.dims.size() + given.size());
  std::vector<int64_t> dims(static_cast<size_t>(rank), 0);
  for (const int64_t each : given) {
    const absl::StatusOr<int64_t> axis = NormalAxis(each, rank);
    if (!axis.ok()) return axis.status();
    if (dims[static_cast<size_t>(*axis)] != 0) return Unsupported("axis ", each, " twice");
    dims[static_cast<size_t>(*axis)] = 1;
  }
  auto next = x.dims.begin();
  for (int64_t& dimension : dims) {
    if (dimension == 0) dimension = *next++;
  }
  return WithDims(x, dims, node.budget);
}

Folded FlattenTensor(OnnxNode& node, const OnnxTensor& x) {
  const auto rank = static_cast<int64_t>(x.dims.size());
  int64_t axis = node.attributes.Int("axis", 1);
  if (axis < -rank || axis > rank) return Unsupported("axis ", axis);
  if (axis < 0) axis += rank;
  return WithDims(x,
                  {*CountElements({x.dims.begin(), x.dims.begin() + axis}),
                   *CountElements({x.dims.begin() + axis, x.dims.end()})},
                  node.budget);
}

// ---- what makes shapes

Folded Range(const Tensors& in, Budget& budget) {
  for (const TensorPtr& each : in) {
    if (each == nullptr || each->size() != 1 || each->is_float) return Unsupported("a range of no integers");
  }
  if (in.size() != 3) return Unsupported("a range needs start, limit and delta");
  int64_t at[3];
  for (size_t i = 0; i < 3; ++i) {
    if (in[i]->ints[0].batches != 0) return Unsupported("a range that depends on the batch");
    at[i] = in[i]->ints[0].value;
    if (at[i] > (int64_t{1} << 40) || at[i] < -(int64_t{1} << 40)) return Unsupported("a range beyond 2^40");
  }
  if (at[2] == 0) return Unsupported("a range with delta 0");
  const int64_t span = at[1] - at[0];
  const int64_t count =
      span == 0 || (span > 0) != (at[2] > 0) ? 0 : (std::abs(span) - 1) / std::abs(at[2]) + 1;
  if (absl::Status status = budget.Spend(count); !status.ok()) return status;
  OnnxTensor out{.dims = {count}, .is_float = false, .floats = {}, .ints = {}};
  for (int64_t i = 0; i < count; ++i) out.ints.push_back({at[0] + i * at[2], 0});
  return out;
}

Folded ReduceProduct(OnnxNode& node, const OnnxTensor& x) {
  const auto axes = node.IntsAt("axes", 1);
  if (!axes.ok()) return axes.status();
  const bool whole = !axes->has_value() || x.dims.size() == 1;
  if (!whole || x.is_float) return Unsupported("a product that is not of all elements, or not of integers");
  OnnxTensor out{.dims = {}, .is_float = false, .floats = {}, .ints = {{1, 0}}};
  if (node.attributes.Int("keepdims", 1) != 0) out.dims.assign(x.dims.size(), 1);
  for (const BatchInt& each : x.ints) {
    const absl::StatusOr<BatchInt> product = IntegerResult("Mul", out.ints[0], each);
    if (!product.ok()) return product.status();
    out.ints[0] = *product;
  }
  return out;
}

Folded Where(const Tensors& in, Budget& budget) {
  if (in.size() != 3 || in[0] == nullptr || in[1] == nullptr || in[2] == nullptr || in[0]->is_float ||
      in[1]->is_float != in[2]->is_float) {
    return Unsupported("inputs that do not fit each other");
  }
  std::optional<std::vector<int64_t>> dims = BroadcastDims(in[0]->dims, in[1]->dims);
  if (dims.has_value()) dims = BroadcastDims(*dims, in[2]->dims);
  if (!dims.has_value()) return Unsupported("shapes that do not fit each other");
  const Folded condition = BroadcastTo(*in[0], *dims, budget);
  Folded out = BroadcastTo(*in[1], *dims, budget);
  const Folded otherwise = BroadcastTo(*in[2], *dims, budget);
  if (!condition.ok()) return condition.status();
  if (!out.ok()) return out;
  if (!otherwise.ok()) return otherwise.status();
  for (size_t i = 0; i < condition->ints.size(); ++i) {
    if (condition->ints[i].value != 0) continue;
    if (out->is_float) {
      out->floats[i] = otherwise->floats[i];
    } else {
      out->ints[i] = otherwise->ints[i];
    }
  }
  return out;
}

Folded ConstantOfShape(OnnxNode& node, const TensorPtr& shape) {
  const absl::StatusOr<std::vector<int64_t>> dims = IntsOf(shape);
  if (!dims.ok()) return dims.status();
  OnnxTensor value{.dims = {1}, .is_float = true, .floats = {0}, .ints = {}};
  if (const onnx::TensorProto* given = node.attributes.Tensor("value"); given != nullptr) {
    Folded read = ReadTensor(*given, node.external);
    if (!read.ok()) return read;
    if (read->size() != 1) return Unsupported("a value that is not one number");
    value = *std::move(read);
  }
  return Filled(*dims, value, node.budget);
}

Folded Constant(OnnxNode& node) {
  OnnxAttributes& attributes = node.attributes;
  if (const onnx::TensorProto* tensor = attributes.Tensor("value"); tensor != nullptr) {
    return ReadTensor(*tensor, node.external);
  }
  const auto length = [](const auto& values) { return static_cast<int64_t>(values.size()); };
  if (attributes.Has("value_float")) {
    return OnnxTensor{.dims = {},
                      .is_float = true,
                      .floats = {static_cast<float>(attributes.Float("value_float", 0))},
                      .ints = {}};
  }
  if (attributes.Has("value_int")) {
    return OnnxTensor{
        .dims = {}, .is_float = false, .floats = {}, .ints = {{attributes.Int("value_int", 0), 0}}};
  }
  if (auto floats = attributes.Floats("value_floats"); floats.has_value()) {
    const int64_t count = length(*floats);
    return OnnxTensor{.dims = {count}, .is_float = true, .floats = *std::move(floats), .ints = {}};
  }
  if (const auto ints = attributes.Ints("value_ints"); ints.has_value()) {
    OnnxTensor out{.dims = {length(*ints)}, .is_float = false, .floats = {}, .ints = {}};
    for (const int64_t each : *ints) out.ints.push_back({each, 0});
    return out;
  }
  return Unsupported("a constant that is no number");
}

// The shape of a constant; of an activation it is an operator's business.
Folded ShapeOfConstant(OnnxNode& node, const OnnxTensor& x) {
  const auto rank = static_cast<int64_t>(x.dims.size());
  const SliceRange range =
      SliceOf(rank, node.attributes.Int("start", 0), node.attributes.Int("end", rank), 1);
  OnnxTensor out{.dims = {range.count}, .is_float = false, .floats = {}, .ints = {}};
  for (int64_t i = 0; i < range.count; ++i)
    out.ints.push_back({x.dims[static_cast<size_t>(range.begin + i)], 0});
  return out;
}

Folded ExpandTensor(const OnnxTensor& x, const TensorPtr& shape, Budget& budget) {
  if (shape == nullptr || shape->is_float) return Unsupported("the shape is missing");
  // What is repeated for every image is as good as one of it.
  std::vector<int64_t> asked;
  for (const BatchInt& each : shape->ints) {
    if (each.batches != 0 && each != BatchInt{0, 1})
      return Unsupported("a shape that depends on the batch so");
    asked.push_back(each.batches != 0 ? 1 : each.value);
  }
  const auto dims = BroadcastDims(x.dims, asked);
  if (!dims.has_value()) return Unsupported("a shape that does not fit");
  return BroadcastTo(x, *dims, budget);
}

Folded Reshape(OnnxNode& node, const OnnxTensor& x) {
  const auto asked = node.IntsAt("shape", 1);
  if (!asked.ok()) return asked.status();
  if (!asked->has_value()) return Unsupported("the shape is missing");
  const auto dims = ReshapedDims(x.dims, **asked, node.attributes.Int("allowzero", 0) != 0);
  if (!dims.ok()) return dims.status();
  return WithDims(x, *dims, node.budget);
}

Folded TransposeTensor(OnnxNode& node, const OnnxTensor& x) {
  std::vector<int64_t> reversed;
  for (size_t i = x.dims.size(); i-- > 0;) reversed.push_back(static_cast<int64_t>(i));
  return Transposed(x, node.attributes.Ints("perm").value_or(reversed), node.budget);
}

Folded Not(const OnnxTensor& x, Budget& budget) {
  if (x.is_float) return Unsupported("floats where booleans belong");
  if (absl::Status status = budget.Spend(x.size()); !status.ok()) return status;
  OnnxTensor out = x;
  for (BatchInt& each : out.ints) each = {each.value == 0 ? 1 : 0, 0};
  return out;
}

absl::StatusOr<std::vector<Value>> SplitTensor(OnnxNode& node, const OnnxTensor& x) {
  const auto axis = NormalAxis(node.attributes.Int("axis", 0), static_cast<int64_t>(x.dims.size()));
  if (!axis.ok()) return axis.status();
  const auto given = node.IntsAt("split", 1);
  if (!given.ok()) return given.status();
  const auto at = static_cast<size_t>(*axis);
  const auto parts = static_cast<int64_t>(node.outputs);
  const auto all = std::max<int64_t>(static_cast<int64_t>(node.declared_outputs), 1);
  const int64_t even = (x.dims[at] + all - 1) / all;
  std::vector<Value> out;
  int64_t begin = 0;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t wanted = given->has_value() && i < static_cast<int64_t>((*given)->size())
                               ? (**given)[static_cast<size_t>(i)]
                               : even;
    const int64_t size = std::clamp<int64_t>(wanted, 0, x.dims[at] - begin);
    std::vector<int64_t> dims = x.dims;
    const std::vector<int64_t> strides = StridesOf(x.dims);
    dims[at] = size;
    Folded part = Strided(x, dims, strides, begin * strides[at], node.budget);
    if (!part.ok()) return part.status();
    out.emplace_back(std::make_shared<const OnnxTensor>(*std::move(part)));
    begin += size;
  }
  return out;
}

using Folder = Folded (*)(OnnxNode& node, const Tensors& in);

// Of those with one output, and one input at least.
const std::map<std::string, Folder, std::less<>>& Folders() {
  static const auto& folders = *new std::map<std::string, Folder, std::less<>>{
      {"Cast", [](OnnxNode& node, const Tensors& in) { return Cast(node, *in[0]); }},
      {"Concat", ConcatTensors},
      {"ConstantOfShape", [](OnnxNode& node, const Tensors& in) { return ConstantOfShape(node, in[0]); }},
      {"Dropout",
       [](OnnxNode& node, const Tensors& in) -> Folded {
         ONNX_TRY(const double training, node.ScalarAt(2, 0));
         if (training != 0) return Unsupported("training mode");
         return *in[0];
       }},
      {"Expand",
       [](OnnxNode& node, const Tensors& in) {
         return ExpandTensor(*in[0], in.size() > 1 ? in[1] : nullptr, node.budget);
       }},
      {"Flatten", [](OnnxNode& node, const Tensors& in) { return FlattenTensor(node, *in[0]); }},
      {"Gather",
       [](OnnxNode& node, const Tensors& in) -> Folded {
         if (in.size() < 2 || in[1] == nullptr) return Unsupported("indices are missing");
         return Gather(*in[0], *in[1], node.attributes.Int("axis", 0), node.budget);
       }},
      {"Identity", [](OnnxNode&, const Tensors& in) -> Folded { return *in[0]; }},
      {"Not", [](OnnxNode& node, const Tensors& in) { return Not(*in[0], node.budget); }},
      {"Range", [](OnnxNode& node, const Tensors& in) { return Range(in, node.budget); }},
      {"ReduceProd", [](OnnxNode& node, const Tensors& in) { return ReduceProduct(node, *in[0]); }},
      {"Reshape", [](OnnxNode& node, const Tensors& in) { return Reshape(node, *in[0]); }},
      {"Shape", [](OnnxNode& node, const Tensors& in) { return ShapeOfConstant(node, *in[0]); }},
      {"Size",
       [](OnnxNode&, const Tensors& in) -> Folded {
         return OnnxTensor{.dims = {}, .is_float = false, .floats = {}, .ints = {{in[0]->size(), 0}}};
       }},
      {"Slice", [](OnnxNode& node, const Tensors& in) { return SliceTensor(node, *in[0]); }},
      {"Squeeze", [](OnnxNode& node, const Tensors& in) { return SqueezeTensor(node, *in[0]); }},
      {"Transpose", [](OnnxNode& node, const Tensors& in) { return TransposeTensor(node, *in[0]); }},
      {"Unsqueeze", [](OnnxNode& node, const Tensors& in) { return UnsqueezeTensor(node, *in[0]); }},
      {"Where", [](OnnxNode& node, const Tensors& in) { return Where(in, node.budget); }},
  };
  return folders;
}

Folded FoldOne(OnnxNode& node, const Tensors& in) {
  if (node.op == "Constant") return Constant(node);
  if (in.empty() || in[0] == nullptr) return Unsupported("the first input is missing");
  if (const auto folder = Folders().find(node.op); folder != Folders().end()) return folder->second(node, in);
  if (IsUnary(node.op)) return Unary(node.op, *in[0], node.budget);
  if (in.size() < 2 && node.op != "Min" && node.op != "Max") return Unsupported("it needs two inputs");
  if (node.attributes.Int("fmod", 0) != 0) return Unsupported("fmod");
  Folded out = *in[0];
  for (size_t i = 1; i < in.size(); ++i) {
    if (in[i] == nullptr) return Unsupported("input ", i, " is missing");
    out = Binary(node.op, *out, *in[i], node.budget);
    if (!out.ok()) return out;
  }
  return out;
}

}  // namespace

bool CanFold(std::string_view op) {
  return op == "Constant" || op == "Split" || Folders().contains(op) || IsUnary(op) || IsBinary(op);
}

absl::StatusOr<std::vector<Value>> Fold(OnnxNode& node) {
  Tensors in;
  for (const Value& input : node.inputs) {
    const auto* tensor = std::get_if<TensorPtr>(&input);
    in.push_back(tensor == nullptr ? nullptr : *tensor);
  }
  if (node.op == "Split" && !in.empty() && in[0] != nullptr) return SplitTensor(node, *in[0]);
  Folded out = FoldOne(node, in);
  if (!out.ok()) return out.status();
  return std::vector<Value>{std::make_shared<const OnnxTensor>(*std::move(out))};
}

}  // namespace precis::onnx_reader
