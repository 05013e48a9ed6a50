// What takes, joins and turns parts of every image, wherever the batch stands.
#include <algorithm>

#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

constexpr int64_t kAllImages = (int64_t{1} << 31) - 1;  // what exporters write for "to the end", or less

Outputs Transpose(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  std::vector<int64_t> reversed;
  for (int64_t i = x.rank(); i-- > 0;) reversed.push_back(i);
  const std::vector<int64_t> permutation = node.attributes.Ints("perm").value_or(reversed);
  std::vector<int64_t> sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  std::reverse(reversed.begin(), reversed.end());
  if (sorted != reversed) return Unsupported("perm is no permutation of the ", x.rank(), " dimensions");
  Activation y = x;
  std::vector<int64_t> node_permutation;
  for (size_t i = 0; i < permutation.size(); ++i) {
    y.dims[i] = x.dim(permutation[i]);
    if (permutation[i] == x.batch_axis) y.batch_axis = static_cast<int64_t>(i);
    if (const int64_t axis = x.NodeAxis(permutation[i]); axis >= 0) node_permutation.push_back(axis);
  }
  if (node_permutation.empty()) node_permutation.push_back(0);  // nothing but the batch
  ONNX_TRY(y.node, node.draft.Transpose(x.node, node_permutation));
  return std::vector<Value>{y};
}

Outputs ShapeOfActivation(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  const SliceRange range =
      SliceOf(x.rank(), node.attributes.Int("start", 0), node.attributes.Int("end", x.rank()), 1);
  OnnxTensor shape{.dims = {range.count}, .is_float = false, .floats = {}, .ints = {}};
  for (int64_t i = range.begin; i < range.begin + range.count; ++i) {
    shape.ints.push_back(i == x.batch_axis ? BatchInt{0, x.dim(i)} : BatchInt{x.dim(i), 0});
  }
  return std::vector<Value>{std::make_shared<const OnnxTensor>(std::move(shape))};
}

Outputs SizeOfActivation(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  OnnxTensor size{.dims = {}, .is_float = false, .floats = {}, .ints = {{0, ElementCount(x.dims)}}};
  return std::vector<Value>{std::make_shared<const OnnxTensor>(std::move(size))};
}

// Part of one dimension, by ONNX's axis.
absl::StatusOr<Activation> Part(OnnxNode& node, Activation x, int64_t axis, const SliceRange& range) {
  const int64_t size = x.dim(axis);
  if (range.begin == 0 && range.step == 1 && range.count == size) return x;
  if (axis == x.batch_axis) return Unsupported("a part of the batch");
  if (range.count == 0) return Unsupported("a slice with nothing in it");
  const int64_t along = x.NodeAxis(axis);
  if (range.step > 0) {
    const int64_t end = range.begin + (range.count - 1) * range.step + 1;
    ONNX_TRY(x.node,
             node.draft.Add(SliceNode{.axis = along, .begin = range.begin, .end = end, .step = range.step},
                            {x.node}));
  } else {
    if (absl::Status status = node.budget.Spend(range.count); !status.ok()) return status;
    SampleNode sample{.axis = along, .positions = {}};
    for (int64_t i = 0; i < range.count; ++i) {
      sample.positions.push_back(static_cast<double>(range.begin + i * range.step));
    }
    ONNX_TRY(x.node, node.draft.Add(sample, {x.node}));
  }
  x.dims[static_cast<size_t>(axis)] = range.count;
  return x;
}

Outputs Slice(OnnxNode& node) {
  ONNX_TRY(Activation x, node.ActivationAt(0));
  ONNX_TRY(const auto starts, node.IntsAt("starts", 1));
  ONNX_TRY(const auto ends, node.IntsAt("ends", 2));
  ONNX_TRY(const auto axes, node.IntsAt("axes", 3));
  ONNX_TRY(const auto steps, node.IntsAt("steps", 4));
  if (!starts.has_value() || !ends.has_value() || ends->size() != starts->size() ||
      (axes.has_value() && axes->size() != starts->size()) ||
      (steps.has_value() && steps->size() != starts->size())) {
    return Unsupported("starts, ends, axes and steps of different lengths");
  }
  for (size_t i = 0; i < starts->size(); ++i) {
    ONNX_TRY(const int64_t axis,
             NormalAxis(axes.has_value() ? (*axes)[i] : static_cast<int64_t>(i), x.rank()));
    const int64_t step = steps.has_value() ? (*steps)[i] : 1;
    if (step == 0) return Unsupported("a step of 0");
    if (axis == x.batch_axis) {
      const int64_t images = node.batch > 0 ? node.batch * x.per_image() : kAllImages;
      const SliceRange range = SliceOf(images, (*starts)[i], (*ends)[i], step);
      if (range.count != images || range.step != 1) return Unsupported("a part of the batch");
      continue;
    }
    ONNX_TRY(x, Part(node, x, axis, SliceOf(x.dim(axis), (*starts)[i], (*ends)[i], step)));
  }
  return std::vector<Value>{x};
}

