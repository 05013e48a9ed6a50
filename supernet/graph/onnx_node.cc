// Dimensions with and without the batch, and typed access to inputs.
#include "supernet/graph/onnx_node.h"

namespace precis::onnx_reader {

Shape Activation::NodeShape() const {
  Shape shape = dims;
  if (per_image() == 1) shape.erase(shape.begin() + batch_axis);
  if (shape.empty()) shape.push_back(1);
  return shape;
}

int64_t Activation::NodeAxis(int64_t axis) const {
  if (per_image() != 1 || axis < batch_axis) return axis;
  return axis == batch_axis ? -1 : axis - 1;
}

absl::StatusOr<int64_t> NormalAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) return Unsupported("axis ", axis, " of ", rank, " dimension(s)");
  return axis < 0 ? axis + rank : axis;
}

absl::StatusOr<std::vector<int64_t>> PlainInts(const OnnxTensor& tensor) {
  if (tensor.is_float) return Unsupported("floats where integers belong");
  std::vector<int64_t> plain;
  for (const BatchInt& each : tensor.ints) {
    if (each.batches != 0) return Unsupported("a number that depends on the batch");
    plain.push_back(each.value);
  }
  return plain;
}

absl::StatusOr<Activation> OnnxNode::ActivationAt(size_t input) const {
  if (!Has(input)) return Unsupported("input ", input, " is missing");
  const auto* activation = std::get_if<Activation>(&inputs[input]);
  if (activation == nullptr) return Unsupported("input ", input, " is a constant");
  return *activation;
}

absl::StatusOr<TensorPtr> OnnxNode::ConstantAt(size_t input) const {
  if (!Has(input)) return Unsupported("input ", input, " is missing");
  const auto* tensor = std::get_if<TensorPtr>(&inputs[input]);
  if (tensor == nullptr)
    return Unsupported("input ", input, " is computed from the image; a constant is needed");
  return *tensor;
}

absl::StatusOr<TensorPtr> OnnxNode::FloatsAt(size_t input) const {
  absl::StatusOr<TensorPtr> tensor = ConstantAt(input);
  if (tensor.ok() && !(*tensor)->is_float)
    return Unsupported("input ", input, " has integers, expected floats");
  return tensor;
}

absl::StatusOr<std::optional<std::vector<int64_t>>> OnnxNode::IntsAt(const char* attribute, size_t input) {
  if (std::optional<std::vector<int64_t>> given = attributes.Ints(attribute); given.has_value()) return given;
  if (!Has(input)) return std::nullopt;
  const absl::StatusOr<TensorPtr> tensor = ConstantAt(input);
  if (!tensor.ok()) return tensor.status();
  absl::StatusOr<std::vector<int64_t>> plain = PlainInts(**tensor);
  if (!plain.ok()) return plain.status();
  return *std::move(plain);
}

absl::StatusOr<double> OnnxNode::ScalarAt(size_t input, double otherwise) const {
  if (!Has(input)) return otherwise;
  const absl::StatusOr<TensorPtr> tensor = ConstantAt(input);
  if (!tensor.ok()) return tensor.status();
  if ((*tensor)->size() != 1) return Unsupported("input ", input, " must be one number");
  if ((*tensor)->is_float) return static_cast<double>((*tensor)->floats[0]);
  if ((*tensor)->ints[0].batches != 0) return Unsupported("input ", input, " depends on the batch");
  return static_cast<double>((*tensor)->ints[0].value);
}

}  // namespace precis::onnx_reader
