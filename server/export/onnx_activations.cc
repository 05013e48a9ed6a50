// Every product, quotient and rounding stands where FakeQuantize has it.
#include "server/export/onnx_activations.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/formats/block_scale.h"
#include "supernet/formats/check.h"
#include "supernet/formats/scalar.h"

namespace precis::server {
namespace {

constexpr float kSmallestPower = 0x1p-126f;
constexpr float kLargestTf32 = 0x1p100f;

// Nodes called NAME/PART.
class Arithmetic {
 public:
  Arithmetic(OnnxGraph& onnx, std::string name) : onnx_(onnx), name_(std::move(name)) {}

  OnnxValue Do(const char* op, const std::vector<OnnxValue>& inputs, const char* part,
               const std::vector<OnnxAttribute>& attributes = {}) {
    return onnx_.Add(op, inputs, absl::StrCat(name_, "/", part), attributes);
  }
  OnnxValue Number(double value) { return onnx_.Float(static_cast<float>(value)); }

  OnnxValue Clip(const OnnxValue& x, double low, double high) {
    return Do("Clip", {x, Number(low), Number(high)}, "clipped");
  }

  // The leading power of two of |x|; 0 of 0.
  OnnxValue LeadingPower(const OnnxValue& x) {
    const OnnxValue wide = Do("Mul", {x, Number(0x1p23 + 1)}, "wide");
    const OnnxValue most = Do("Mul", {wide, Number(1 - 0x1p-24)}, "most");
    return Do("Abs", {Do("Sub", {wide, most}, "difference")}, "power");
  }

  // y in units of the element's scale, to the nearest of its values; saturates.
  OnnxValue Round(const OnnxValue& y, const ElementFormat& element) {
    if (element.kind == ElementKind::kInteger)
      return Clip(Do("Round", {y}, "rounded"), MinFinite(element), MaxFinite(element));
    const OnnxValue clipped = Clip(y, MinFinite(element), MaxFinite(element));
    return element.mantissa_bits == 0 ? RoundToPower(clipped, element) : RoundToMantissa(clipped, element);
  }

  OnnxValue RoundToMantissa(const OnnxValue& y, const ElementFormat& element) {
    const OnnxValue power = Do("Max", {LeadingPower(y), Number(std::ldexp(1.0, 1 - element.bias))}, "binade");
    const OnnxValue unit = Do("Mul", {power, Number(std::ldexp(1.0, -element.mantissa_bits))}, "unit");
    return Do("Mul", {Do("Round", {Do("Div", {y, unit}, "units")}, "rounded"), unit}, "value");
  }

  // Ties go to the even code, which no rounding of ONNX knows: a step at each midpoint.
  OnnxValue RoundToPower(const OnnxValue& y, const ElementFormat& element) {
    const OnnxValue magnitude = Do("Abs", {y}, "magnitude");
    OnnxValue sum;
    double below = 0;
    for (uint32_t code = 1; Decode(element, code) <= MaxFinite(element) && code < 1u << (element.bits - 1);
         ++code) {
      const double value = Decode(element, code);
      const OnnxValue middle = Number((below + value) / 2);
      const OnnxValue reached = code % 2 == 0 ? Do("GreaterOrEqual", {magnitude, middle}, "reached")
                                              : Do("Greater", {magnitude, middle}, "reached");
      const OnnxValue step = Do("Where", {reached, Number(value - below), Number(0)}, "step");
      sum = sum.empty() ? step : Do("Add", {sum, step}, "sum");
      below = value;
    }
    onnx_.RequireOpset(16);  // GreaterOrEqual
    return Do("Mul", {sum, Do("Sign", {y}, "sign")}, "value");
  }

