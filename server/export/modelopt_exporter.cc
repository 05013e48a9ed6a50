// Quantisers of a module are MODULE.weight_quantizer and MODULE.input_quantizer; later entries win.
#include <yaml-cpp/yaml.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "server/export/format_facts.h"
#include "server/export/provenance.h"
#include "server/export/refusals.h"
#include "server/export/tool_configs.h"

namespace precis::server {
namespace {

bool HasMxElement(const Format& format) {
  const ElementFormat& element = format.element;
  return IsInteger(format) ? element.bits == 8
                           : IsE4m3fn(element) || element == FloatElement(3, 2, Specials::kNone) ||
                                 element == FloatElement(2, 1, Specials::kNone);
}

// "" if a quantiser can do it.
std::string WhyNot(const Layer& layer, const Format& format, bool is_weight) {
  if (IsNoScaleFp32(format)) return "";
  if (IsBlockScaled(format)) {
    const bool known = (IsMx(format) && format.scale.rule == PowerRule::kFloor && HasMxElement(format)) ||
                       IsNvfp4(format) || (is_weight && IsGrouped(format));
    if (!known)
      return "has blocks that it lacks: mxint8, mxfp8, mxfp6_e3m2, mxfp4, nvfp4 and, of weights, "
             "int4@fp32:128 are "
             "what it has";
    if (layer.kind != Layer::Kind::kLinear)
      return "runs its blocks over channels, and the quantisers of a convolution theirs over kernel columns: "
             "int8 "
             "or e4m3fn is nearest";
    return "";
  }
  if (IsPlain(format) && (IsInteger(format) || IsE4m3fn(format.element))) return "";
  if (!IsInteger(format)) return "is a float that it lacks: e4m3fn, or int4 below 8 bits, is nearest";
  return absl::StrCat("has a zero point, a rotation or another scale: int", format.element.bits,
                      " is nearest");
}

YAML::Node BitsNode(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger) return YAML::Node(element.bits);
  YAML::Node pair;
  pair.push_back(element.exponent_bits);
  pair.push_back(element.mantissa_bits);
  pair.SetStyle(YAML::EmitterStyle::Flow);
  return pair;
}

YAML::Node QuantizerNode(const Format& format, bool is_weight) {
  YAML::Node cfg;
  cfg["num_bits"] = BitsNode(format.element);
  if (IsInteger(format)) {
    cfg["narrow_range"] = format.element.is_signed && format.element.narrow;
    cfg["unsigned"] = !format.element.is_signed;
  }
  if (!IsBlockScaled(format)) {
    cfg["axis"] = is_weight && format.scale.extent == ScaleExtent::kOperand ? YAML::Node(0) : YAML::Node();
    return cfg;
  }
  YAML::Node blocks;
  blocks[-1] = format.scale.block;
  if (format.scale.type != ScaleType::kFloat32) {
    YAML::Node scale_bits;
    scale_bits.push_back(format.scale.type == ScaleType::kE8M0 ? 8 : 4);
    scale_bits.push_back(format.scale.type == ScaleType::kE8M0 ? 0 : 3);
    scale_bits.SetStyle(YAML::EmitterStyle::Flow);
    blocks["type"] = "dynamic";
    blocks["scale_bits"] = scale_bits;
  } else {
    blocks["type"] = "static";
  }
  cfg["block_sizes"] = blocks;
  return cfg;
}

YAML::Node EntryNode(const std::string& quantizer, const Format& format, bool is_weight) {
  YAML::Node entry;
  entry["quantizer_name"] = quantizer;
  if (!IsNoScaleFp32(format)) entry["cfg"] = QuantizerNode(format, is_weight);
  entry["enable"] = !IsNoScaleFp32(format);
  return entry;
}

}  // namespace

absl::StatusOr<std::string> ExportModelOpt(const ExportInput& input) {
  Refusals refusals("Model Optimizer");
  YAML::Node entries;
  YAML::Node off;
  off["quantizer_name"] = "*";
  off["enable"] = false;
  entries.push_back(off);
  for (size_t i = 0; i < input.plan->layers.size(); ++i) {
    const Layer& layer = input.plan->layers[i];
    const LayerFormats& formats = input.candidate->assignment.layers[i];
    if (!layer.HasWeight()) {
      if (!IsNoScaleFp32(formats.weight) || !IsNoScaleFp32(formats.activation))
        refusals.Add(layer.name, "a product of activations", "is no module with quantisers: leave it fp32");
      continue;
    }
    for (const bool is_weight : {true, false}) {
      const Format& format = is_weight ? formats.weight : formats.activation;
      const std::string what = is_weight ? "weight" : "input";
      if (const std::string why = WhyNot(layer, format, is_weight); !why.empty())
        refusals.Add(layer.name, absl::StrCat("the ", what, " in ", FormatName(format)), why);
      entries.push_back(EntryNode(absl::StrCat(layer.name, ".", what, "_quantizer"), format, is_weight));
    }
  }
  if (absl::Status refused = refusals.Status(); !refused.ok()) return refused;
  YAML::Node document;
  document["quant_cfg"] = entries;
  document["algorithm"] = "max";
  YAML::Emitter emitter;
  emitter << document;
  return absl::StrCat("# ", ProducerText(input), ", for NVIDIA Model Optimizer\n", emitter.c_str(), "\n");
}

}  // namespace precis::server