Outputs Split(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const int64_t axis, NormalAxis(node.attributes.Int("axis", 0), x.rank()));
  ONNX_TRY(const auto given, node.IntsAt("split", 1));
  const auto parts = static_cast<int64_t>(node.outputs);
  const int64_t all = given.has_value()
                          ? static_cast<int64_t>(given->size())
                          : node.attributes.Int("num_outputs", static_cast<int64_t>(node.declared_outputs));
  if (axis == x.batch_axis) return Unsupported("a part of the batch");
  if (all < parts) return Unsupported(all, " parts for ", parts, " outputs");
  std::vector<Value> outputs;
  int64_t begin = 0;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t size = given.has_value() ? (*given)[static_cast<size_t>(i)] : (x.dim(axis) - 1) / all + 1;
    const int64_t count = std::clamp<int64_t>(size, 0, x.dim(axis) - begin);
    ONNX_TRY(const Activation part, Part(node, x, axis, {.begin = begin, .step = 1, .count = count}));
    outputs.emplace_back(part);
    begin += count;
  }
  return outputs;
}

Outputs Gather(OnnxNode& node) {
  ONNX_TRY(Activation x, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr at, node.ConstantAt(1));
  ONNX_TRY(std::vector<int64_t> indices, PlainInts(*at));
  ONNX_TRY(const int64_t axis, NormalAxis(node.attributes.Int("axis", 0), x.rank()));
  if (axis == x.batch_axis) return Unsupported("an index into the batch");
  if (at->dims.size() > 1 || indices.empty()) return Unsupported("indices that are no list");
  const int64_t size = x.dim(axis);
  bool in_order = true;
  for (int64_t& index : indices) {
    if (index < -size || index >= size) return Unsupported("index ", index, " of ", size);
    if (index < 0) index += size;
    in_order &= index == indices[0] + (&index - indices.data());
  }
  const int64_t along = x.NodeAxis(axis);
  if (at->dims.empty()) {
    std::vector<int64_t> dims = x.dims;
    dims.erase(dims.begin() + axis);
    const int64_t batch_axis = x.batch_axis - (axis < x.batch_axis ? 1 : 0);
    if (x.NodeShape().size() > 1 && size > 1) {
      ONNX_TRY(x.node, node.draft.Add(SelectNode{.axis = along, .index = indices[0]}, {x.node}));
    } else {
      ONNX_TRY(x, Part(node, x, axis, {.begin = indices[0], .step = 1, .count = 1}));
    }
    return One(InDims(node, x.node, dims, batch_axis));
  }
  const auto count = static_cast<int64_t>(indices.size());
  if (in_order) {
    ONNX_TRY(x, Part(node, x, axis, {.begin = indices[0], .step = 1, .count = count}));
    return std::vector<Value>{x};
  }
  if (absl::Status status = node.budget.Spend(count); !status.ok()) return status;
  const std::vector<double> positions(indices.begin(), indices.end());
  ONNX_TRY(x.node, node.draft.Add(SampleNode{.axis = along, .positions = positions}, {x.node}));
  x.dims[static_cast<size_t>(axis)] = count;
  return std::vector<Value>{x};
}

// Trained tokens before the others, the last one first.
absl::StatusOr<Value> WithTokens(OnnxNode& node, const Activation& x, const std::vector<TensorPtr>& before) {
  const Shape shape = x.NodeShape();
  NodeId y = x.node;
  for (size_t i = before.size(); i-- > 0;) {
    const TensorPtr& tokens = before[i];
    const int64_t features = shape[1];
    if (tokens->size() % features != 0) return Unsupported("a constant of another number of features");
    for (int64_t row = tokens->size() / features; row-- > 0;) {
      OnnxTensor token{.dims = {1, features}, .is_float = true, .floats = {}, .ints = {}};
      token.floats.assign(tokens->floats.begin() + row * features,
                          tokens->floats.begin() + (row + 1) * features);
      if (absl::Status status = node.budget.Spend(features); !status.ok()) return status;
      ONNX_TRY(y, node.draft.Add(ClassTokenNode{}, {y},
                                 {.weight = std::make_shared<const OnnxTensor>(std::move(token)),
                                  .bias = {},
                                  .mean = {},
                                  .variance = {}}));
    }
  }
  std::vector<int64_t> dims = x.dims;
  dims[static_cast<size_t>(x.batch_axis == 0 ? 1 : 0)] = node.draft.ShapeOf(y)[0];
  return InDims(node, y, dims, x.batch_axis);
}

