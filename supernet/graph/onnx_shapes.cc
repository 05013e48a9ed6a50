// What moves elements without computing: every image by itself, wherever the batch stands.
#include <algorithm>

#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

// A dimension asked for of Reshape: a number, -1 for what is left, or the batch with so many entries an
// image.
struct Asked {
  int64_t size = 0;
  bool is_batch = false;
};

constexpr int64_t kAllImages = (int64_t{1} << 31) - 1;  // what exporters write for "to the end", or less

// The dimensions if the batch is the one at `batch`, and what is asked for fits the image.
std::optional<std::vector<int64_t>> Resolved(const Activation& x, const std::vector<Asked>& asked,
                                             size_t batch) {
  int64_t before = 1;
  int64_t known = 1;
  int64_t open = -1;
  std::vector<int64_t> dims;
  for (size_t i = 0; i < asked.size(); ++i) {
    dims.push_back(asked[i].size);
    if (asked[i].size == -1) {
      if (open >= 0) return std::nullopt;
      open = static_cast<int64_t>(i);
      continue;
    }
    if (asked[i].size < 1) return std::nullopt;
    known = ElementCount({known, asked[i].size});
  }
  const int64_t elements = ElementCount(x.dims);
  if (elements % known != 0 || (open < 0 && elements != known)) return std::nullopt;
  if (open >= 0) dims[static_cast<size_t>(open)] = elements / known;
  // Only what follows the batch may move: what comes before it runs over all images.
  for (size_t i = 0; i < batch; ++i) before = ElementCount({before, dims[i]});
  if (before != ElementCount({x.dims.begin(), x.dims.begin() + x.batch_axis})) return std::nullopt;
  return dims;
}

}  // namespace

absl::StatusOr<Value> ReshapeActivation(OnnxNode& node, const Activation& x, std::vector<BatchInt> asked,
                                        bool allow_zero) {
  std::vector<Asked> dims;
  size_t batch = asked.size();  // not known
  for (size_t i = 0; i < asked.size(); ++i) {
    const BatchInt& each = asked[i];
    const bool copies = each == BatchInt{} && !allow_zero;
    if (copies && i >= x.dims.size()) return Unsupported("a 0 in the shape that copies nothing");
    const bool is_batch = each.batches != 0 || (copies && static_cast<int64_t>(i) == x.batch_axis);
    if (is_batch && (batch < asked.size() || each.value != 0)) return Unsupported("a shape with two batches");
    if (is_batch) batch = i;
    dims.push_back({copies ? x.dims[i] : is_batch ? each.batches : each.value, is_batch});
  }
  if (batch < asked.size()) {
    if (const auto found = Resolved(x, dims, batch); found.has_value()) {
      return InDims(node, x.node, *found, static_cast<int64_t>(batch));
    }
    return Unsupported("a shape that mixes images or does not fit");
  }
  // The file is written for a number of images; which dimension is theirs follows from what comes before.
  const int64_t images = std::max<int64_t>(node.batch, 1);
  for (size_t i = 0; i < dims.size(); ++i) {
    std::vector<Asked> candidate = dims;
    const bool open = dims[i].size == -1;
    if (!open && (dims[i].size % images != 0 || (node.batch == 0 && dims[i].size != 1))) continue;
    if (!open) candidate[i].size /= images;
    const auto found = Resolved(x, candidate, i);
    if (found.has_value()) return InDims(node, x.node, *found, static_cast<int64_t>(i));
  }
  return Unsupported("a shape that mixes images or does not fit");
}

namespace {

Outputs Reshape(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  std::vector<BatchInt> asked;
  if (const auto given = node.attributes.Ints("shape"); given.has_value()) {
    for (const int64_t each : *given) asked.push_back({each, 0});
  } else {
    ONNX_TRY(const TensorPtr shape, node.ConstantAt(1));
    if (shape->is_float) return Unsupported("floats where integers belong");
    asked = shape->ints;
  }
  return One(ReshapeActivation(node, x, asked, node.attributes.Int("allowzero", 0) != 0));
}

Outputs Flatten(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  int64_t axis = node.attributes.Int("axis", 1);
  if (axis < -x.rank() || axis > x.rank()) return Unsupported("axis ", axis);
  if (axis < 0) axis += x.rank();
  std::vector<BatchInt> asked(2, BatchInt{1, 0});
  for (int64_t i = 0; i < x.rank(); ++i) {
    int64_t& size = asked[i < axis ? 0 : 1].value;
    size = ElementCount({size, x.dim(i)});
  }
  BatchInt& with_batch = asked[x.batch_axis < axis ? 0 : 1];
  with_batch = {0, with_batch.value};
  return One(ReshapeActivation(node, x, asked, false));
}

Outputs Squeeze(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const auto given, node.IntsAt("axes", 1));
  std::vector<bool> goes(x.dims.size(), false);
  for (int64_t i = 0; i < x.rank() && !given.has_value(); ++i) {
    goes[static_cast<size_t>(i)] = x.dim(i) == 1 && i != x.batch_axis;
  }
  for (const int64_t each : given.value_or(std::vector<int64_t>())) {
    ONNX_TRY(const int64_t axis, NormalAxis(each, x.rank()));
    if (axis == x.batch_axis || x.dim(axis) != 1) return Unsupported("axis ", each, ", whose size is not 1");
    goes[static_cast<size_t>(axis)] = true;
  }
  std::vector<int64_t> dims;
  int64_t batch_axis = x.batch_axis;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (!goes[static_cast<size_t>(i)]) dims.push_back(x.dim(i));
    if (goes[static_cast<size_t>(i)] && i < x.batch_axis) --batch_axis;
  }
  return One(InDims(node, x.node, dims, batch_axis));
}

Outputs Unsqueeze(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const auto given, node.IntsAt("axes", 1));
  if (!given.has_value()) return Unsupported("axes are missing");
  const auto rank = x.rank() + static_cast<int64_t>(given->size());
  std::vector<bool> is_new(static_cast<size_t>(rank), false);
  for (const int64_t each : *given) {
    ONNX_TRY(const int64_t axis, NormalAxis(each, rank));
    if (is_new[static_cast<size_t>(axis)]) return Unsupported("axis ", each, " twice");
    is_new[static_cast<size_t>(axis)] = true;
  }
  std::vector<int64_t> dims;
  int64_t batch_axis = 0;
  int64_t next = 0;
  for (int64_t i = 0; i < rank; ++i) {
    if (!is_new[static_cast<size_t>(i)] && next == x.batch_axis) batch_axis = i;
    dims.push_back(is_new[static_cast<size_t>(i)] ? 1 : x.dim(next++));
  }
  return One(InDims(node, x.node, dims, batch_axis));
}

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
      {"Flatten", Flatten},
      {"Gather", Gather},
      {"Reshape", Reshape},
      {"Shape", ShapeOfActivation},
      {"Size", SizeOfActivation},
      {"Slice", Slice},
      {"SpaceToDepth", SpaceToDepth},
      {"Split", Split},
      {"Squeeze", Squeeze},
      {"Transpose", Transpose},
      {"Unsqueeze", Unsqueeze},
  };
  return table;
}

}  // namespace precis::onnx_reader
