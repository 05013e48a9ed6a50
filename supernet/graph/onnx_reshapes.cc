// Other dimensions for the same elements: every image by itself, wherever the batch stands.
#include <algorithm>

#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

// A dimension asked for of Reshape: a number, -1 for what is left, or the batch with so many entries an
// image.
struct Asked {
  int64_t size = 0;
  bool is_batch = false;
};

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

}  // namespace

const OperatorTable& ReshapeOperators() {
  static const auto& table = *new OperatorTable{
      {"Flatten", Flatten},
      {"Reshape", Reshape},
      {"Squeeze", Squeeze},
      {"Unsqueeze", Unsqueeze},
  };
  return table;
}

}  // namespace precis::onnx_reader
