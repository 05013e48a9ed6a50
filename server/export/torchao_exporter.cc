// Of torchao's configurations those that say what a format is; all are of linear layers.
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/export/format_facts.h"
#include "server/export/json_text.h"
#include "server/export/refusals.h"
#include "server/export/tool_configs.h"

namespace precis::server {
namespace {

using nlohmann::ordered_json;

ordered_json Object(const std::string& type, ordered_json data) {
  return {{"_type", type}, {"_version", 1}, {"_data", std::move(data)}};
}
ordered_json Name(const std::string& type, const std::string& name) {
  return {{"_type", type}, {"_data", name}};
}
ordered_json Dtype(const std::string& name) { return Name("torch.dtype", name); }

// Of an integer weight with a scale a channel or a group.
ordered_json Granularity(const Format& weight) {
  return IsGrouped(weight) ? Object("PerGroup", {{"group_size", weight.scale.block}})
                           : Object("PerAxis", {{"axis", 0}});
}

bool IsIntxWeight(const Format& weight) {
  const bool per_channel = IsPlainInteger(weight) && weight.scale.extent == ScaleExtent::kOperand;
  return (per_channel || IsGrouped(weight)) && weight.element.bits <= 8;
}

bool IsEightBits(const Format& activation) {
  return IsInteger(activation) && activation.element.bits == 8 && activation.element.is_signed &&
         !IsBlockScaled(activation) && activation.scale.type == ScaleType::kFloat32 &&
         activation.hadamard == 0 && activation.stochastic_bits == 0;
}

// The MX dtype of both operands; none if torchao's configuration has no such.
std::optional<std::string> MxDtype(const Format& format) {
  if (!IsMx(format)) return std::nullopt;
  if (IsE4m3fn(format.element)) return "float8_e4m3fn";
  if (format.element == FloatElement(2, 1, Specials::kNone)) return "float4_e2m1fn_x2";
  return std::nullopt;
}

const char* ScalingMode(PowerRule rule) {
  switch (rule) {
    case PowerRule::kFloor:
      return "FLOOR";
    case PowerRule::kCeil:
      return "RCEIL";
    case PowerRule::kEven:
      return "EVEN";
  }
  return "";
}

// None if no configuration does it; null for a layer that stays as it is.
std::optional<ordered_json> Config(const LayerFormats& formats) {
  const Format& weight = formats.weight;
  const Format& input = formats.activation;
  const bool float_input = IsNoScaleFp32(input);
  if (IsNoScaleFp32(weight) && float_input) return ordered_json(nullptr);
  if (IsIntxWeight(weight) && float_input) {
    return Object("IntxWeightOnlyConfig", {{"weight_dtype", Dtype(absl::StrCat("int", weight.element.bits))},
                                           {"granularity", Granularity(weight)},
                                           {"mapping_type", Name("MappingType", "SYMMETRIC")}});
  }
  if (IsIntxWeight(weight) && IsEightBits(input)) {
    return Object(
        "Int8DynamicActivationIntxWeightConfig",
        {{"weight_dtype", Dtype(absl::StrCat("int", weight.element.bits))},
         {"weight_granularity", Granularity(weight)},
         {"weight_mapping_type", Name("MappingType", "SYMMETRIC")},
         {"act_mapping_type", Name("MappingType", input.scale.zero_point ? "ASYMMETRIC" : "SYMMETRIC")}});
  }
  const bool fp8 = IsPlain(weight) && IsPlain(input) && IsE4m3fn(weight.element) && IsE4m3fn(input.element);
  if (fp8) {
    return Object("Float8DynamicActivationFloat8WeightConfig",
                  {{"granularity", Object("PerRow", {{"dim", -1}})}});
  }
  if (weight != input) return std::nullopt;
  if (IsNvfp4(weight)) return Object("NVFP4DynamicActivationNVFP4WeightConfig", ordered_json::object());
  if (const std::optional<std::string> dtype = MxDtype(weight)) {
    return Object("MXDynamicActivationMXWeightConfig",
                  {{"block_size", 32},
                   {"activation_dtype", Dtype(*dtype)},
                   {"weight_dtype", Dtype(*dtype)},
                   {"scaling_mode", Name("ScaleCalculationMode", ScalingMode(weight.scale.rule))}});
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::string> ExportTorchAo(const ExportInput& input) {
  Refusals refusals("torchao");
  ordered_json modules = ordered_json::object();
  for (size_t i = 0; i < input.plan->layers.size(); ++i) {
    const Layer& layer = input.plan->layers[i];
    const LayerFormats& formats = input.candidate->assignment.layers[i];
    const std::string what = absl::StrCat(FormatName(formats.weight), "/", FormatName(formats.activation));
    const std::optional<ordered_json> config = Config(formats);
    if (layer.kind != Layer::Kind::kLinear) {
      if (!config.has_value() || !config->is_null())
        refusals.Add(layer.name, what,
                     absl::StrCat("is of a ", LayerKindName(layer.kind),
                                  ", and only linear layers are quantised: leave it fp32"));
    } else if (!config.has_value()) {
      refusals.Add(
          layer.name, what,
          "has no configuration: int2 to int8 weights over fp32 or int8 inputs, e4m3fn, mxfp8, mxfp4 and "
          "nvfp4 have");
    } else {
      modules[layer.name] = *config;
    }
  }
  if (absl::Status refused = refusals.Status(); !refused.ok()) return refused;
  return ReadableJson(Object("FqnToConfig", {{"fqn_to_config", std::move(modules)}}));
}

}  // namespace precis::server
