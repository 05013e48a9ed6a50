// Convolutions and products: the layers.
#include <algorithm>

#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

TensorPtr Shared(OnnxTensor tensor) { return std::make_shared<const OnnxTensor>(std::move(tensor)); }

absl::StatusOr<TensorPtr> Times(const TensorPtr& tensor, double factor, Budget& budget) {
  if (factor == 1) return tensor;
  if (absl::Status status = budget.Spend(tensor->size()); !status.ok()) return status;
  OnnxTensor scaled = *tensor;
  for (float& value : scaled.floats) value = static_cast<float>(value * factor);
  return Shared(std::move(scaled));
}

absl::StatusOr<NodeId> AddConv(OnnxNode& node, NodeId image, Conv2dNode conv, const TensorPtr& weight,
                               const TensorPtr& bias) {
  conv.bias = bias != nullptr;
  const int64_t channels = node.draft.ShapeOf(image)[0];
  if (conv.groups < 1 || channels % conv.groups != 0 ||
      weight->size() / std::max<int64_t>(conv.out_channels, 1) !=
          channels / conv.groups * conv.kernel.height * conv.kernel.width) {
    return Unsupported("a weight that does not fit ", channels, " channels in ", conv.groups, " group(s)");
  }
  if (absl::Status fits = RequireSize(bias, conv.out_channels, "bias"); !fits.ok()) return fits;
  return node.draft.Add(conv, {image}, {.weight = weight, .bias = bias, .mean = {}, .variance = {}});
}

std::vector<int64_t> KernelOf(const OnnxTensor& weight) {
  return {weight.dims.begin() + 2, weight.dims.end()};
}

Outputs Conv(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr weight, node.FloatsAt(1));
  ONNX_TRY(const TensorPtr bias, OptionalFloats(node, 2));
  ONNX_TRY(const ImageView image, AsImage(node, x));
  if (static_cast<int64_t>(weight->dims.size()) != image.spatial + 2) {
    return Unsupported("a weight of ", weight->dims.size(), " dimensions");
  }
  ONNX_TRY(Windows windows, ReadWindows(node, KernelOf(*weight), image));
  NodeId from = image.node;
  // Zeros put around the image are padding.
  if (const auto* pad = node.draft.As<PadNode>(from);
      pad != nullptr && pad->value == 0 && pad->before[0] == 0 && pad->after[0] == 0) {
    Padding& padding = windows.padding;
    padding = Padding(padding.top + pad->before[1], padding.left + pad->before[2],
                      padding.bottom + pad->after[1], padding.right + pad->after[2]);
    from = node.draft.InputOf(from);
  }
  ONNX_TRY(const NodeId conv, AddConv(node, from,
                                      {.out_channels = weight->dims[0],
                                       .kernel = windows.kernel,
                                       .stride = windows.stride,
                                       .padding = windows.padding,
                                       .dilation = windows.dilation,
                                       .groups = node.attributes.Int("group", 1)},
                                      weight, bias));
  return One(FromImage(node, conv, image.spatial));
}

// {in, out / groups, …} with the kernel turned round, as {out, in / groups, …}.
absl::StatusOr<OnnxTensor> TurnedKernel(const OnnxTensor& weight, int64_t groups, Budget& budget) {
  if (groups < 1 || weight.dims[0] % groups != 0)
    return Unsupported(groups, " groups of ", weight.dims[0], " channels");
  const int64_t in = weight.dims[0] / groups;
  const int64_t out = weight.dims[1];
  const int64_t height = weight.dims.size() == 4 ? weight.dims[2] : 1;
  const int64_t width = weight.dims.back();
  const int64_t area = height * width;
  if (area == 0) return Unsupported("an empty weight");
  ONNX_TRY(OnnxTensor turned, Strided(weight, {groups, out, in, height, width},
                                      {in * out * area, area, out * area, -width, -1}, area - 1, budget));
  turned.dims = {groups * out, in, height, width};
  return turned;
}

// With `stride` - 1 zeros after every pixel.
absl::StatusOr<NodeId> ZerosBetween(OnnxNode& node, NodeId image, const Extent& stride) {
  if (stride == Extent(1)) return image;
  const Shape shape = node.draft.ShapeOf(image);
  ONNX_TRY(const NodeId apart, node.draft.Reshape(image, {shape[0], shape[1], 1, shape[2], 1}));
  ONNX_TRY(
      const NodeId stuffed,
      node.draft.Add(PadNode{{0, 0, 0, 0, 0}, {0, 0, stride.height - 1, 0, stride.width - 1}, 0}, {apart}));
  return node.draft.Reshape(stuffed, {shape[0], shape[1] * stride.height, shape[2] * stride.width});
}

// Along one dimension of a transposed convolution: padding of the convolution on the stuffed image, below 0
// where the result is cut.
struct TransposedEdge {
  int64_t before = 0;
  int64_t after = 0;
};

