// A manifest entry and up to three tensors a layer.
#include "server/export/packed_exporter.h"

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/export/format_facts.h"
#include "server/export/layer_scales.h"
#include "server/export/provenance.h"
#include "server/export/refusals.h"
#include "server/export/rounded_weight.h"
#include "supernet/formats/packing.h"
#include "supernet/graph/safetensors_writer.h"

namespace precis::server {
namespace {

using nlohmann::ordered_json;

class Packer {
 public:
  explicit Packer(const ExportInput& input) : input_(input) {}

  absl::StatusOr<std::string> Pack() {
    const search::Plan& plan = *input_.plan;
    const absl::StatusOr<std::vector<LayerScales>> scales =
        ComputeScales(plan, *input_.candidate, *input_.weights);
    if (!scales.ok()) return scales.status();
    Refusals refusals("The packed file");
    for (size_t i = 0; i < plan.layers.size(); ++i) {
      const LayerFormats& formats = input_.candidate->assignment.layers[i];
      for (const Format& format : {formats.weight, formats.activation}) {
        if (format.stochastic_bits == 0) continue;
        refusals.Add(plan.layers[i].name, format, "rounds at random: leave out +sr");
        break;
      }
    }
    if (absl::Status refused = refusals.Status(); !refused.ok()) return refused;
    std::set<std::string> packed;
    for (size_t i = 0; i < plan.layers.size(); ++i) AddLayer(i, (*scales)[i], packed);
    for (const auto& [name, tensor] : input_.weights->tensors) {
      if (packed.count(name) != 0 || IsRange(name)) continue;
      AddView(name, "F32", tensor.shape, tensor.values.data(), tensor.values.size());
    }
    return SafetensorsBytes(tensors_, Metadata());
  }

 private:
  // Ranges are in the scales.
  static bool IsRange(const std::string& name) {
    return name.find(".weight_range.") != std::string::npos ||
           name.find(".output_range.") != std::string::npos;
  }

  template <typename T>
  void AddView(const std::string& name, const std::string& dtype, std::vector<int64_t> shape, const T* data,
               size_t count) {
    tensors_.push_back(
        {name, dtype, std::move(shape), {reinterpret_cast<const char*>(data), count * sizeof(T)}});
  }

  void AddLayer(size_t index, const LayerScales& scales, std::set<std::string>& packed) {
    const Layer& layer = input_.plan->layers[index];
    const LayerFormats& formats = input_.candidate->assignment.layers[index];
    ordered_json entry = {{"name", layer.name}, {"kind", LayerKindName(layer.kind)}};
    if (layer.HasWeight()) {
      const std::string name = layer.name + ".weight";
      entry["weight"] = AddWeight(name, formats.weight, input_.weights->tensors.at(name), scales);
      if (!IsNoScaleFp32(formats.weight)) packed.insert(name);
    }
    entry["input"] = OperandJson(formats.activation, scales.activation);
    if (scales.second.has_value()) entry["second_operand"] = OperandJson(formats.weight, *scales.second);
    layers_.push_back(std::move(entry));
  }

  ordered_json AddWeight(const std::string& name, const Format& format, const WeightTensor& tensor,
                         const LayerScales& scales) {
    const WeightOrder order(tensor, format);
    ordered_json entry = {{"format", FormatName(format)}, {"shape", tensor.shape}};
    if (IsNoScaleFp32(format)) return entry;
    const size_t rows = tensor.values.size() / order.row_size();
    QuantizedTensor quantized;
    quantized.scales = scales.weight;
    quantized.zero_points = scales.weight_zero_points;
    quantized.global_scale = scales.weight_global;
    for (const RoundedElement& element :
         RoundWeight(format, scales, ValuesInOrder(tensor, order, format), order.row_size()))
      quantized.values.push_back(element.Dequantized());
    // A scale an operand is one a row there.
    Format stored = format;
    if (scales.weight.size() == 1 && stored.scale.extent == ScaleExtent::kOperand)
      stored.scale.extent = ScaleExtent::kTensor;
    const PackedTensor& packed =
        packed_.emplace_back(PackQuantized(stored, quantized, rows, order.row_size()));
    const auto outputs = static_cast<int64_t>(rows);
    AddView(name + ".codes", "U8", {outputs, static_cast<int64_t>(packed.codes.size() / rows)},
            packed.codes.data(), packed.codes.size());
    std::vector<int64_t> shape = {static_cast<int64_t>(scales.weight.size())};
    if (IsBlockScaled(format)) shape = {outputs, shape[0] / outputs};
    if (!scales.weight.empty()) {
      const bool is_float = format.scale.type == ScaleType::kFloat32;
      AddView(name + ".scales", is_float ? "F32" : "U8", shape, packed.scales.data(), packed.scales.size());
    }
    if (!packed.zero_points.empty())
      AddView(name + ".zero_points", "I32", shape, packed.zero_points.data(), packed.zero_points.size());
    const bool has_positions = tensor.shape.size() > 2;
    entry["order"] = !has_positions          ? "outputs,inputs"
                     : order.channels_last() ? "outputs,rows,columns,inputs"
                                             : "outputs,inputs,rows,columns";
    entry["bits"] = ElementBits(format.element);
    entry["block"] = IsBlockScaled(format) ? ordered_json(format.scale.block) : ordered_json(nullptr);
    entry["global_scale"] = packed.global_scale;
    entry["hadamard"] = format.hadamard;
    return entry;
  }

  static ordered_json OperandJson(const Format& format, const ActivationScale& scale) {
    ordered_json entry = {{"format", FormatName(format)}};
    if (!IsScaled(format)) return entry;
    if (scale.scale.has_value()) {
      entry["scale"] = *scale.scale;
      entry["zero_point"] = scale.zero_point;
      entry["range"] = {*scale.min, *scale.max};
    }
    entry["global_scale"] = scale.global;
    return entry;
  }

  std::map<std::string, std::string> Metadata() const {
    const ordered_json manifest = {{"schema", {{"name", "precis-packed"}, {"version", 1}}},
                                   {"model", input_.plan->graph.name()},
                                   {"layers", layers_}};
    std::map<std::string, std::string> metadata;
    for (auto& [key, value] : ProvenanceEntries(input_)) metadata[key] = std::move(value);
    metadata["precis.manifest"] = manifest.dump();
    return metadata;
  }

  const ExportInput& input_;
  ordered_json layers_ = ordered_json::array();
  std::vector<RawTensor> tensors_;
  std::deque<PackedTensor> packed_;  // what the tensors view
};

}  // namespace

absl::StatusOr<std::string> ExportPacked(const ExportInput& input) { return Packer(input).Pack(); }

absl::StatusOr<std::string> ExportSafetensors(const ExportInput& input) {
  WeightFile file = *input.weights;
  for (auto& [key, value] : ProvenanceEntries(input)) file.metadata[key] = std::move(value);
  return WeightFileBytes(file);
}

}  // namespace precis::server
