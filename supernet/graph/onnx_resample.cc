// What repeats, mirrors and interpolates elements, one dimension after the other.
#include <algorithm>
#include <cmath>

#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 20;

// One dimension, not the batch, at these positions.
absl::StatusOr<Activation> Sampled(OnnxNode& node, Activation x, int64_t axis,
                                   std::vector<double> positions) {
  bool same = static_cast<int64_t>(positions.size()) == x.dim(axis);
  for (size_t i = 0; i < positions.size() && same; ++i) same = positions[i] == static_cast<double>(i);
  if (same) return x;
  if (axis == x.batch_axis) return Unsupported("it changes the batch");
  if (absl::Status status = node.budget.Spend(static_cast<int64_t>(positions.size())); !status.ok())
    return status;
  x.dims[static_cast<size_t>(axis)] = static_cast<int64_t>(positions.size());
  const int64_t along = x.NodeAxis(axis);
  ONNX_TRY(x.node, node.draft.Add(SampleNode{.axis = along, .positions = std::move(positions)}, {x.node}));
  return x;
}

absl::Status RequireSize(int64_t size) {
  if (size >= 1 && size <= kMaxSize) return absl::OkStatus();
  return Unsupported("a dimension of ", size, ", allowed are 1 to ", kMaxSize);
}

Outputs Expand(OnnxNode& node) {
  ONNX_TRY(const Activation given, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr shape, node.ConstantAt(1));
  if (shape->is_float) return Unsupported("floats where integers belong");
  Activation x = Extended(given, shape->ints.size());
  const size_t missing = x.dims.size() - shape->ints.size();
  for (size_t i = 0; i < shape->ints.size(); ++i) {
    const auto axis = static_cast<int64_t>(missing + i);
    const BatchInt& asked = shape->ints[i];
    const int64_t size = x.dim(axis);
    if (axis == x.batch_axis) {
      const bool same = asked == BatchInt{0, size} || asked == BatchInt{1, 0} ||
                        (node.batch > 0 && asked == BatchInt{node.batch * size, 0});
      if (!same) return Unsupported("it changes the batch");
      continue;
    }
    if (asked.batches != 0) return Unsupported("a shape with two batches");
    if (asked.value == 1 || asked.value == size) continue;
    if (absl::Status status = RequireSize(asked.value); !status.ok()) return status;
    if (size != 1) return Unsupported("a shape that does not fit");
    ONNX_TRY(x, Sampled(node, x, axis, std::vector<double>(static_cast<size_t>(asked.value), 0)));
  }
  return One(InDims(node, x.node, x.dims, x.batch_axis));
}

Outputs Tile(OnnxNode& node) {
  ONNX_TRY(Activation x, node.ActivationAt(0));
  ONNX_TRY(const TensorPtr constant, node.ConstantAt(1));
  ONNX_TRY(const std::vector<int64_t> repeats, PlainInts(*constant));
  if (repeats.size() != x.dims.size()) return Unsupported(repeats.size(), " repeats");
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    const int64_t times = repeats[static_cast<size_t>(axis)];
    const int64_t size = x.dim(axis);
    if (times == 1) continue;
    if (times < 1 || times > kMaxSize) return Unsupported(times, " repeats");
    if (absl::Status status = RequireSize(size * times); !status.ok()) return status;
    std::vector<double> positions;
    for (int64_t i = 0; i < size * times; ++i) positions.push_back(static_cast<double>(i % size));
    ONNX_TRY(x, Sampled(node, x, axis, std::move(positions)));
  }
  return std::vector<Value>{x};
}

// ---- Pad

// Where a position beyond [0, size) is taken from.
absl::StatusOr<int64_t> Mirrored(int64_t at, int64_t size, const std::string& mode) {
  if (mode == "edge") return std::clamp<int64_t>(at, 0, size - 1);
  if (mode == "wrap") return (at % size + size) % size;
  if (mode != "reflect") return Unsupported("mode \"", mode, "\"");
  if (at <= -size || at >= 2 * size - 1) return Unsupported("more reflection than there is image");
  if (at < 0) return -at;
  return at < size ? at : 2 * size - 2 - at;
}