absl::StatusOr<std::vector<TransposedEdge>> TransposedEdges(OnnxNode& node, const Windows& windows,
                                                            const ImageView& image) {
  const auto extra = node.attributes.Ints("output_padding");
  const auto wanted = node.attributes.Ints("output_shape");
  const std::string automatic = node.attributes.String("auto_pad", "NOTSET");
  std::vector<TransposedEdge> edges;
  for (int64_t i = 0; i < 2; ++i) {
    const bool down = i == 0;
    const int64_t at = i - (2 - image.spatial);
    if (at < 0) {
      edges.push_back({});
      continue;
    }
    const auto entry = [at](const auto& list) { return (*list)[static_cast<size_t>(at)]; };
    for (const auto* list : {&extra, &wanted}) {
      if (!list->has_value()) continue;
      if (static_cast<int64_t>((*list)->size()) != image.spatial)
        return Unsupported("lists of another length");
      if (entry(*list) < 0 || entry(*list) > (int64_t{1} << 20))
        return Unsupported("output sizes out of range");
    }
    const int64_t stride = down ? windows.stride.height : windows.stride.width;
    const int64_t reach = down ? windows.dilation.height * (windows.kernel.height - 1)
                               : windows.dilation.width * (windows.kernel.width - 1);
    const int64_t more = extra.has_value() ? entry(extra) : 0;
    const int64_t size = image.shape[static_cast<size_t>(1 + i)];
    int64_t before = down ? windows.padding.top : windows.padding.left;
    int64_t after = down ? windows.padding.bottom : windows.padding.right;
    const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
    if (wanted.has_value() || same) {
      const int64_t output = wanted.has_value() ? entry(wanted) : size * stride;
      const int64_t total = stride * (size - 1) + more + reach + 1 - output;
      const int64_t half = total >> 1;  // rounded down, also below 0
      before = automatic == "SAME_UPPER" ? half : total - half;
      after = total - before;
    }
    edges.push_back({reach - before, reach - after + more - (stride - 1)});
  }
  return edges;
}

Outputs ConvTranspose(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr weight, node.FloatsAt(1));
  ONNX_TRY(const TensorPtr bias, OptionalFloats(node, 2));
  ONNX_TRY(const ImageView image, AsImage(node, x));
  if (static_cast<int64_t>(weight->dims.size()) != image.spatial + 2) {
    return Unsupported("a weight of ", weight->dims.size(), " dimensions");
  }
  ONNX_TRY(const Windows windows, ReadWindows(node, KernelOf(*weight), image));
  const int64_t groups = node.attributes.Int("group", 1);
  ONNX_TRY(OnnxTensor turned, TurnedKernel(*weight, groups, node.budget));
  const int64_t out_channels = turned.dims[0];
  ONNX_TRY(const std::vector<TransposedEdge> edges, TransposedEdges(node, windows, image));
  ONNX_TRY(const NodeId stuffed, ZerosBetween(node, image.node, windows.stride));
  const auto padding = [](int64_t edge) { return std::max<int64_t>(edge, 0); };
  ONNX_TRY(NodeId y, AddConv(node, stuffed,
                             {.out_channels = out_channels,
                              .kernel = windows.kernel,
                              .padding = {padding(edges[0].before), padding(edges[1].before),
                                          padding(edges[0].after), padding(edges[1].after)},
                              .dilation = windows.dilation,
                              .groups = groups},
                             Shared(std::move(turned)), bias));
  for (size_t i = 0; i < 2; ++i) {
    const int64_t size = node.draft.ShapeOf(y)[i + 1];
    const int64_t begin = std::max<int64_t>(-edges[i].before, 0);
    const int64_t end = size - std::max<int64_t>(-edges[i].after, 0);
    if (begin == 0 && end == size) continue;
    ONNX_TRY(y,
             node.draft.Add(SliceNode{.axis = static_cast<int64_t>(i + 1), .begin = begin, .end = end}, {y}));
  }
  return One(FromImage(node, y, image.spatial));
}

// y = x · weightᵀ + bias along the last dimension, which is no batch; weight {out, in}.
absl::StatusOr<Value> AddLinear(OnnxNode& node, const Activation& x, const TensorPtr& weight,
                                const TensorPtr& bias) {
  const int64_t in = x.dims.back();
  const int64_t out = weight->dims[0];
  if (x.batch_axis == x.rank() - 1) return Unsupported("a product along the batch");
  if (weight->dims[1] != in) return Unsupported("a weight for ", weight->dims[1], " features of ", in);
  if (absl::Status fits = RequireSize(bias, out, "bias"); !fits.ok()) return fits;
  const Shape shape = x.NodeShape();
  NodeId from = x.node;
  if (shape.size() > 2) {
    ONNX_TRY(from, node.draft.Reshape(from, {ElementCount(shape) / in, in}));
  }
  ONNX_TRY(const NodeId y, node.draft.Add(LinearNode{.out_features = out, .bias = bias != nullptr}, {from},
                                          {.weight = weight, .bias = bias, .mean = {}, .variance = {}}));
  std::vector<int64_t> dims = x.dims;
  dims.back() = out;
  return InDims(node, y, dims, x.batch_axis);
}

