// Layers are regular expressions there, so that names are escaped and end.
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/export/format_facts.h"
#include "server/export/json_text.h"
#include "server/export/refusals.h"
#include "server/export/tool_configs.h"

namespace precis::server {
namespace {

using nlohmann::ordered_json;

std::string Pattern(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') pattern.push_back('\\');
    pattern.push_back(c);
  }
  return pattern + "$";
}

bool IsEightBitInteger(const Format& format) {
  return IsInteger(format) && format.element.bits == 8 && !IsBlockScaled(format) && format.hadamard == 0 &&
         format.stochastic_bits == 0 && format.scale.type == ScaleType::kFloat32;
}

std::string MxDtype(const Format& format) {
  if (!IsMx(format)) return "";
  const ElementFormat& element = format.element;
  if (IsInteger(format))
    return element.bits == 8 || element.bits == 4 ? absl::StrCat("int", element.bits) : "";
  if (IsE4m3fn(element)) return "fp8_e4m3";
  if (element == FloatElement(5, 2, Specials::kIeee)) return "fp8_e5m2";
  if (element == FloatElement(3, 2, Specials::kNone)) return "fp6_e3m2";
  if (element == FloatElement(2, 3, Specials::kNone)) return "fp6_e2m3";
  return element == FloatElement(2, 1, Specials::kNone) ? "fp4" : "";
}

struct Choice {
  std::string algorithm;  // "" if none does it
  ordered_json config;
};

Choice Choose(const LayerFormats& formats) {
  const Format& weight = formats.weight;
  const Format& input = formats.activation;
  if (IsEightBitInteger(weight) && weight.element.is_signed && IsEightBitInteger(input)) {
    return {"static_quant",
            {{"w_dtype", "int8"},
             {"w_sym", !weight.scale.zero_point},
             {"w_granularity", weight.scale.extent == ScaleExtent::kTensor ? "per_tensor" : "per_channel"},
             {"w_algo", "minmax"},
             {"act_dtype", input.element.is_signed ? "int8" : "uint8"},
             {"act_sym", input.element.is_signed && !input.scale.zero_point},
             {"act_granularity", "per_tensor"},
             {"act_algo", "minmax"}}};
  }
  if (!MxDtype(weight).empty() && !MxDtype(input).empty()) {
    return {"mx_quant",
            {{"w_dtype", MxDtype(weight)},
             {"act_dtype", MxDtype(input)},
             {"out_dtype", "float32"},
             {"blocksize", 32},
             {"round_method", "nearest"},
             {"weight_only", false}}};
  }
  const bool plain = IsPlainInteger(weight) && weight.scale.extent == ScaleExtent::kOperand;
  if ((plain || IsGrouped(weight)) && weight.element.bits <= 8 && IsNoScaleFp32(input)) {
    return {"rtn",
            {{"dtype", "int"},
             {"bits", weight.element.bits},
             {"use_sym", true},
             {"group_size", IsGrouped(weight) ? weight.scale.block : -1}}};
  }
  return {};
}

ordered_json Off(const std::string& algorithm) {
  if (algorithm == "rtn") return {{"dtype", "fp32"}};
  return {{"w_dtype", "fp32"}, {"act_dtype", "fp32"}};
}

}  // namespace

absl::StatusOr<std::string> ExportNeuralCompressor(const ExportInput& input) {
  Refusals refusals("Neural Compressor");
  std::string algorithm;
  std::string chosen_by;
  std::vector<std::string> left;
  ordered_json local = ordered_json::object();
  for (size_t i = 0; i < input.plan->layers.size(); ++i) {
    const Layer& layer = input.plan->layers[i];
    const LayerFormats& formats = input.candidate->assignment.layers[i];
    if (IsNoScaleFp32(formats.weight) && IsNoScaleFp32(formats.activation)) {
      if (layer.HasWeight()) left.push_back(layer.name);
      continue;
    }
    const std::string what = absl::StrCat(FormatName(formats.weight), "/", FormatName(formats.activation));
    if (!layer.HasWeight()) {
      refusals.Add(layer.name, what, "is of a product, which is no module: leave it fp32");
      continue;
    }
    Choice choice = Choose(formats);
    if (choice.algorithm.empty()) {
      refusals.Add(
          layer.name, what,
          "has no configuration: int8/int8, int8/uint8_affine, the mx formats, and int2 to int8 weights over "
          "fp32 inputs have");
    } else if (choice.algorithm != "static_quant" && layer.kind != Layer::Kind::kLinear) {
      refusals.Add(layer.name, what,
                   "is of a convolution, of which it quantises int8 alone: int8 is nearest");
    } else if (!algorithm.empty() && choice.algorithm != algorithm) {
      refusals.Add(
          layer.name, what,
          absl::StrCat("takes the algorithm ", choice.algorithm, " and layer ", chosen_by, " ", algorithm,
                       ", and a configuration has one: choose the formats of one family"));
    } else {
      if (algorithm.empty()) chosen_by = layer.name;
      algorithm = choice.algorithm;
      local[Pattern(layer.name)] = std::move(choice.config);
    }
  }
  if (absl::Status refused = refusals.Status(); !refused.ok()) return refused;
  if (algorithm.empty()) algorithm = "static_quant";
  for (const std::string& name : left) local[Pattern(name)] = Off(algorithm);
  return ReadableJson({{algorithm, {{"global", Off(algorithm)}, {"local", std::move(local)}}}});
}

}  // namespace precis::server
