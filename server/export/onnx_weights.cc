// Codes by the scalar reference.
#include "server/export/onnx_weights.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/export/rounded_weight.h"
#include "supernet/formats/check.h"
#include "supernet/formats/scalar.h"

namespace precis::server {
namespace {

constexpr double kLargestExactInteger = 0x1p24;  // of INT32 as FP32

// How the elements of one tensor are stored.
struct Carrier {
  OnnxType type = OnnxType::kInt8;
  bool holds_codes = true;  // the element's own; else its value in units of `unit`
  double unit = 1;
};

// None: as FP32 on the grid.
std::optional<Carrier> CarrierOf(const ElementFormat& element) {
  if (HasOnnxCodeType(element)) return Carrier{OnnxCodeTypeOf(element).type};
  const double unit = SmallestStep(element);
  const double most = MaxFinite(element) / unit;
  if (most <= 127) return Carrier{OnnxType::kInt8, false, unit};
  if (most <= 32767) return Carrier{OnnxType::kInt16, false, unit};
  if (most <= kLargestExactInteger) return Carrier{OnnxType::kInt32, false, unit};
  return std::nullopt;
}

// A matrix of so many rows, its columns one after the other.
template <typename T>
std::vector<T> Turn(const std::vector<T>& values, size_t rows) {
  std::vector<T> turned;
  turned.reserve(values.size());
  const size_t columns = values.size() / rows;
  for (size_t column = 0; column < columns; ++column) {
    for (size_t row = 0; row < rows; ++row) turned.push_back(values[row * columns + column]);
  }
  return turned;
}

// As it is given to ONNX.
template <typename T>
struct Layout {
  std::vector<int64_t> dims;
  std::vector<T> values;
};
template <typename T>
Layout<T> LayOut(std::vector<int64_t> dims, std::vector<T> values, bool turned) {
  if (!turned) return {std::move(dims), std::move(values)};
  PRECIS_CHECK(dims.size() == 2);
  return {{dims[1], dims[0]}, Turn(values, static_cast<size_t>(dims[0]))};
}

OnnxWeight AddOnGrid(OnnxGraph& onnx, const std::string& name, const Format& format,
                     const WeightTensor& tensor, const LayerScales& scales, bool turned) {
  const WeightOrder order(tensor, format);
  const std::vector<RoundedElement> rounded =
      RoundWeight(format, scales, ValuesInOrder(tensor, order, format), order.row_size());
  std::vector<float> values(rounded.size());
  for (size_t i = 0; i < values.size(); ++i) values[order[i]] = rounded[i].Dequantized();
  const Layout<float> layout = LayOut(tensor.shape, std::move(values), turned);
  return {onnx.AddFloats(name, layout.dims, layout.values), OnnxTypeName(OnnxType::kFloat)};
}

OnnxWeight AddHalf(OnnxGraph& onnx, const std::string& name, const ElementFormat& element,
                   const WeightTensor& tensor, bool turned) {
  const OnnxType type = element.exponent_bits == 8 ? OnnxType::kBfloat16 : OnnxType::kFloat16;
  std::vector<int64_t> codes;
  for (const float value : tensor.values) codes.push_back(Encode(element, value));
  const Layout<int64_t> layout = LayOut(tensor.shape, std::move(codes), turned);
  const OnnxValue stored = onnx.AddCodes(name + "_stored", type, layout.dims, layout.values);
  return {onnx.Add("Cast", {stored}, name, {{"to", static_cast<int64_t>(OnnxType::kFloat)}}),
          OnnxTypeName(type)};
}

// From rows of blocks to the tensor's own shape.
OnnxValue Restore(OnnxGraph& onnx, const std::string& name, const OnnxValue& rows,
                  const std::vector<int64_t>& shape) {
  const OnnxValue ordered = onnx.Add(
      "Reshape", {rows, onnx.Integers({shape[0], shape[2], shape[3], shape[1]})}, name + "_channels_last");
  return onnx.Add("Transpose", {ordered}, name, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
}

OnnxWeight AddDequantized(OnnxGraph& onnx, const std::string& name, const Format& format,
                          const Carrier& carrier, const WeightTensor& tensor, const LayerScales& scales,
                          bool turned) {
  const bool blocks = IsBlockScaled(format);
  const WeightOrder order(tensor, format);
  const int64_t outputs = tensor.shape[0];
  const auto row_size = static_cast<int64_t>(order.row_size());
  const bool is_float = format.element.kind == ElementKind::kFloat;
  std::vector<int64_t> codes;
  for (const RoundedElement& rounded :
       RoundWeight(format, scales, ValuesInOrder(tensor, order, format), order.row_size())) {
    codes.push_back(carrier.holds_codes && is_float ? Encode(format.element, rounded.value)
                                                    : static_cast<int64_t>(rounded.value / carrier.unit));
  }
  std::vector<float> factors = scales.weight;
  for (float& factor : factors) factor *= static_cast<float>(carrier.unit);

  const bool restores = blocks && tensor.shape.size() > 2;
  const Layout<int64_t> layout =
      LayOut(restores ? std::vector<int64_t>{outputs, row_size} : tensor.shape, std::move(codes), turned);
  const auto count = static_cast<int64_t>(factors.size());
  Layout<float> scale = {{}, std::move(factors)};
  if (blocks) {
    scale = LayOut({outputs, count / outputs}, std::move(scale.values), turned);
  } else if (count > 1 || outputs == 1) {
    scale.dims = {count};
  }
  std::vector<OnnxValue> inputs = {
      onnx.AddCodes(name + "_quantized", carrier.type, layout.dims, layout.values),
      onnx.AddFloats(name + "_scale", scale.dims, scale.values)};
  if (format.scale.zero_point) {
    const std::vector<int64_t> zeros(scales.weight_zero_points.begin(), scales.weight_zero_points.end());
    inputs.push_back(onnx.AddCodes(name + "_zero_point", carrier.type, scale.dims, zeros));
  }
  std::vector<OnnxAttribute> attributes;
  if (!scale.dims.empty()) attributes.emplace_back("axis", int64_t{blocks != turned ? 1 : 0});
  if (blocks) {
    attributes.emplace_back("block_size", int64_t{format.scale.block});
    onnx.RequireOpset(21);
  }
  const OnnxValue value = onnx.Add("DequantizeLinear", inputs, restores ? name + "_rows" : name, attributes);
  return {restores ? Restore(onnx, name, value, tensor.shape) : value, OnnxTypeName(carrier.type)};
}

}  // namespace

OnnxWeight AddWeight(OnnxGraph& onnx, OnnxStyle style, const std::string& name, const Format& format,
                     const WeightTensor& tensor, const LayerScales& scales, bool turned) {
  PRECIS_CHECK(WhyNotOnnx(format).empty());
  if (style == OnnxStyle::kArithmetic) return AddOnGrid(onnx, name, format, tensor, scales, turned);
  if (!IsScaled(format)) {
    const bool is_half = format.element.bits == 16;
    return is_half ? AddHalf(onnx, name, format.element, tensor, turned)
                   : AddOnGrid(onnx, name, format, tensor, scales, turned);
  }
  const std::optional<Carrier> carrier = CarrierOf(format.element);
  if (!carrier.has_value()) return AddOnGrid(onnx, name, format, tensor, scales, turned);
  return AddDequantized(onnx, name, format, *carrier, tensor, scales, turned);
}

}  // namespace precis::server
