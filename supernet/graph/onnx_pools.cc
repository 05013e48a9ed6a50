// Pools, means and softmax: what looks at many elements and has no weights.
#include <algorithm>

#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

absl::StatusOr<Windows> PoolWindows(OnnxNode& node, const ImageView& image) {
  const auto kernel = node.attributes.Ints("kernel_shape");
  if (!kernel.has_value()) return Unsupported("no kernel_shape");
  return ReadWindows(node, *kernel, image);
}

Outputs MaxPool(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  if (absl::Status one = RequireOneOutput(node); !one.ok()) return one;
  ONNX_TRY(const ImageView image, AsImage(node, x));
  ONNX_TRY(const Windows windows, PoolWindows(node, image));
  ONNX_TRY(const NodeId y, node.draft.Add(MaxPoolNode{.kernel = windows.kernel,
                                                      .stride = windows.stride,
                                                      .padding = windows.padding,
                                                      .dilation = windows.dilation},
                                          {image.node}));
  return One(FromImage(node, y, image.spatial));
}

Outputs AveragePool(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const ImageView image, AsImage(node, x));
  ONNX_TRY(const Windows windows, PoolWindows(node, image));
  if (windows.dilation != Extent(1)) return Unsupported("dilations");
  bool includes = node.attributes.Int("count_include_pad", 0) != 0;
  if (includes && windows.beyond) {
    const Padding& padding = windows.padding;
    if (padding.top != 0 || padding.left != 0) {
      return Unsupported("count_include_pad with windows that ceil_mode lets leave the padding");
    }
    includes = false;  // there is no padding but what rounding up made, which never counts
  }
  ONNX_TRY(const NodeId y, node.draft.Add(AveragePoolNode{.kernel = windows.kernel,
                                                          .stride = windows.stride,
                                                          .padding = windows.padding,
                                                          .count_include_pad = includes},
                                          {image.node}));
  return One(FromImage(node, y, image.spatial));
}

// Of all but batch and channels.
std::vector<int64_t> SpatialAxes(const Activation& x) {
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
  return axes;
}

// Along dimensions that rise; they stay, with size 1, or go.
absl::StatusOr<Value> MeanAlong(OnnxNode& node, const Activation& x, const std::vector<int64_t>& axes,
                                bool keep, bool is_sum) {
  std::vector<int64_t> node_axes;
  std::vector<int64_t> dims;
  int64_t count = 1;
  int64_t batch_axis = x.batch_axis;
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    const bool reduced = std::binary_search(axes.begin(), axes.end(), axis);
    if (!reduced || keep) dims.push_back(reduced ? 1 : x.dim(axis));
    if (!reduced) continue;
    if (axis == x.batch_axis) return Unsupported("a mean over the batch");
    if (axis < x.batch_axis && !keep) --batch_axis;
    node_axes.push_back(x.NodeAxis(axis));
    count *= x.dim(axis);
  }
  if (node_axes.empty()) return x;
  const bool of_pixels = x.NodeShape().size() == 3 && node_axes == std::vector<int64_t>{1, 2};
  ONNX_TRY(NodeId y, of_pixels ? node.draft.Add(GlobalAveragePoolNode{}, {x.node})
                               : node.draft.Add(MeanNode{node_axes}, {x.node}));
  if (is_sum) {
    ONNX_TRY(y, node.draft.Scale(y, static_cast<double>(count), 0));
  }
  return InDims(node, y, dims, batch_axis);
}

template <bool is_sum>
Outputs Reduce(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const auto given, node.IntsAt("axes", 1));
  const bool none = !given.has_value() || given->empty();
  if (none && node.attributes.Int("noop_with_empty_axes", 0) != 0) return std::vector<Value>{x};
  if (none) return Unsupported("a mean over the batch");
  std::vector<int64_t> axes;
  for (const int64_t each : *given) {
    ONNX_TRY(const int64_t axis, NormalAxis(each, x.rank()));
    axes.push_back(axis);
  }
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  return One(MeanAlong(node, x, axes, node.attributes.Int("keepdims", 1) != 0, is_sum));
}

absl::Status RequireChannels(const Activation& x) {
  if (x.batch_axis == 0 && x.per_image() == 1 && x.rank() >= 3) return absl::OkStatus();
  return Unsupported("an input that is not batch, channels and pixels");
}

Outputs GlobalAveragePool(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  if (absl::Status fits = RequireChannels(x); !fits.ok()) return fits;
  return One(MeanAlong(node, x, SpatialAxes(x), /*keep=*/true, /*is_sum=*/false));
}

Outputs GlobalMaxPool(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  if (absl::Status fits = RequireChannels(x); !fits.ok()) return fits;
  ONNX_TRY(const ImageView image, AsImage(node, x));
  const Extent whole(image.shape[1], image.shape[2]);
  ONNX_TRY(const NodeId y, node.draft.Add(MaxPoolNode{.kernel = whole, .stride = 1}, {image.node}));
  return One(FromImage(node, y, image.spatial));
}

Outputs Softmax(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  const bool flattens = node.opset < 13;
  ONNX_TRY(const int64_t axis, NormalAxis(node.attributes.Int("axis", flattens ? 1 : -1), x.rank()));
  if (axis == x.batch_axis || (flattens && axis < x.batch_axis))
    return Unsupported("a softmax over the batch");
  NodeId y = x.node;
  Shape shape = x.NodeShape();
  std::vector<int64_t> permutation;
  if (flattens) {
    shape.erase(shape.end() - (x.rank() - axis), shape.end());
    shape.push_back(ElementCount({x.dims.begin() + axis, x.dims.end()}));
    ONNX_TRY(y, node.draft.Reshape(y, shape));
  } else {
    for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) permutation.push_back(i);
    std::swap(permutation[static_cast<size_t>(x.NodeAxis(axis))], permutation.back());
    ONNX_TRY(y, node.draft.Transpose(y, permutation));
  }
  ONNX_TRY(y, node.draft.Add(SoftmaxNode{}, {y}));
  if (!flattens) {
    ONNX_TRY(y, node.draft.Transpose(y, permutation));  // a swap is its own inverse
  }
  return One(InDims(node, y, x.dims, x.batch_axis));
}

}  // namespace

const OperatorTable& PoolOperators() {
  static const auto& table = *new OperatorTable{
      {"AveragePool", AveragePool},
      {"GlobalAveragePool", GlobalAveragePool},
      {"GlobalMaxPool", GlobalMaxPool},
      {"MaxPool", MaxPool},
      {"ReduceMean", Reduce<false>},
      {"ReduceSum", Reduce<true>},
      {"Softmax", Softmax},
  };
  return table;
}

}  // namespace precis::onnx_reader
