// Walks the graph once; operands that are the same tensor in the same format are rounded once.
#include "server/export/onnx_exporter.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/export/layer_scales.h"
#include "server/export/onnx_activations.h"
#include "server/export/onnx_graph.h"
#include "server/export/onnx_nodes.h"
#include "server/export/onnx_weights.h"
#include "server/export/provenance.h"
#include "server/export/refusals.h"
#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"

namespace precis::server {
namespace {

using nlohmann::ordered_json;

const Format& Float32() {
  static const Format format = *ParseFormat("fp32");
  return format;
}

constexpr char kInput[] = "input";
constexpr char kOutput[] = "logits";

absl::Status CheckFormats(const ExportInput& input) {
  Refusals refusals("ONNX");
  for (size_t i = 0; i < input.plan->layers.size(); ++i) {
    const LayerFormats& formats = input.candidate->assignment.layers[i];
    for (const Format& format : {formats.weight, formats.activation}) {
      const std::string why = WhyNotOnnx(format);
      if (why.empty()) continue;
      refusals.Add(input.plan->layers[i].name, format, why);
      if (formats.weight == formats.activation) break;
    }
  }
  return refusals.Status();
}

class Writer {
 public:
  Writer(const ExportInput& input, OnnxStyle style, bool is_float, const std::vector<LayerScales>& scales)
      : input_(input),
        graph_(input.plan->graph),
        style_(style),
        is_float_(is_float),
        scales_(scales),
        onnx_(graph_.name()),
        values_(graph_.nodes().size()) {}

  absl::StatusOr<std::string> Write() {
    values_[0] = onnx_.AddInput(kInput, graph_.input_shape());
    for (size_t l = 0; l < input_.plan->layers.size(); ++l) layer_of_[input_.plan->layers[l].node] = l;
    for (NodeId id = 1; id <= graph_.output(); ++id) {
      const auto layer = layer_of_.find(id);
      absl::Status added = layer == layer_of_.end() ? AddPlain(id) : AddQuantized(id, layer->second);
      if (!added.ok()) return added;
    }
    const Node& last = graph_.node(graph_.output());
    onnx_.Add("Identity", {values_[static_cast<size_t>(graph_.output())]}, kOutput);
    onnx_.AddOutput(kOutput, last.shape);
    return onnx_.Serialize(input_.server_version, Metadata());
  }

 private:
  absl::StatusOr<const WeightTensor*> Find(const std::string& name, const Shape& shape) const {
    const auto found = input_.weights->tensors.find(name);
    if (found == input_.weights->tensors.end())
      return absl::DataLossError(absl::StrCat("the weights have no tensor ", name));
    if (found->second.shape != shape)
      return absl::DataLossError(absl::StrCat("the tensor ", name, " does not have the node's shape"));
    for (const float value : found->second.values) {
      if (!std::isfinite(value))
        return absl::DataLossError(absl::StrCat("the tensor ", name, " holds a number that is not finite"));
    }
    return &found->second;
  }

  absl::StatusOr<OnnxValue> AddTensor(const std::string& name, const Shape& shape) {
    const absl::StatusOr<const WeightTensor*> tensor = Find(name, shape);
    if (!tensor.ok()) return tensor.status();
    return onnx_.AddFloats(name, (*tensor)->shape, (*tensor)->values);
  }

  // "" where the node has none.
  absl::Status AddParameter(NodeId id, const std::string& part, OnnxValue& value) {
    const std::string name = absl::StrCat(graph_.node(id).name, ".", part);
    for (const ParameterInfo& parameter : parameters_) {
      if (parameter.node != id || parameter.name != name) continue;
      absl::StatusOr<OnnxValue> added = AddTensor(name, parameter.shape);
      if (!added.ok()) return added.status();
      value = *std::move(added);
    }
    return absl::OkStatus();
  }

  absl::Status AddPlain(NodeId id) {
    const Node& node = graph_.node(id);
    OnnxParameters parameters;
    if (absl::Status added = AddParameter(id, "weight", parameters.weight); !added.ok()) return added;
    if (absl::Status added = AddParameter(id, "bias", parameters.bias); !added.ok()) return added;
    if (std::holds_alternative<BatchNormNode>(node.op)) {
      for (auto& [part, value] : {std::pair<const char*, OnnxValue&>{"running_mean", parameters.mean},
                                  {"running_var", parameters.variance}}) {
        absl::StatusOr<OnnxValue> added = AddTensor(absl::StrCat(node.name, ".", part), {node.shape[0]});
        if (!added.ok()) return added.status();
        value = *std::move(added);
      }
    }
    std::vector<OnnxValue> inputs;
    for (const NodeId from : node.inputs) inputs.push_back(values_[static_cast<size_t>(from)]);
    values_[static_cast<size_t>(id)] = AddPlainNode(onnx_, graph_, node, inputs, parameters);
    return absl::OkStatus();
  }