Outputs Gemm(OnnxNode& node) {
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  ONNX_TRY(TensorPtr weight, node.FloatsAt(1));
  ONNX_TRY(TensorPtr bias, OptionalFloats(node, 2));
  if (node.attributes.Int("transA", 0) != 0) return Unsupported("transA: a product along the batch");
  if (x.rank() != 2 || weight->dims.size() != 2) return Unsupported("operands that are no matrices");
  ONNX_TRY(weight, Times(weight, node.attributes.Float("alpha", 1), node.budget));
  if (node.attributes.Int("transB", 0) == 0) {
    ONNX_TRY(OnnxTensor turned, Transposed(*weight, {1, 0}, node.budget));
    weight = Shared(std::move(turned));
  }
  if (bias != nullptr) {
    ONNX_TRY(bias, Times(bias, node.attributes.Float("beta", 1), node.budget));
    OnnxTensor row = *bias;
    while (row.dims.size() > 1 && row.dims[0] == 1) row.dims.erase(row.dims.begin());
    if (row.dims.size() > 1) return Unsupported("a C that differs between rows");
    ONNX_TRY(OnnxTensor whole, BroadcastTo(row, {weight->dims[0]}, node.budget));
    bias = Shared(std::move(whole));
  }
  return One(AddLinear(node, x, weight, bias));
}

absl::StatusOr<Activation> SwapLastTwo(OnnxNode& node, const Activation& x) {
  const int64_t rank = x.rank();
  if (rank < 2 || x.batch_axis >= rank - 2) return Unsupported("a product along the batch");
  std::vector<int64_t> permutation;
  const auto node_rank = static_cast<int64_t>(x.NodeShape().size());
  for (int64_t i = 0; i < node_rank; ++i) permutation.push_back(i);
  std::swap(permutation[static_cast<size_t>(node_rank - 1)], permutation[static_cast<size_t>(node_rank - 2)]);
  Activation swapped = x;
  ONNX_TRY(swapped.node, node.draft.Transpose(x.node, permutation));
  std::swap(swapped.dims[static_cast<size_t>(rank - 1)], swapped.dims[static_cast<size_t>(rank - 2)]);
  return swapped;
}

// Of two activations: every image's own.
absl::StatusOr<Value> MatMulOfTwo(OnnxNode& node, const Activation& a, const Activation& b) {
  if (a.rank() != b.rank() || a.batch_axis != b.batch_axis || a.per_image() != b.per_image() ||
      a.batch_axis >= a.rank() - 2) {
    return Unsupported("two activations whose batches do not stand at the same place before the matrices");
  }
  const Shape first = a.NodeShape();
  const Shape second = b.NodeShape();
  const Shape lead(first.begin(), first.end() - 2);
  if (lead != Shape(second.begin(), second.end() - 2)) return Unsupported("products that repeat one operand");
  const auto flat = [&](NodeId id, const Shape& shape) -> absl::StatusOr<NodeId> {
    if (shape.size() <= 3) return id;
    return node.draft.Reshape(id, {ElementCount(lead), shape[shape.size() - 2], shape.back()});
  };
  ONNX_TRY(const NodeId x, flat(a.node, first));
  ONNX_TRY(const NodeId y, flat(b.node, second));
  ONNX_TRY(const NodeId product, node.draft.Add(MatMulNode{}, {x, y}));
  std::vector<int64_t> dims = a.dims;
  dims.back() = b.dims.back();
  return InDims(node, product, dims, a.batch_axis);
}

Outputs MatMul(OnnxNode& node) {
  if (node.inputs.size() == 2 && std::holds_alternative<TensorPtr>(node.inputs[0])) {
    ONNX_TRY(const TensorPtr weight, node.FloatsAt(0));
    ONNX_TRY(const Activation x, node.ActivationAt(1));
    if (weight->dims.size() != 2) return Unsupported("a constant that is no matrix");
    ONNX_TRY(const Activation turned, SwapLastTwo(node, x));
    ONNX_TRY(const Value product, AddLinear(node, turned, weight, nullptr));
    ONNX_TRY(const Activation y, SwapLastTwo(node, std::get<Activation>(product)));
    return std::vector<Value>{y};
  }
  ONNX_TRY(const Activation x, node.ActivationAt(0));
  if (node.Has(1) && std::holds_alternative<Activation>(node.inputs[1])) {
    return One(MatMulOfTwo(node, x, std::get<Activation>(node.inputs[1])));
  }
  ONNX_TRY(const TensorPtr weight, node.FloatsAt(1));
  if (weight->dims.size() != 2) return Unsupported("a constant that is no matrix");
  ONNX_TRY(OnnxTensor turned, Transposed(*weight, {1, 0}, node.budget));
  return One(AddLinear(node, x, Shared(std::move(turned)), nullptr));
}

}  // namespace

const OperatorTable& LayerOperators() {
  static const auto& table = *new OperatorTable{
      {"Conv", Conv},
      {"ConvTranspose", ConvTranspose},
      {"Gemm", Gemm},
      {"MatMul", MatMul},
  };
  return table;
}

}  // namespace precis::onnx_reader
