// Types by tensor, as ONNX Runtime's quantiser calls them.
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/export/format_facts.h"
#include "server/export/json_text.h"
#include "server/export/provenance.h"
#include "server/export/refusals.h"
#include "server/export/tool_configs.h"

namespace precis::server {
namespace {

using nlohmann::ordered_json;

// QuantType's name; "" if it has none.
std::string QuantType(const Format& format) {
  if (format.hadamard != 0 || format.stochastic_bits != 0 || IsBlockScaled(format)) return "";
  const int bits = format.element.bits;
  const bool known =
      IsInteger(format) && (bits == 4 || bits == 8 || bits == 16) && format.scale.type == ScaleType::kFloat32;
  return known ? absl::StrCat(format.element.is_signed ? "QInt" : "QUInt", bits) : "";
}

int NearestBits(const Format& format) {
  const int bits = format.element.bits;
  return bits <= 4 ? 4 : bits <= 8 ? 8 : 16;
}

}  // namespace

absl::StatusOr<std::string> ExportOlive(const ExportInput& input) {
  Refusals refusals("Olive");
  ordered_json overrides = ordered_json::object();
  std::map<std::string, std::pair<std::string, std::string>> known;  // tensor: layer and type
  const auto add = [&](const Layer& layer, const std::string& tensor, const Format& format) {
    const std::string type = QuantType(format);
    if (type.empty()) {
      refusals.Add(layer.name, absl::StrCat(tensor, " in ", FormatName(format)),
                   absl::StrCat("is no integer of 4, 8 or 16 bits with one scale: int", NearestBits(format),
                                " is nearest"));
      return;
    }
    const auto [found, is_new] = known.emplace(tensor, std::pair(layer.name, type));
    if (!is_new && found->second.second != type) {
      refusals.Add(layer.name, absl::StrCat("reads ", tensor, " as ", type),
                   absl::StrCat("and layer ", found->second.first, " as ", found->second.second,
                                ", where a tensor has one type: let them decide together (space.ties)"));
    }
    overrides[tensor] = {{{"quant_type", type}}};
  };
  const search::Plan& plan = *input.plan;
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    const Layer& layer = plan.layers[i];
    const LayerFormats& formats = input.candidate->assignment.layers[i];
    const std::vector<NodeId>& inputs = plan.graph.node(layer.node).inputs;
    add(layer, OnnxNameOf(plan.graph, inputs[0]), formats.activation);
    add(layer, layer.HasWeight() ? layer.name + ".weight" : OnnxNameOf(plan.graph, inputs[1]),
        formats.weight);
  }
  if (absl::Status refused = refusals.Status(); !refused.ok()) return refused;
  return ReadableJson({{"input_model",
                        {{"type", "ONNXModel"},
                         {"model_path", absl::StrCat(plan.graph.name(), ".onnx")},
                         {"model_attributes", {{"mixed_precision_overrides", std::move(overrides)}}}}},
                       {"producer", ProducerText(input)}});
}

}  // namespace precis::server
