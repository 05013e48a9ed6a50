// The tables joined, and what operators share.
#include "supernet/graph/onnx_operators.h"

#include <algorithm>
#include <array>
#include <limits>

namespace precis::onnx_reader {
namespace {

constexpr size_t kMaxRank = 8;
constexpr int64_t kMaxAttribute = int64_t{1} << 20;

std::array<const OperatorTable*, 8> Tables() {
  return {&LayerOperators(), &NormOperators(),    &ElementwiseOperators(), &ArithmeticOperators(),
          &PoolOperators(),  &ReshapeOperators(), &ShapeOperators(),       &ResampleOperators()};
}

// Two entries, height and width, from one for each spatial dimension.
absl::StatusOr<Extent> ExtentOf(const std::optional<std::vector<int64_t>>& given, int64_t spatial,
                                const char* name) {
  if (!given.has_value()) return Extent(1);
  if (static_cast<int64_t>(given->size()) != spatial) {
    return Unsupported(name, " has ", given->size(), " entries for ", spatial, " spatial dimension(s)");
  }
  for (const int64_t each : *given) {
    if (each < 1 || each > kMaxAttribute) {
      return Unsupported(name, " is ", each, ", allowed are 1 to ", kMaxAttribute);
    }
  }
  return spatial == 1 ? Extent(1, (*given)[0]) : Extent((*given)[0], (*given)[1]);
}

struct Edge {
  int64_t before = 0;
  int64_t after = 0;
};

// Padding that gives ceil(size / stride) windows.
Edge SameEdge(int64_t size, int64_t reach, int64_t stride, bool upper) {
  const int64_t positions = (size + stride - 1) / stride;
  const int64_t total = std::max<int64_t>(0, (positions - 1) * stride + reach - size);
  const int64_t less = total / 2;
  return upper ? Edge{less, total - less} : Edge{total - less, less};
}

// What rounding up the number of windows adds; the last must begin within the image or the padding before it.
int64_t RoundedUp(int64_t size, const Edge& edge, int64_t reach, int64_t stride) {
  const int64_t span = size + edge.before + edge.after - reach;
  if (span < 0) return 0;
  int64_t positions = (span + stride - 1) / stride + 1;
  if ((positions - 1) * stride >= size + edge.before) --positions;
  return std::max<int64_t>(0, (positions - 1) * stride - span);
}

}  // namespace

Operator FindOperator(std::string_view op) {
  for (const OperatorTable* table : Tables()) {
    if (const auto found = table->find(op); found != table->end()) return found->second;
  }
  return nullptr;
}

std::vector<std::string> SupportedOperators() {
  std::vector<std::string> names;
  for (const OperatorTable* table : Tables()) {
    for (const auto& [name, build] : *table) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<Value> InDims(OnnxNode& node, NodeId id, std::vector<int64_t> dims, int64_t batch_axis) {
  if (dims.size() > kMaxRank) return Unsupported("more than ", kMaxRank, " dimensions");
  Activation activation{.node = id, .dims = std::move(dims), .batch_axis = batch_axis};
  ONNX_TRY(activation.node, node.draft.Reshape(id, activation.NodeShape()));
  return activation;
}

Outputs One(absl::StatusOr<Value> value) {
  if (!value.ok()) return value.status();
  return std::vector<Value>{*std::move(value)};
}

absl::StatusOr<Value> Like(const Activation& x, const Draft::Added& node) {
  if (!node.ok()) return node.status();
  return Activation{.node = *node, .dims = x.dims, .batch_axis = x.batch_axis};
}

Draft::Added Clipped(Draft& draft, NodeId x, double low, double high) {
  constexpr double largest = std::numeric_limits<float>::max();
  if (low <= -largest && high >= largest) return x;
  if (low == 0 && high >= largest) return draft.Activate(x, ActivationKind::kRelu);
  return draft.Activate(x, ActivationKind::kClip, std::max(low, -largest), std::min(high, largest));
}

absl::StatusOr<TensorPtr> OptionalFloats(const OnnxNode& node, size_t input) {
  if (!node.Has(input)) return TensorPtr();
  return node.FloatsAt(input);
}

absl::Status RequireSize(const TensorPtr& tensor, int64_t size, const char* what) {
  if (tensor == nullptr || tensor->size() == size) return absl::OkStatus();
  return Unsupported("the ", what, " has ", tensor->size(), " elements, expected are ", size);
}

absl::StatusOr<ImageView> AsImage(OnnxNode& node, const Activation& x, int64_t least_spatial) {
  const int64_t spatial = x.rank() - 2;
  if (x.batch_axis != 0 || x.per_image() != 1) {
    return Unsupported("images must come with the batch as the first dimension, by itself");
  }
  if (spatial < least_spatial || spatial > 2) {
    return Unsupported("an input of ", x.rank(), " dimensions; images have 4, signals 3");
  }
  Shape shape = {x.dim(1), 1, 1};
  for (int64_t i = 0; i < spatial; ++i) shape[static_cast<size_t>(3 - spatial + i)] = x.dim(2 + i);
  ONNX_TRY(const NodeId image, node.draft.Reshape(x.node, shape));
  return ImageView{.node = image, .shape = shape, .spatial = spatial};
}

absl::StatusOr<Value> FromImage(OnnxNode& node, NodeId image, int64_t spatial) {
  const Shape& shape = node.draft.ShapeOf(image);
  std::vector<int64_t> dims = {1, shape[0]};
  for (int64_t i = 0; i < spatial; ++i) dims.push_back(shape[static_cast<size_t>(3 - spatial + i)]);
  return InDims(node, image, dims, 0);
}

absl::StatusOr<Windows> ReadWindows(OnnxNode& node, const std::vector<int64_t>& kernel,
                                    const ImageView& image) {
  Windows windows;
  ONNX_TRY(windows.kernel, ExtentOf(kernel, image.spatial, "kernel_shape"));
  ONNX_TRY(windows.stride, ExtentOf(node.attributes.Ints("strides"), image.spatial, "strides"));
  ONNX_TRY(windows.dilation, ExtentOf(node.attributes.Ints("dilations"), image.spatial, "dilations"));
  const Extent reach(windows.dilation.height * (windows.kernel.height - 1) + 1,
                     windows.dilation.width * (windows.kernel.width - 1) + 1);
  Edge down;
  Edge across;
  const std::string automatic = node.attributes.String("auto_pad", "NOTSET");
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    const bool upper = automatic == "SAME_UPPER";
    if (image.spatial == 2) down = SameEdge(image.shape[1], reach.height, windows.stride.height, upper);
    across = SameEdge(image.shape[2], reach.width, windows.stride.width, upper);
  } else if (automatic == "NOTSET") {
    const std::vector<int64_t> pads = node.attributes.Ints("pads").value_or(
        std::vector<int64_t>(static_cast<size_t>(2 * image.spatial), 0));
    if (static_cast<int64_t>(pads.size()) != 2 * image.spatial) {
      return Unsupported("pads has ", pads.size(), " entries for ", image.spatial, " spatial dimension(s)");
    }
    for (const int64_t each : pads) {
      if (each < 0 || each > kMaxAttribute) {
        return Unsupported("pads has ", each, ", allowed are 0 to ", kMaxAttribute);
      }
    }
    if (image.spatial == 2) down = {pads[0], pads[2]};
    across = image.spatial == 2 ? Edge{pads[1], pads[3]} : Edge{pads[0], pads[1]};
  } else if (automatic != "VALID") {
    return Unsupported("auto_pad \"", automatic, "\"");
  }
  if (node.attributes.Int("ceil_mode", 0) != 0) {
    const int64_t below = RoundedUp(image.shape[1], down, reach.height, windows.stride.height);
    const int64_t right = RoundedUp(image.shape[2], across, reach.width, windows.stride.width);
    windows.beyond = below > 0 || right > 0;
    down.after += below;
    across.after += right;
  }
  windows.padding = Padding(down.before, across.before, down.after, across.after);
  return windows;
}

absl::Status RequireOneOutput(const OnnxNode& node) {
  if (node.outputs <= 1) return absl::OkStatus();
  return Unsupported("an output beyond the first is read");
}

Activation Extended(const Activation& x, size_t rank) {
  Activation extended = x;
  if (rank <= x.dims.size()) return extended;
  const size_t missing = rank - x.dims.size();
  extended.dims.insert(extended.dims.begin(), missing, 1);
  extended.batch_axis += static_cast<int64_t>(missing);
  return extended;
}

}  // namespace precis::onnx_reader