 private:
  OnnxGraph& onnx_;
  std::string name_;
};

// A block's scale: what its elements are divided by, or multiplied with, before they are rounded.
struct BlockFactors {
  OnnxValue decode;
  OnnxValue encode;  // "": the elements are divided by decode
};

OnnxValue PowerOfBlock(Arithmetic& onnx, const Format& format, const OnnxValue& max_abs) {
  const ElementFormat& element = format.element;
  const double largest = MaxFinite(element);
  const double largest_power = std::exp2(std::floor(std::log2(largest)));
  OnnxValue power = onnx.LeadingPower(max_abs);
  if (format.scale.rule == PowerRule::kEven) {
    const int mantissa = element.kind == ElementKind::kInteger ? element.bits - 2 : element.mantissa_bits;
    const OnnxValue binade = onnx.Do("Max", {power, onnx.Number(kSmallestPower)}, "binade");
    const OnnxValue unit = onnx.Do("Mul", {binade, onnx.Number(std::ldexp(1.0, -mantissa))}, "unit");
    const OnnxValue units = onnx.Do("Div", {max_abs, unit}, "units");
    const OnnxValue up = onnx.Do("Floor", {onnx.Do("Add", {units, onnx.Number(0.5)}, "half_up")}, "floor");
    power = onnx.LeadingPower(onnx.Do("Mul", {up, unit}, "rounded_largest"));
  }
  power = onnx.Do("Mul", {power, onnx.Number(1 / largest_power)}, "exponent");
  if (format.scale.rule == PowerRule::kCeil) {
    const OnnxValue reach = onnx.Do("Mul", {power, onnx.Number(largest)}, "reach");
    const OnnxValue twice = onnx.Do("Mul", {power, onnx.Number(2)}, "twice");
    power = onnx.Do("Where", {onnx.Do("Greater", {max_abs, reach}, "beyond"), twice, power}, "ceiling");
  }
  if (format.scale.headroom != 0)
    power = onnx.Do("Mul", {power, onnx.Number(std::ldexp(1.0, format.scale.headroom))}, "headroom");
  return onnx.Do("Clip", {power, onnx.Number(kSmallestPower), onnx.Number(0x1p126)}, "scale");
}

BlockFactors FactorsOfBlock(Arithmetic& onnx, const Format& format, float max_abs_of_tensor,
                            const OnnxValue& max_abs) {
  const auto largest = static_cast<float>(MaxFinite(format.element));
  switch (format.scale.type) {
    case ScaleType::kE8M0: {
      const OnnxValue decode = PowerOfBlock(onnx, format, max_abs);
      return {decode, ""};
    }
    case ScaleType::kFloat32: {
      const OnnxValue scale = onnx.Do("Div", {max_abs, onnx.Number(largest)}, "exact_scale");
      return {onnx.Do("Max", {scale, onnx.Number(kSmallestPower)}, "scale"), ""};
    }
    default:
      break;
  }
  const GlobalScale global = GlobalScaleFor(format, max_abs_of_tensor);
  const ElementFormat element = ScaleElement(format.scale);
  OnnxValue wanted = onnx.Do("Div", {max_abs, onnx.Number(largest)}, "exact_scale");
  if (format.scale.global) wanted = onnx.Do("Mul", {wanted, onnx.Number(global.encode)}, "relative_scale");
  OnnxValue decode = onnx.Round(wanted, element);
  decode = onnx.Do("Max", {decode, onnx.Number(SmallestStep(element))}, "stored_scale");
  if (format.scale.global) decode = onnx.Do("Mul", {decode, onnx.Number(global.decode)}, "scale");
  return {decode, onnx.Do("Div", {onnx.Number(1), decode}, "inverse")};
}

// Rows of one block each, and back.
OnnxValue QuantizeBlocks(OnnxGraph& graph, const OnnxValue& x, const std::string& name, const Format& format,
                         const ActivationScale& scale, const Shape& shape, int64_t axis) {
  Arithmetic onnx(graph, name);
  const auto dimensions = static_cast<int64_t>(shape.size());
  std::vector<int64_t> last = {0};  // the axis last
  for (int64_t d = 0; d < dimensions; ++d) {
    if (d != axis) last.push_back(d + 1);
  }
  last.push_back(axis + 1);
  const bool turns = axis != dimensions - 1;
  const OnnxValue turned = turns ? onnx.Do("Transpose", {x}, "channels_last", {{"perm", last}}) : x;

  const int64_t channels = shape[static_cast<size_t>(axis)];
  const int64_t block = format.scale.block;
  // Where a pixel has fewer channels than a block, blocks run on over the pixels of the image.
  const int64_t row = channels >= block
                          ? channels
                          : std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  const int64_t missing = (block - row % block) % block;
  OnnxValue rows = onnx.Do("Reshape", {turned, graph.Integers({-1, row})}, "rows");
  if (missing != 0) rows = onnx.Do("Pad", {rows, graph.Integers({0, 0, 0, missing})}, "padded");
  const OnnxValue blocks = onnx.Do("Reshape", {rows, graph.Integers({-1, block})}, "blocks");

  const OnnxValue max_abs = onnx.Do("ReduceMax", {onnx.Do("Abs", {blocks}, "magnitudes")}, "largest",
                                    {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{1}}});
  const BlockFactors factors = FactorsOfBlock(onnx, format, scale.max_abs, max_abs);
  const OnnxValue scaled = factors.encode.empty() ? onnx.Do("Div", {blocks, factors.decode}, "scaled")
                                                  : onnx.Do("Mul", {blocks, factors.encode}, "scaled");
  const OnnxValue values =
      onnx.Do("Mul", {onnx.Round(scaled, format.element), factors.decode}, "dequantized");

