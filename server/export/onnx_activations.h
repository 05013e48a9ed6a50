// The quantisation of an activation as ONNX computes it: to a format's grid and back, with the bits of
// FakeQuantize.
//
// Two ways. QuantizeLinear and DequantizeLinear, behind Max and Min where the format uses fewer codes than
// ONNX's type; or plain arithmetic, which every runtime has and which says what no type of ONNX says:
// minifloats, blocks that find their scales in each image. Its one trick is the leading power of two of a
// number y in FP32 without looking at bits (Rump, Ogita, Oishi, "Accurate floating-point summation", SIAM J.
// Sci. Comput. 31, 2008: ufp): q = (2^23 + 1)·y, ufp(y) = |q - (1 - 2^-24)·q|. With it a float is rounded as
// an integer is, in units of its last place. No runtime may contract or reorder these few products.
//
// Threading: not thread-safe, as OnnxGraph.
#pragma once

#include <cstdint>
#include <string>

#include "server/export/layer_scales.h"
#include "server/export/onnx_graph.h"
#include "supernet/formats/format.h"

namespace precis::server {

enum class OnnxStyle {
  kQuantizeLinear,  // QuantizeLinear and DequantizeLinear for all that they can say
  kArithmetic,      // no such node: for runtimes without
};

// What no graph of ONNX can say of a format, in words that end a sentence ("rotates its values …, drop
// +hadamard"); "" if it can be exported.
std::string WhyNotOnnx(const Format& format);

// `x` of shape {batch, shape…} rounded to `format`, which WhyNotOnnx has passed. Blocks run along `axis` of
// `shape`. `nonnegative`: no value of x is below 0, so that nothing need keep it from codes that the format
// lacks there. Values that the format leaves alone come back as `x` itself. tf32 saturates at 2^100.
OnnxValue AddQuantizedActivation(OnnxGraph& onnx, OnnxStyle style, const OnnxValue& x,
                                 const std::string& name, const Format& format, const ActivationScale& scale,
                                 const Shape& shape, int64_t axis, bool nonnegative);

// The type whose codes are the element's, if ONNX has it: INT4 for int3, whose codes it holds too.
struct OnnxCodeType {
  OnnxType type = OnnxType::kInt8;
  bool exact = true;  // whether it has no code that the element lacks
};
bool HasOnnxCodeType(const ElementFormat& element);
OnnxCodeType OnnxCodeTypeOf(const ElementFormat& element);  // HasOnnxCodeType

}  // namespace precis::server
