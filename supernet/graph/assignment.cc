// The text of an assignment, and how choices become one.
#include "supernet/graph/assignment.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

std::string LayerText(const LayerFormats& layer) {
  std::string text = FormatName(layer.weight);
  if (layer.activation != layer.weight) absl::StrAppend(&text, "/", FormatName(layer.activation));
  return text;
}

absl::StatusOr<LayerFormats> ParseLayer(std::string_view text) {
  const size_t slash = text.find('/');
  absl::StatusOr<Format> weight = ParseFormat(text.substr(0, slash));
  if (!weight.ok()) return weight.status();
  if (slash == std::string_view::npos) return LayerFormats{*weight, *weight};
  absl::StatusOr<Format> activation = ParseFormat(text.substr(slash + 1));
  if (!activation.ok()) return activation.status();
  return LayerFormats{*weight, *activation};
}

}  // namespace

std::string AssignmentText(const Assignment& assignment) {
  return absl::StrJoin(assignment.layers, ",", [](std::string* out, const LayerFormats& layer) {
    absl::StrAppend(out, LayerText(layer));
  });
}

absl::StatusOr<Assignment> ParseAssignment(std::string_view text) {
  Assignment assignment;
  if (text.empty()) return assignment;
  std::vector<std::string> faults;
  for (size_t begin = 0, index = 0; begin <= text.size(); ++index) {
    const size_t end = std::min(text.find(',', begin), text.size());
    absl::StatusOr<LayerFormats> layer = ParseLayer(text.substr(begin, end - begin));
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

Assignment UniformAssignment(size_t layer_count, const Format& format) {
  return {.layers = std::vector<LayerFormats>(layer_count, LayerFormats{format, format})};
}

SearchSpace SearchSpace::PerLayer(const std::vector<Layer>& layers, const std::vector<Format>& formats) {
  PRECIS_CHECK(!formats.empty());
  std::vector<LayerFormats> options;
  options.reserve(formats.size());
  for (const Format& format : formats) options.push_back({format, format});
  SearchSpace space;
  space.layer_count = layers.size();
  for (size_t i = 0; i < layers.size(); ++i) {
    space.decisions.push_back({.name = layers[i].name, .layers = {i}, .options = options});
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

}  // namespace precis