Outputs Concat(OnnxNode& node) {
  std::vector<TensorPtr> constants;
  std::vector<Activation> parts;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (const auto* tensor = std::get_if<TensorPtr>(&node.inputs[i]); tensor != nullptr) {
      if (!parts.empty() || !(*tensor)->is_float)
        return Unsupported("a constant that is not before the activations");
      constants.push_back(*tensor);
      continue;
    }
    ONNX_TRY(Activation part, node.ActivationAt(i));
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return Unsupported("no inputs");
  const Activation& first = parts[0];
  ONNX_TRY(const int64_t axis, NormalAxis(node.attributes.Int("axis", 1), first.rank()));
  if (axis == first.batch_axis) return Unsupported("images put together");
  if (!constants.empty()) {
    const bool tokens = parts.size() == 1 && first.rank() == 3 && first.per_image() == 1 &&
                        first.NodeAxis(axis) == 0 && first.batch_axis < 2;
    for (const TensorPtr& each : constants) {
      if (!tokens || each->dims.size() != 3 || each->dims[static_cast<size_t>(first.batch_axis)] != 1 ||
          each->dims[2] != first.dim(2)) {
        return Unsupported("a constant beside activations that is no token before others");
      }
    }
    return One(WithTokens(node, first, constants));
  }
  if (parts.size() == 1) return std::vector<Value>{first};
  std::vector<NodeId> nodes;
  std::vector<int64_t> dims = first.dims;
  dims[static_cast<size_t>(axis)] = 0;
  for (const Activation& part : parts) {
    if (part.rank() != first.rank() || part.batch_axis != first.batch_axis ||
        part.per_image() != first.per_image()) {
      return Unsupported("inputs whose dimensions do not fit each other");
    }
    dims[static_cast<size_t>(axis)] += part.dim(axis);
    nodes.push_back(part.node);
  }
  ONNX_TRY(const NodeId y, node.draft.Add(ConcatNode{first.NodeAxis(axis)}, nodes));
  return One(InDims(node, y, dims, first.batch_axis));
}

// Blocks of pixels from channels, or back: split, permute, join.
absl::StatusOr<Value> Rearranged(OnnxNode& node, const Activation& x, const Shape& split,
                                 const std::vector<int64_t>& permutation, const Shape& joined) {
  ONNX_TRY(const NodeId apart, node.draft.Reshape(x.node, split));
  ONNX_TRY(const NodeId turned, node.draft.Transpose(apart, permutation));
  ONNX_TRY(const NodeId together, node.draft.Reshape(turned, joined));
  return FromImage(node, together, 2);
}

Outputs DepthToSpace(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const ImageView image, AsImage(node, x, 2));
  const int64_t block = node.attributes.Int("blocksize", 1);
  const auto [c, h, w] = std::tuple(image.shape[0], image.shape[1], image.shape[2]);
  if (block < 1 || block > 1024 || c % (block * block) != 0) return Unsupported("blocksize ", block);
  const int64_t out = c / (block * block);
  const std::string mode = node.attributes.String("mode", "DCR");
  const Shape joined = {out, h * block, w * block};
  if (mode == "CRD") return One(Rearranged(node, x, {out, block, block, h, w}, {0, 3, 1, 4, 2}, joined));
  if (mode != "DCR") return Unsupported("mode \"", mode, "\"");
  return One(Rearranged(node, x, {block, block, out, h, w}, {2, 3, 0, 4, 1}, joined));
}

Outputs SpaceToDepth(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const ImageView image, AsImage(node, x, 2));
  const int64_t block = node.attributes.Int("blocksize", 1);
  const auto [c, h, w] = std::tuple(image.shape[0], image.shape[1], image.shape[2]);
  if (block < 1 || block > 1024 || h % block != 0 || w % block != 0) return Unsupported("blocksize ", block);
  return One(Rearranged(node, x, {c, h / block, block, w / block, block}, {2, 4, 0, 1, 3},
                        {c * block * block, h / block, w / block}));
}

}  // namespace

const OperatorTable& ShapeOperators() {
  static const auto& table = *new OperatorTable{
      {"Concat", Concat},
      {"DepthToSpace", DepthToSpace},
      {"Gather", Gather},
      {"Shape", ShapeOfActivation},
      {"Size", SizeOfActivation},
      {"Slice", Slice},
      {"SpaceToDepth", SpaceToDepth},
      {"Split", Split},
      {"Transpose", Transpose},
  };
  return table;
}

}  // namespace precis::onnx_reader