Outputs Pad(OnnxNode& node) {
  ONNX_TRY(Activation x, node.ActivationAt(0));
  ONNX_TRY(const auto pads, node.IntsAt("pads", 1));
  ONNX_TRY(const double value, node.ScalarAt(2, node.attributes.Float("value", 0)));
  std::vector<int64_t> axes;
  for (int64_t axis = 0; axis < x.rank(); ++axis) axes.push_back(axis);
  if (node.Has(3)) {
    ONNX_TRY(const TensorPtr constant, node.ConstantAt(3));
    ONNX_TRY(axes, PlainInts(*constant));
  }
  if (!pads.has_value() || pads->size() != 2 * axes.size()) return Unsupported("pads of another length");
  const std::string mode = node.attributes.String("mode", "constant");
  const size_t rank = x.NodeShape().size();
  PadNode pad{
      .before = std::vector<int64_t>(rank, 0), .after = std::vector<int64_t>(rank, 0), .value = value};
  bool pads_any = false;
  for (size_t i = 0; i < axes.size(); ++i) {
    ONNX_TRY(const int64_t axis, NormalAxis(axes[i], x.rank()));
    const int64_t before = (*pads)[i];
    const int64_t after = (*pads)[axes.size() + i];
    if (before == 0 && after == 0) continue;
    if (axis == x.batch_axis) return Unsupported("it changes the batch");
    if (std::max(std::abs(before), std::abs(after)) > kMaxSize) return Unsupported("pads beyond ", kMaxSize);
    const int64_t size = x.dim(axis);
    if (absl::Status status = RequireSize(size + before + after); !status.ok()) return status;
    std::vector<double> positions;
    const bool constant = mode == "constant";
    // Of a constant padding only what it cuts off; the rest is put around at once.
    const int64_t begin = constant ? std::max<int64_t>(-before, 0) : -before;
    const int64_t end = constant ? size - std::max<int64_t>(-after, 0) : size + after;
    if (begin >= end) return Unsupported("pads that leave nothing of the image");
    if (constant) {
      if (begin > 0 || end < size) {
        ONNX_TRY(x.node,
                 node.draft.Add(SliceNode{.axis = x.NodeAxis(axis), .begin = begin, .end = end}, {x.node}));
      }
      const auto along = static_cast<size_t>(x.NodeAxis(axis));
      pad.before[along] = std::max<int64_t>(before, 0);
      pad.after[along] = std::max<int64_t>(after, 0);
      pads_any |= before > 0 || after > 0;
      x.dims[static_cast<size_t>(axis)] = size + before + after;
      continue;
    }
    for (int64_t at = begin; at < end; ++at) {
      ONNX_TRY(const int64_t from, Mirrored(at, size, mode));
      positions.push_back(static_cast<double>(from));
    }
    ONNX_TRY(x, Sampled(node, x, axis, std::move(positions)));
  }
  if (pads_any) {
    ONNX_TRY(x.node, node.draft.Add(pad, {x.node}));
  }
  return std::vector<Value>{x};
}

// ---- Resize

struct Resizing {
  std::string mode;         // "nearest", "linear"
  std::string coordinates;  // how positions of the output are positions of the input
  std::string nearest;      // how the nearest is found
};

absl::StatusOr<double> Coordinate(const Resizing& how, int64_t i, int64_t from, int64_t to, double scale) {
  const auto at = static_cast<double>(i);
  if (how.coordinates == "half_pixel") return (at + 0.5) / scale - 0.5;
  if (how.coordinates == "pytorch_half_pixel") return to > 1 ? (at + 0.5) / scale - 0.5 : 0.0;
  if (how.coordinates == "asymmetric") return at / scale;
  if (how.coordinates == "tf_half_pixel_for_nn") return (at + 0.5) / scale;
  if (how.coordinates == "align_corners") {
    return to == 1 ? 0.0 : at * static_cast<double>(from - 1) / static_cast<double>(to - 1);
  }
  return Unsupported("coordinate_transformation_mode \"", how.coordinates, "\"");
}

absl::StatusOr<double> Nearest(const std::string& rule, double at) {
  if (rule == "round_prefer_floor") return std::ceil(at - 0.5);
  if (rule == "round_prefer_ceil") return std::floor(at + 0.5);
  if (rule == "floor") return std::floor(at);
  if (rule == "ceil") return std::ceil(at);
  return Unsupported("nearest_mode \"", rule, "\"");
}