  OnnxValue Operand(const Node& node, bool is_second, const Format& format, const ActivationScale& scale,
                    bool nonnegative) {
    const NodeId from = node.inputs[is_second ? 1 : 0];
    const Shape& shape = graph_.node(from).shape;
    const int64_t axis = ReductionAxis(node.op, is_second, static_cast<int64_t>(shape.size()));
    const OnnxValue& x = values_[static_cast<size_t>(from)];
    OnnxValue& known =
        rounded_[{from, format, axis, scale.scale.value_or(0), scale.zero_point, scale.max_abs}];
    if (known.empty()) {
      known = AddQuantizedActivation(onnx_, style_, x,
                                     absl::StrCat(graph_.node(from).name, "/", FormatName(format)), format,
                                     scale, shape, axis, nonnegative);
    }
    return known;
  }

  absl::Status AddQuantized(NodeId id, size_t index) {
    const Node& node = graph_.node(id);
    const LayerFormats formats =
        is_float_ ? LayerFormats{Float32(), Float32()} : input_.candidate->assignment.layers[index];
    const LayerScales& scales = scales_[index];
    const OnnxValue x = Operand(node, false, formats.activation, scales.activation,
                                input_.plan->layers[index].nonnegative_input);
    OnnxValue weight;
    OnnxValue bias;
    if (scales.second.has_value()) {
      weight = Operand(node, true, formats.weight, *scales.second, false);
      carriers_.push_back("");
    } else {
      const std::string name = node.name + ".weight";
      const absl::StatusOr<const WeightTensor*> tensor = Find(name, scales.weight_shape);
      if (!tensor.ok()) return tensor.status();
      OnnxWeight added =
          AddWeight(onnx_, style_, name, formats.weight, **tensor, scales, TakesTurnedWeight(graph_, node));
      weight = std::move(added.value);
      carriers_.push_back(std::move(added.carrier));
      if (absl::Status status = AddParameter(id, "bias", bias); !status.ok()) return status;
    }
    values_[static_cast<size_t>(id)] = AddLayer(onnx_, graph_, node, x, weight, bias);
    return absl::OkStatus();
  }

  std::string LayersText() const {
    ordered_json layers = ordered_json::object();
    for (size_t i = 0; i < input_.plan->layers.size(); ++i) {
      const LayerFormats& formats = input_.candidate->assignment.layers[i];
      ordered_json layer = {{"weight", FormatName(formats.weight)},
                            {"activation", FormatName(formats.activation)}};
      if (!carriers_[i].empty() && !is_float_) layer["weight_stored_as"] = carriers_[i];
      layers[input_.plan->layers[i].name] = std::move(layer);
    }
    return layers.dump();
  }

  std::vector<std::pair<std::string, std::string>> Metadata() const {
    std::vector<std::pair<std::string, std::string>> entries = ProvenanceEntries(input_);
    if (is_float_)
      std::erase_if(entries, [](const auto& entry) { return entry.first.ends_with("_accuracy"); });
    entries.emplace_back("precis.layers", LayersText());
    return entries;
  }

  const ExportInput& input_;
  const ModelGraph& graph_;
  OnnxStyle style_;
  bool is_float_;  // formats are noted, and nothing is rounded
  const std::vector<LayerScales>& scales_;
  OnnxGraph onnx_;
  std::vector<OnnxValue> values_;  // by node
  const std::vector<ParameterInfo> parameters_ = graph_.Parameters();
  std::map<NodeId, size_t> layer_of_;
  std::map<std::tuple<NodeId, Format, int64_t, float, int, float>, OnnxValue> rounded_;
  std::vector<std::string> carriers_;  // by layer
};

absl::StatusOr<std::string> Export(const ExportInput& input, OnnxStyle style, bool is_float = false) {
  if (absl::Status fits = CheckFormats(input); !is_float && !fits.ok()) return fits;
  const absl::StatusOr<std::vector<LayerScales>> scales =
      ComputeScales(*input.plan, *input.candidate, *input.weights);
  if (!scales.ok()) return scales.status();
  return Writer(input, style, is_float, *scales).Write();
}

}  // namespace

absl::StatusOr<std::string> ExportOnnx(const ExportInput& input) {
  return Export(input, OnnxStyle::kQuantizeLinear);
}

absl::StatusOr<std::string> ExportOnnxFake(const ExportInput& input) {
  return Export(input, OnnxStyle::kArithmetic);
}

absl::StatusOr<std::string> ExportOnnxFloat(const ExportInput& input) {
  return Export(input, OnnxStyle::kArithmetic, true);
}

}  // namespace precis::server
