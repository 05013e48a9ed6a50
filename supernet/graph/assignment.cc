// The text of an assignment, and how choices become one.
#include "supernet/graph/assignment.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"

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
  return absl::StrJoin(assignment.layers, ",", [](std::string* out, const LayerFormats& layer) {
    absl::StrAppend(out, LayerFormatsName(layer));
  });
}

absl::StatusOr<Assignment> ParseAssignment(std::string_view text) {
  Assignment assignment;
  if (text.empty()) return assignment;
  std::vector<std::string> faults;
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

Assignment SearchSpace::Apply(const std::vector<int>& choices) const {
  PRECIS_CHECK(choices.size() == decisions.size());
  Assignment assignment{.layers = std::vector<LayerFormats>(layer_count)};
  for (size_t d = 0; d < decisions.size(); ++d) {
    const Decision& decision = decisions[d];
    PRECIS_CHECK(choices[d] >= 0 && static_cast<size_t>(choices[d]) < decision.options.size());
    for (const size_t layer : decision.layers) {
      PRECIS_CHECK(layer < layer_count);
      assignment.layers[layer] = decision.options[static_cast<size_t>(choices[d])];
    }
  }
  return assignment;
}

std::optional<std::vector<int>> SearchSpace::ChoicesOf(const Assignment& assignment) const {
  PRECIS_CHECK(assignment.layers.size() == layer_count);
  std::vector<int> choices;
  for (const Decision& decision : decisions) {
    const LayerFormats& wanted = assignment.layers[decision.layers.front()];
    const auto at = std::find(decision.options.begin(), decision.options.end(), wanted);
    if (at == decision.options.end()) return std::nullopt;
    choices.push_back(static_cast<int>(at - decision.options.begin()));
  }
  if (Apply(choices) != assignment) return std::nullopt;
  return choices;
}

}  // namespace precis
