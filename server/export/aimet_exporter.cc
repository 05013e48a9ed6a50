// One encoding a tensor, then either version's JSON.
#include "server/export/aimet_exporter.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/export/json_text.h"
#include "server/export/layer_scales.h"
#include "server/export/provenance.h"
#include "server/export/refusals.h"
#include "supernet/formats/check.h"

namespace precis::server {
namespace {

using nlohmann::ordered_json;

enum class Version { k061, k100 };

struct Encoding {
  std::string tensor;
  std::string layer;  // the first that reads it
  Format format;
  std::vector<float> scales = {};
  std::vector<int64_t> offsets = {};  // one a scale
  bool per_channel = false;

  bool IsSame(const Encoding& other) const {
    return format == other.format && scales == other.scales && offsets == other.offsets;
  }
};

bool IsFloat(const Format& format) { return format.element.kind == ElementKind::kFloat; }

// The lowest code of AIMET's integer of as many bits.
int64_t LowestCode(const ElementFormat& element) {
  return element.is_signed ? -(int64_t{1} << (element.bits - 1)) : 0;
}

// "" if the version has it; else what Refusals::Add takes.
std::string WhyNot(const Format& format, Version version) {
  if (format.hadamard != 0) return "rotates its values, which AIMET does not: leave out +hadamard";
  if (format.stochastic_bits != 0) return "rounds at random, which AIMET does not: leave out +sr";
  if (IsFloat(format)) {
    const int bits = format.element.bits;
    if (!IsScaled(format) && (bits == 32 || format.element == FloatElement(5, 10, Specials::kIeee)))
      return "";
    return absl::StrCat("is a float that the encodings lack: the nearest are fp16, fp32 and ",
                        bits <= 4 ? "int4" : "int8");
  }
  if (version == Version::k061 && format.element.bits < 4)
    return "is narrower than 4 bits, the least of version 0.6.1: export as aimet (1.0.0), or take int4";
  return "";
}

std::string WhyNotActivation(const Format& format, Version version) {
  if (IsBlockScaled(format))
    return absl::StrCat("has a scale a block, which no activation has in the encodings: int",
                        format.element.bits, " is nearest");
  return WhyNot(format, version);
}

std::string WhyNotWeight(const Format& format, const LayerScales& scales, Version version) {
  std::string why = WhyNot(format, version);
  if (!why.empty() || !IsBlockScaled(format)) return why;
  const std::string nearest = absl::StrCat("int", format.element.bits, " is nearest");
  if (version == Version::k061)
    return absl::StrCat("has a scale a block, which version 0.6.1 lacks: ", nearest);
  int64_t positions = 1;
  for (size_t i = 2; i < scales.weight_shape.size(); ++i) positions *= scales.weight_shape[i];
  if (positions != 1 || scales.weight_shape[1] % format.scale.block != 0)
    return absl::StrCat("has blocks of ", format.scale.block, " along kernel positions and ",
                        scales.weight_shape[1],
                        " input channels, and the encodings only blocks that divide the "
                        "input channels, the same at every position: ",
                        nearest);
  return "";
}

Encoding WeightEncoding(const Layer& layer, const Format& format, const LayerScales& scales) {
  Encoding encoding{
      .tensor = layer.name + ".weight", .layer = layer.name, .format = format, .scales = scales.weight};
  for (size_t i = 0; i < encoding.scales.size(); ++i) {
    const int zero_point = scales.weight_zero_points.empty() ? 0 : scales.weight_zero_points[i];
    encoding.offsets.push_back(LowestCode(format.element) - zero_point);
  }
  encoding.per_channel = format.scale.extent == ScaleExtent::kOperand;
  return encoding;
}

Encoding ActivationEncoding(const search::Plan& plan, const Layer& layer, NodeId from, const Format& format,
                            const ActivationScale& scale) {
  Encoding encoding{.tensor = OnnxNameOf(plan.graph, from), .layer = layer.name, .format = format};
  if (scale.scale.has_value() && IsScaled(format)) {
    encoding.scales = {*scale.scale};
    encoding.offsets = {LowestCode(format.element) - scale.zero_point};
  }
  return encoding;
}

struct Encodings {
  std::vector<Encoding> weights;
  std::vector<Encoding> activations;
};

absl::StatusOr<Encodings> Collect(const ExportInput& input, Version version) {
  const search::Plan& plan = *input.plan;
  const absl::StatusOr<std::vector<LayerScales>> scales =
      ComputeScales(plan, *input.candidate, *input.weights);
  if (!scales.ok()) return scales.status();
  Refusals refusals(version == Version::k061 ? "AIMET 0.6.1" : "AIMET 1.0.0");
  Encodings all;
  std::map<std::string, size_t> known;
  const auto add = [&](size_t l, bool is_second, const Format& format, const ActivationScale& scale) {
    const Layer& layer = plan.layers[l];
    if (const std::string why = WhyNotActivation(format, version); !why.empty()) {
      refusals.Add(layer.name, absl::StrCat("the input in ", FormatName(format)), why);
      return;
    }
    const NodeId from = plan.graph.node(layer.node).inputs[is_second ? 1 : 0];
    Encoding encoding = ActivationEncoding(plan, layer, from, format, scale);
    const auto [found, is_new] = known.emplace(encoding.tensor, all.activations.size());
    if (is_new) {
      all.activations.push_back(std::move(encoding));
    } else if (const Encoding& first = all.activations[found->second]; !first.IsSame(encoding)) {
      const bool same_format = first.format == format;
      refusals.Add(
          layer.name, absl::StrCat("reads ", encoding.tensor, " as ", FormatName(format)),
          absl::StrCat("and layer ", first.layer,
                       same_format ? " with another range" : absl::StrCat(" as ", FormatName(first.format)),
                       ", where a tensor has one encoding: let them decide together (space.ties)"));
    }
  };
  for (size_t l = 0; l < plan.layers.size(); ++l) {
    const LayerFormats& formats = input.candidate->assignment.layers[l];
    const LayerScales& of_layer = (*scales)[l];
    add(l, false, formats.activation, of_layer.activation);
    if (of_layer.second.has_value()) {
      add(l, true, formats.weight, *of_layer.second);
    } else if (const std::string why = WhyNotWeight(formats.weight, of_layer, version); !why.empty()) {
      refusals.Add(plan.layers[l].name, absl::StrCat("the weight in ", FormatName(formats.weight)), why);
    } else {
      all.weights.push_back(WeightEncoding(plan.layers[l], formats.weight, of_layer));
    }
  }
  if (absl::Status refused = refusals.Status(); !refused.ok()) return refused;
  return all;
}

bool IsSymmetric(const Format& format) { return format.element.is_signed && !format.scale.zero_point; }

ordered_json Json100(const Encoding& encoding) {
  const Format& format = encoding.format;
  const bool blocks = IsBlockScaled(format);
  ordered_json json = {{"name", encoding.tensor},
                       {"enc_type", blocks                                     ? "PER_BLOCK"
                                    : encoding.per_channel && !IsFloat(format) ? "PER_CHANNEL"
                                                                               : "PER_TENSOR"},
                       {"dtype", IsFloat(format) ? "FLOAT" : "INT"},
                       {"bw", format.element.bits}};
  if (IsFloat(format)) return json;
  json["is_sym"] = IsSymmetric(format);
  if (blocks) json["block_size"] = format.scale.block;
  json["scale"] = encoding.scales;
  json["offset"] = encoding.offsets;
  return json;
}

ordered_json Json061(const Encoding& encoding) {
  const int bits = encoding.format.element.bits;
  if (IsFloat(encoding.format)) return {{{"bitwidth", bits}, {"dtype", "float"}}};
  ordered_json list = ordered_json::array();
  const double codes = static_cast<double>((int64_t{1} << bits) - 1);
  for (size_t i = 0; i < encoding.scales.size(); ++i) {
    const double scale = static_cast<double>(encoding.scales[i]);
    const auto offset = static_cast<double>(encoding.offsets[i]);
    list.push_back({{"bitwidth", bits},
                    {"dtype", "int"},
                    {"is_symmetric", IsSymmetric(encoding.format) ? "True" : "False"},
                    {"max", scale * (codes + offset)},
                    {"min", scale * offset},
                    {"offset", encoding.offsets[i]},
                    {"scale", encoding.scales[i]}});
  }
  return list;
}

ordered_json ListJson(const std::vector<Encoding>& encodings, Version version) {
  ordered_json json = version == Version::k061 ? ordered_json::object() : ordered_json::array();
  for (const Encoding& encoding : encodings) {
    if (version == Version::k061) {
      json[encoding.tensor] = Json061(encoding);
    } else {
      json.push_back(Json100(encoding));
    }
  }
  return json;
}

int MostBits(const std::vector<Encoding>& encodings) {
  int most = 0;
  for (const Encoding& encoding : encodings) most = std::max(most, encoding.format.element.bits);
  return most;
}

// How AIMET describes where encodings come from; widths are the widest, since they differ.
ordered_json ArgumentsJson(const Encodings& encodings, Version version) {
  const auto truth = [&](bool value) {
    return version == Version::k061 ? ordered_json(value ? "True" : "False") : ordered_json(value);
  };
  const auto all = [](const std::vector<Encoding>& list, auto holds) {
    return std::all_of(list.begin(), list.end(), [&](const Encoding& each) { return holds(each); });
  };
  return {{"activation_bitwidth", MostBits(encodings.activations)},
          {"dtype", "int"},
          {"is_symmetric",
           truth(all(encodings.weights, [](const Encoding& e) { return IsSymmetric(e.format); }))},
          {"param_bitwidth", MostBits(encodings.weights)},
          {"per_channel_quantization",
           truth(all(encodings.weights, [](const Encoding& e) { return e.per_channel; }))},
          {"quant_scheme", "post_training_tf"}};
}

absl::StatusOr<std::string> Export(const ExportInput& input, Version version) {
  const absl::StatusOr<Encodings> encodings = Collect(input, version);
  if (!encodings.ok()) return encodings.status();
  ordered_json document = {{"version", version == Version::k061 ? "0.6.1" : "1.0.0"},
                           {"activation_encodings", ListJson(encodings->activations, version)},
                           {"param_encodings", ListJson(encodings->weights, version)},
                           {"quantizer_args", ArgumentsJson(*encodings, version)}};
  if (version == Version::k100) document["excluded_layers"] = ordered_json::array();
  document["producer"] = ProducerText(input);
  return ReadableJson(document);
}

}  // namespace

absl::StatusOr<std::string> ExportAimet(const ExportInput& input) { return Export(input, Version::k100); }

absl::StatusOr<std::string> ExportAimet061(const ExportInput& input) { return Export(input, Version::k061); }

}  // namespace precis::server
