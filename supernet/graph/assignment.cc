// The text of an assignment, and how choices become one.
#include "supernet/graph/assignment.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "supernet/formats/check.h"
#include "supernet/graph/elastic_network.h"

namespace precis {
namespace {

absl::Status WithOperand(const char* operand, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(operand, " format: ", status.message()));
}

}  // namespace

std::string LayerFormatsName(const LayerFormats& formats) {
  std::string text = FormatName(formats.weight);
  if (formats.activation != formats.weight) absl::StrAppend(&text, "/", FormatName(formats.activation));
  return text;
}

absl::StatusOr<LayerFormats> ParseLayerFormats(std::string_view text) {
  const size_t slash = text.find('/');
  const absl::StatusOr<Format> weight = ParseFormat(text.substr(0, slash));
  if (slash == std::string_view::npos) {
    if (!weight.ok()) return weight.status();
    return LayerFormats{*weight, *weight};
  }
  if (!weight.ok()) return WithOperand("weight", weight.status());
  const absl::StatusOr<Format> activation = ParseFormat(text.substr(slash + 1));
  if (!activation.ok()) return WithOperand("activation", activation.status());
  return LayerFormats{*weight, *activation};
}

std::string AssignmentText(const Assignment& assignment) {
  std::string text = absl::StrJoin(assignment.layers, ",", [](std::string* out, const LayerFormats& layer) {
    absl::StrAppend(out, LayerFormatsName(layer));
  });
  if (!assignment.architecture.empty()) {
    absl::StrAppend(&text, ";", absl::StrJoin(assignment.architecture, ","));
  }
  return text;
}

absl::StatusOr<Assignment> ParseAssignment(std::string_view text) {
  Assignment assignment;
  if (text.empty()) return assignment;
  std::vector<std::string> faults;
  if (const size_t semicolon = text.find(';'); semicolon != std::string_view::npos) {
    const std::vector<std::string> options = absl::StrSplit(std::string(text.substr(semicolon + 1)), ',');
    for (const std::string& option : options) {
      int choice = 0;
      if (!absl::SimpleAtoi(option, &choice) || choice < 0 || option[0] == '+') {
        faults.push_back(absl::StrCat("architecture: \"", option, "\" is no index"));
      }
      assignment.architecture.push_back(choice);
    }
    text = text.substr(0, semicolon);
  }
  for (size_t begin = 0, index = 0; begin <= text.size(); ++index) {
    const size_t end = std::min(text.find(',', begin), text.size());
    absl::StatusOr<LayerFormats> layer = ParseLayerFormats(text.substr(begin, end - begin));
    if (layer.ok()) {
      assignment.layers.push_back(*std::move(layer));
    } else {
      faults.push_back(absl::StrCat("layer ", index, ": ", layer.status().message()));
    }
    begin = end + 1;
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "; "));
  return assignment;
}

Assignment UniformAssignment(size_t layer_count, const LayerFormats& formats) {
  return {.layers = std::vector<LayerFormats>(layer_count, formats)};
}

Assignment UniformAssignment(size_t layer_count, const Format& format) {
  return UniformAssignment(layer_count, LayerFormats{format, format});
}

SearchSpace SearchSpace::PerLayer(const std::vector<Layer>& layers,
                                  const std::vector<LayerFormats>& options) {
  PRECIS_CHECK(!options.empty());
  SearchSpace space;
  space.layer_count = layers.size();
  for (size_t i = 0; i < layers.size(); ++i) {
    Decision decision = {.name = layers[i].name,
                         .layers = {i},
                         .options = {},
                         .nonnegative_input = layers[i].nonnegative_input};
    for (const LayerFormats& option : options) {
      if (HoldsNegatives(option.activation) || layers[i].nonnegative_input)
        decision.options.push_back(option);
    }
    space.decisions.push_back(std::move(decision));
  }
  return space;
}

void SearchSpace::MakeElastic(std::shared_ptr<const ElasticNetwork> elastic) {
  PRECIS_CHECK(elastic->layer_count() == layer_count);
  network = std::move(elastic);
  for (const ElasticDimension& dimension : network->dimensions()) {
    decisions.push_back({.name = dimension.name, .layers = {}, .options = {}, .variants = dimension.options});
  }
}

Assignment SearchSpace::Apply(const std::vector<int>& choices) const {
  PRECIS_CHECK(choices.size() == decisions.size());
  Assignment assignment{.layers = std::vector<LayerFormats>(layer_count)};
  for (size_t d = 0; d < decisions.size(); ++d) {
    const Decision& decision = decisions[d];
    PRECIS_CHECK(choices[d] >= 0 && static_cast<size_t>(choices[d]) < decision.size());
    if (decision.IsArchitecture()) assignment.architecture.push_back(choices[d]);
    for (const size_t layer : decision.layers) {
      PRECIS_CHECK(layer < layer_count);
      assignment.layers[layer] = decision.options[static_cast<size_t>(choices[d])];
    }
  }
  if (network == nullptr) return assignment;
  const std::vector<size_t> shapes = network->ShapesOf(assignment.architecture);
  for (const Decision& decision : decisions) {
    for (const size_t layer : decision.layers) {
      if (shapes[layer] == ElasticNetwork::kAbsent) assignment.layers[layer] = decision.options.front();
    }
  }
  if (assignment.architecture == network->Own()) assignment.architecture.clear();
  return assignment;
}

std::optional<std::vector<int>> SearchSpace::ChoicesOf(const Assignment& assignment) const {
  PRECIS_CHECK(assignment.layers.size() == layer_count);
  std::vector<int> choices;
  Architecture architecture = assignment.architecture;
  std::vector<size_t> shapes(layer_count, 0);
  if (network != nullptr) {
    if (architecture.empty()) architecture = network->Own();
    if (!network->Has(architecture)) return std::nullopt;
    shapes = network->ShapesOf(architecture);
  } else if (!architecture.empty()) {
    return std::nullopt;
  }
  size_t dimension = 0;
  for (const Decision& decision : decisions) {
    if (decision.IsArchitecture()) {
      choices.push_back(architecture[dimension++]);
      continue;
    }
    const auto present = std::find_if(decision.layers.begin(), decision.layers.end(),
                                      [&](size_t layer) { return shapes[layer] != ElasticNetwork::kAbsent; });
    if (present == decision.layers.end()) {
      choices.push_back(0);
      continue;
    }
    const LayerFormats& wanted = assignment.layers[*present];
    const auto at = std::find(decision.options.begin(), decision.options.end(), wanted);
    if (at == decision.options.end()) return std::nullopt;
    choices.push_back(static_cast<int>(at - decision.options.begin()));
  }
  if (Apply(choices) != assignment) return std::nullopt;
  return choices;
}

}  // namespace precis