  OnnxValue back = onnx.Do("Reshape", {values, graph.Integers({-1, row + missing})}, "whole_rows");
  if (missing != 0)
    back = onnx.Do("Slice", {back, graph.Integers({0}), graph.Integers({row}), graph.Integers({1})}, "cut");
  std::vector<int64_t> order = {-1};
  for (size_t d = 1; d < last.size(); ++d) order.push_back(shape[static_cast<size_t>(last[d]) - 1]);
  back = onnx.Do("Reshape", {back, graph.Integers(order)}, turns ? "restored" : "quantized");
  if (!turns) return back;
  std::vector<int64_t> inverse(last.size());
  for (size_t d = 0; d < last.size(); ++d) inverse[static_cast<size_t>(last[d])] = static_cast<int64_t>(d);
  return onnx.Do("Transpose", {back}, "quantized", {{"perm", inverse}});
}

// No activation is stored, so that a byte does for what is narrower: ONNX Runtime 1.30 writes past the end of
// INT4 activations now and then. Max and Min, and at least one of them but for 8-bit integers, since it
// refuses models in which another QuantizeLinear follows a Clip or a Relu, which it wants to fuse.
OnnxValue AddQuantizeLinear(OnnxGraph& graph, const OnnxValue& x, const std::string& name,
                            const Format& format, const ActivationScale& scale, bool nonnegative) {
  Arithmetic onnx(graph, name);
  const ElementFormat& element = format.element;
  OnnxCodeType code = OnnxCodeTypeOf(element);
  if (BitsOf(code.type) < 8) code = {element.is_signed ? OnnxType::kInt8 : OnnxType::kUint8, false};
  const float step = *scale.scale;
  const bool wider = BitsOf(code.type) > element.bits;
  const bool is_byte = code.type == OnnxType::kInt8 || code.type == OnnxType::kUint8;
  OnnxValue within = x;
  if (!is_byte || (!code.exact && !nonnegative))
    within = onnx.Do("Max", {within, onnx.Number((MinFinite(element) - scale.zero_point) * step)}, "from");
  if (wider)
    within = onnx.Do("Min", {within, onnx.Number((MaxFinite(element) - scale.zero_point) * step)}, "to");
  const OnnxValue scale_value = graph.AddFloats(name + "/scale", {}, {step});
  const OnnxValue zero = graph.AddCodes(name + "/zero_point", code.type, {}, {scale.zero_point});
  const OnnxValue codes = onnx.Do("QuantizeLinear", {within, scale_value, zero}, "codes");
  return onnx.Do("DequantizeLinear", {codes, scale_value, zero}, "quantized");
}

// bf16, fp16, tf32.
OnnxValue AddWideFloat(OnnxGraph& graph, const OnnxValue& x, const std::string& name,
                       const ElementFormat& element) {
  Arithmetic onnx(graph, name);
  if (element.mantissa_bits == 10 && element.exponent_bits == 8)
    return onnx.RoundToMantissa(onnx.Clip(x, -kLargestTf32, kLargestTf32), element);
  const OnnxType type = element.exponent_bits == 8 ? OnnxType::kBfloat16 : OnnxType::kFloat16;
  const OnnxValue within = onnx.Clip(x, MinFinite(element), MaxFinite(element));
  const OnnxValue narrow = onnx.Do("Cast", {within}, "narrow", {{"to", static_cast<int64_t>(type)}});
  return onnx.Do("Cast", {narrow}, "quantized", {{"to", static_cast<int64_t>(OnnxType::kFloat)}});
}

}  // namespace

