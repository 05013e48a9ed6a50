// Builds the document section by section.
#include "server/export/json_exporter.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/export/json_text.h"
#include "server/export/layer_scales.h"
#include "server/export/provenance.h"
#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"

namespace precis::server {
namespace {

using nlohmann::ordered_json;

const char* StemName(Stem stem) {
  switch (stem) {
    case Stem::kAuto:
      return "auto";
    case Stem::kSmall:
      return "small";
    case Stem::kImageNet:
      return "imagenet";
  }
  return "";
}

ordered_json QualityJson(const Quality& quality) {
  return {{"accuracy", quality.accuracy}, {"loss", quality.loss}, {"images", quality.images}};
}

ordered_json QualityJson(const std::optional<Quality>& quality) {
  return quality.has_value() ? QualityJson(*quality) : ordered_json(nullptr);
}

std::string CandidateName(const ExportInput& input, int64_t number) {
  return absl::StrCat(input.job_name, "/candidates/", number);
}

// One number a channel, or null.
ordered_json PixelStatistic(const WeightFile& weights, const std::string& key) {
  const auto entry = weights.metadata.find(key);
  if (entry == weights.metadata.end()) return nullptr;
  ordered_json numbers = ordered_json::array();
  for (const absl::string_view part : absl::StrSplit(entry->second, ',')) {
    float number = 0;
    if (!absl::SimpleAtof(part, &number)) return nullptr;
    numbers.push_back(number);
  }
  return numbers;
}

ordered_json FileJson(const search::Plan& plan) {
  const search::ModelSpec& model = plan.spec.model;
  ordered_json file = {{"name", ModelFileName(plan)},
                       {"sha256", model.found ? model.found->content : ""},
                       {"start", search::StartName(model.start)}};
  if (model.start != search::Start::kPostTraining) return file;
  for (const Technique technique : plan.spec.post_training.rewriting.techniques) {
    file["techniques"].push_back(TechniqueName(technique));
  }
  return file;
}

ordered_json ModelJson(const ExportInput& input) {
  const search::Plan& plan = *input.plan;
  const Shape& shape = plan.graph.input_shape();
  ordered_json options = {{"width_multiplier", plan.spec.model.width_multiplier},
                          {"stem", StemName(plan.spec.model.stem)},
                          {"stage1_projection", plan.spec.model.stage1_projection}};
  if (!input.architecture.empty()) options["architecture"] = input.architecture;
  ordered_json preprocessing = {{"pixel_divisor", 255},
                                {"mean", PixelStatistic(*input.weights, "pixel_mean")},
                                {"stddev", PixelStatistic(*input.weights, "pixel_stddev")},
                                {"channel_order", ChannelOrderName(plan)}};
  ordered_json model = {{"name", plan.graph.name()}, {"options", std::move(options)}};
  if (!plan.spec.model.path.empty()) model["file"] = FileJson(plan);
  model.update({{"input", {{"channels", shape[0]}, {"height", shape[1]}, {"width", shape[2]}}},
                {"classes", plan.dataset.classes},
                {"labels", plan.dataset.labels},
                {"preprocessing", std::move(preprocessing)},
                {"parameters", plan.graph.ParameterCount()},
                {"macs", TotalMacs(plan.graph)}});
  return model;
}

// Elements of all that the layer trains.
int64_t ParametersOfLayer(const search::Plan& plan, const Layer& layer) {
  int64_t count = 0;
  for (const ParameterInfo& parameter : plan.graph.Parameters()) {
    if (parameter.node == layer.node) count += ElementCount(parameter.shape);
  }
  return count;
}

// Which elements share a scale; per_operand is what a scale an operand means.
const char* Granularity(const Format& format, const char* per_operand) {
  if (!IsScaled(format)) return "none";
  switch (format.scale.extent) {
    case ScaleExtent::kOperand:
      return per_operand;
    case ScaleExtent::kTensor:
      return "per_tensor";
    case ScaleExtent::kBlock:
      return "per_block";
  }
  return "";
}

void AddBlock(const Format& format, float global_scale, ordered_json& operand) {
  operand["block_size"] = IsBlockScaled(format) ? ordered_json(format.scale.block) : ordered_json(nullptr);
  operand["global_scale"] = format.scale.global ? ordered_json(global_scale) : ordered_json(nullptr);
}

ordered_json WeightJson(const Format& format, const LayerScales& scales) {
  ordered_json weight = {{"format", FormatName(format)},
                         {"shape", scales.weight_shape},
                         {"granularity", Granularity(format, "per_output_channel")},
                         {"scales", scales.weight},
                         {"zero_points", scales.weight_zero_points}};
  AddBlock(format, scales.weight_global, weight);
  return weight;
}

ordered_json ActivationJson(const Format& format, const ActivationScale& scale) {
  const bool one_scale = IsScaled(format) && !IsBlockScaled(format);
  ordered_json activation = {{"format", FormatName(format)},
                             {"granularity", Granularity(format, "per_tensor")},
                             {"scale", one_scale ? ordered_json(*scale.scale) : ordered_json(nullptr)},
                             {"zero_point", nullptr},
                             {"range", nullptr},
                             {"max_abs", scale.max_abs}};
  if (scale.min.has_value()) activation["range"] = {*scale.min, *scale.max};
  if (format.scale.zero_point) activation["zero_point"] = scale.zero_point;
  AddBlock(format, scale.global, activation);
  return activation;
}

ordered_json LayerJson(const search::Plan& plan, size_t index, const LayerFormats& formats,
                       const LayerScales& scales) {
  const Layer& layer = plan.layers[index];
  ordered_json json = {{"name", layer.name},
                       {"kind", LayerKindName(layer.kind)},
                       {"macs", layer.macs},
                       {"parameters", ParametersOfLayer(plan, layer)}};
  if (layer.HasWeight()) json["weight"] = WeightJson(formats.weight, scales);
  json["activation"] = ActivationJson(formats.activation, scales.activation);
  if (scales.second.has_value()) json["second_operand"] = ActivationJson(formats.weight, *scales.second);
  return json;
}

ordered_json CostsJson(const search::Plan& plan, const std::vector<double>& costs, bool with_basis) {
  PRECIS_CHECK(costs.size() == plan.costs.size());
  ordered_json list = ordered_json::array();
  for (size_t i = 0; i < costs.size(); ++i) {
    ordered_json cost = {
        {"metric", plan.costs[i]->name()}, {"value", costs[i]}, {"unit", plan.costs[i]->unit()}};
    if (with_basis) cost["basis"] = plan.costs[i]->basis();
    list.push_back(std::move(cost));
  }
  return list;
}

ordered_json TargetJson(const search::Plan& plan) {
  return {{"metric", plan.costs[plan.constrained]->name()},
          {"value", plan.target},
          {"unit", plan.costs[plan.constrained]->unit()},
          {"as_given", plan.spec.cost.target}};
}

ordered_json AccuracyJson(const ExportInput& input) {
  ordered_json references = ordered_json::array();
  for (const search::Candidate& reference : input.references) {
    references.push_back({{"label", reference.label},
                          {"candidate", CandidateName(input, reference.number)},
                          {"search", QualityJson(reference.search)},
                          {"test", QualityJson(reference.test)},
                          {"costs", CostsJson(*input.plan, reference.costs, false)}});
  }
  return {
      {"candidate",
       {{"search", QualityJson(input.candidate->search)}, {"test", QualityJson(input.candidate->test)}}},
      {"float",
       {{"search", QualityJson(input.result.float_search)}, {"test", QualityJson(input.result.float_test)}}},
      {"references", std::move(references)}};
}

ordered_json ProvenanceJson(const ExportInput& input) {
  const search::Plan& plan = *input.plan;
  ordered_json weights = nullptr;
  if (!input.weights_file_name.empty())
    weights = {{"name", input.weights_file_name}, {"sha256", input.weights_sha256}};
  return {{"job", input.job_name},
          {"candidate", CandidateName(input, input.candidate->number)},
          {"origin", search::OriginName(input.candidate->origin)},
          {"label", input.candidate->label},
          {"data_set", plan.dataset.name},
          {"seed", plan.spec.seed},
          {"plan_fingerprint", plan.fingerprint},
          {"steps", plan.total_steps},
          {"versions", {{"server", input.server_version}, {"worker", input.worker_version}}},
          {"weights_file", std::move(weights)}};
}

}  // namespace

absl::StatusOr<std::string> ExportJson(const ExportInput& input) {
  const absl::StatusOr<std::vector<LayerScales>> scales =
      ComputeScales(*input.plan, *input.candidate, *input.weights);
  if (!scales.ok()) return scales.status();
  ordered_json layers = ordered_json::array();
  for (size_t i = 0; i < scales->size(); ++i)
    layers.push_back(LayerJson(*input.plan, i, input.candidate->assignment.layers[i], (*scales)[i]));
  const ordered_json document = {{"schema", {{"name", "precis-export"}, {"version", kJsonExportVersion}}},
                                 {"model", ModelJson(input)},
                                 {"layers", std::move(layers)},
                                 {"costs", CostsJson(*input.plan, input.candidate->costs, true)},
                                 {"target", TargetJson(*input.plan)},
                                 {"accuracy", AccuracyJson(input)},
                                 {"provenance", ProvenanceJson(input)}};
  return ReadableJson(document);
}

}  // namespace precis::server