absl::StatusOr<Activation> Resized(OnnxNode& node, const Activation& x, int64_t axis, int64_t to,
                                   double scale, const Resizing& how) {
  const int64_t from = x.dim(axis);
  if (to == from && scale == 1) return x;
  if (absl::Status status = RequireSize(to); !status.ok()) return status;
  if (!(scale > 0 && std::isfinite(scale))) return Unsupported("a scale of ", scale);
  std::vector<double> positions;
  for (int64_t i = 0; i < to; ++i) {
    ONNX_TRY(double at, Coordinate(how, i, from, to, scale));
    if (how.mode == "nearest") {
      ONNX_TRY(at, Nearest(how.nearest, at));
    }
    positions.push_back(std::clamp(at, 0.0, static_cast<double>(from - 1)));
  }
  return Sampled(node, x, axis, std::move(positions));
}

// By a scale or a size for each axis.
Outputs ResizedAll(OnnxNode& node, const Resizing& how, size_t scales_at, size_t sizes_at) {
  ONNX_TRY(Activation x, node.ActivationAt(0));
  if (how.mode != "nearest" && how.mode != "linear") return Unsupported("mode \"", how.mode, "\"");
  std::vector<int64_t> axes;
  for (int64_t axis = 0; axis < x.rank(); ++axis) axes.push_back(axis);
  axes = node.attributes.Ints("axes").value_or(axes);
  std::vector<float> scales = node.attributes.Floats("scales").value_or(std::vector<float>());
  std::vector<BatchInt> sizes;
  if (node.Has(scales_at)) {
    ONNX_TRY(const TensorPtr given, node.FloatsAt(scales_at));
    scales = given->floats;
  }
  if (node.Has(sizes_at)) {
    ONNX_TRY(const TensorPtr given, node.ConstantAt(sizes_at));
    if (given->is_float) return Unsupported("floats where sizes belong");
    sizes = given->ints;
  }
  if (std::max(scales.size(), sizes.size()) != axes.size() || (!scales.empty() && !sizes.empty())) {
    return Unsupported("neither a scale nor a size for each axis");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    ONNX_TRY(const int64_t axis, NormalAxis(axes[i], x.rank()));
    const int64_t from = x.dim(axis);
    if (axis == x.batch_axis) {
      const bool same = sizes.empty() ? scales[i] == 1
                                      : sizes[i] == BatchInt{0, from} ||
                                            sizes[i] == BatchInt{std::max<int64_t>(node.batch, 1) * from, 0};
      if (!same) return Unsupported("it changes the batch");
      continue;
    }
    if (!sizes.empty() && sizes[i].batches != 0) return Unsupported("a size that depends on the batch");
    const double scale =
        sizes.empty() ? scales[i] : static_cast<double>(sizes[i].value) / static_cast<double>(from);
    const double size =
        sizes.empty() ? std::floor(static_cast<double>(from) * scale) : static_cast<double>(sizes[i].value);
    if (!(size >= 1 && size <= static_cast<double>(kMaxSize))) return Unsupported("a dimension of ", size);
    ONNX_TRY(x, Resized(node, x, axis, static_cast<int64_t>(size), scale, how));
  }
  return std::vector<Value>{x};
}

Outputs Resize(OnnxNode& node) {
  OnnxAttributes& attributes = node.attributes;
  Resizing how{.mode = attributes.String("mode", "nearest"),
               .coordinates = attributes.String("coordinate_transformation_mode", "half_pixel"),
               .nearest = attributes.String("nearest_mode", "round_prefer_floor")};
  if (attributes.Int("antialias", 0) != 0) return Unsupported("antialias");
  if (attributes.String("keep_aspect_ratio_policy", "stretch") != "stretch") {
    return Unsupported("keep_aspect_ratio_policy");
  }
  if (node.opset >= 11) return ResizedAll(node, how, 2, 3);
  how.coordinates = "asymmetric";
  how.nearest = "floor";
  return ResizedAll(node, how, 1, 4);
}

Outputs Upsample(OnnxNode& node) {
  const Resizing how{
      .mode = node.attributes.String("mode", "nearest"), .coordinates = "asymmetric", .nearest = "floor"};
  return ResizedAll(node, how, 1, 4);
}

}  // namespace

const OperatorTable& ResampleOperators() {
  static const auto& table = *new OperatorTable{
      {"Expand", Expand}, {"Pad", Pad}, {"Resize", Resize}, {"Tile", Tile}, {"Upsample", Upsample},
  };
  return table;
}

}  // namespace precis::onnx_reader