std::string WhyNotOnnx(const Format& format) {
  if (format.hadamard != 0) return "rotates its values, which no node of ONNX does: leave out +hadamard";
  if (format.stochastic_bits != 0) return "rounds at random, which no node of ONNX does: leave out +sr";
  return "";
}

bool HasOnnxCodeType(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger) return element.bits <= 16;
  return element == FloatElement(4, 3, Specials::kNanOnly) || element == FloatElement(5, 2, Specials::kIeee);
}

OnnxCodeType OnnxCodeTypeOf(const ElementFormat& element) {
  PRECIS_CHECK(HasOnnxCodeType(element));
  if (element.kind == ElementKind::kFloat)
    return {element.exponent_bits == 4 ? OnnxType::kFloat8E4m3fn : OnnxType::kFloat8E5m2, true};
  struct Width {
    int bits;
    OnnxType with_sign;
    OnnxType without;
  };
  constexpr Width kWidths[] = {{2, OnnxType::kInt2, OnnxType::kUint2},
                               {4, OnnxType::kInt4, OnnxType::kUint4},
                               {8, OnnxType::kInt8, OnnxType::kUint8},
                               {16, OnnxType::kInt16, OnnxType::kUint16}};
  const Width* width = kWidths;
  while (width->bits < element.bits) ++width;
  const bool narrow = element.is_signed && element.narrow;
  return {element.is_signed ? width->with_sign : width->without, width->bits == element.bits && !narrow};
}

OnnxValue AddQuantizedActivation(OnnxGraph& onnx, OnnxStyle style, const OnnxValue& x,
                                 const std::string& name, const Format& format, const ActivationScale& scale,
                                 const Shape& shape, int64_t axis, bool nonnegative) {
  PRECIS_CHECK(WhyNotOnnx(format).empty());
  if (!IsScaled(format))
    return format.element.mantissa_bits == 23 ? x : AddWideFloat(onnx, x, name, format.element);
  if (IsBlockScaled(format)) return QuantizeBlocks(onnx, x, name, format, scale, shape, axis);
  if (scale.max_abs == 0) return x;
  if (style == OnnxStyle::kQuantizeLinear && HasOnnxCodeType(format.element))
    return AddQuantizeLinear(onnx, x, name, format, scale, nonnegative);
  Arithmetic arithmetic(onnx, name);
  const OnnxValue step = arithmetic.Number(*scale.scale);
  OnnxValue units = arithmetic.Do("Div", {x, step}, "scaled");
  if (scale.zero_point != 0) {
    const ElementFormat& element = format.element;
    units = arithmetic.Clip(arithmetic.Do("Round", {units}, "rounded"), MinFinite(element) - scale.zero_point,
                            MaxFinite(element) - scale.zero_point);
  } else {
    units = arithmetic.Round(units, format.element);
  }
  return arithmetic.Do("Mul", {units, step}, "quantized");
}

}  // namespace precis::server
