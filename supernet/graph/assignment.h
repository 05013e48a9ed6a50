// Assignment: which format every layer uses. SearchSpace: which it may use.
//
// Threading: values; concurrent const access is safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/formats/format.h"
#include "supernet/graph/model_graph.h"

namespace precis {

struct LayerFormats {
  Format weight;
  Format activation;  // of the layer's input

  bool operator==(const LayerFormats&) const = default;
};

// layers[i] belongs to ModelGraph::Layers()[i].
struct Assignment {
  std::vector<LayerFormats> layers;

  bool operator==(const Assignment&) const = default;
};

// One entry a layer, comma-separated: "int8,int4,e4m3/int8" (weight/activation where they differ).
// Canonical: equal assignments give equal text.
std::string AssignmentText(const Assignment& assignment);
// INVALID_ARGUMENT naming every layer whose format is unknown. "" is the assignment of no layers.
absl::StatusOr<Assignment> ParseAssignment(std::string_view text);

Assignment UniformAssignment(size_t layer_count, const LayerFormats& formats);
Assignment UniformAssignment(size_t layer_count, const Format& format);  // for weights and activations

// One entry: "int8", or "e4m3/int8" where weight and activation differ.
std::string LayerFormatsName(const LayerFormats& formats);
// INVALID_ARGUMENT as ParseFormat, naming the half that is at fault where there are two.
absl::StatusOr<LayerFormats> ParseLayerFormats(std::string_view text);

// One choice the controller makes: the same index for every layer it governs.
struct Decision {
  std::string name;                   // the layer's name, or the group's
  std::vector<size_t> layers;         // indices into Layers(); each layer is in exactly one decision
  std::vector<LayerFormats> options;  // at least one
  bool nonnegative_input = false;     // whether no layer's input is ever below 0
};

struct SearchSpace {
  std::vector<Decision> decisions;
  size_t layer_count = 0;

  // One decision a layer, the same options everywhere, but none whose activation format has no negatives
  // (uint8, say) where the layer's input can be below 0. A decision may so be left without options.
  static SearchSpace PerLayer(const std::vector<Layer>& layers, const std::vector<LayerFormats>& options);

  // choices[d] indexes decisions[d].options; sizes and ranges are preconditions (checked).
  Assignment Apply(const std::vector<int>& choices) const;

  // The choices that give `assignment` (one entry a layer, checked); none if the space cannot.
  std::optional<std::vector<int>> ChoicesOf(const Assignment& assignment) const;
};

}  // namespace precis
