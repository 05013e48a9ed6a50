// Assignment: which format every layer uses. SearchSpace: which it may use.
//
// Threading: values; concurrent const access is safe.
#pragma once

#include <memory>
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

// Which option every dimension of an elastic network takes (ElasticNetwork::dimensions()); empty for the
// network's own, and for a network that is not elastic.
using Architecture = std::vector<int>;

// layers[i] belongs to ModelGraph::Layers()[i], whether or not the architecture has that layer.
struct Assignment {
  std::vector<LayerFormats> layers;
  Architecture architecture = {};

  bool operator==(const Assignment&) const = default;
};

// One entry a layer, comma-separated: "int8,int4,e4m3/int8" (weight/activation where they differ); then the
// architecture, if it is not the network's own: "int8,int4;2,0,1". Canonical: equal assignments, equal text.
std::string AssignmentText(const Assignment& assignment);
// INVALID_ARGUMENT naming every layer whose format is unknown, or what is no architecture. "" is the
// assignment of no layers.
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
  // Of a choice of architecture, which has neither layers nor formats: the options of a dimension of the
  // elastic network, rising in cost.
  std::vector<std::string> variants = {};

  bool IsArchitecture() const { return !variants.empty(); }
  size_t size() const { return IsArchitecture() ? variants.size() : options.size(); }
};

class ElasticNetwork;

struct SearchSpace {
  std::vector<Decision>
      decisions;  // of formats; then, if there is an elastic network, one for each dimension
  size_t layer_count = 0;
  std::shared_ptr<const ElasticNetwork> network = nullptr;

  // One decision a layer, the same options everywhere, but none whose activation format has no negatives
  // (uint8, say) where the layer's input can be below 0. A decision may so be left without options.
  static SearchSpace PerLayer(const std::vector<Layer>& layers, const std::vector<LayerFormats>& options);

  // Adds a decision for every dimension of the network.
  void MakeElastic(std::shared_ptr<const ElasticNetwork> elastic);

  // choices[d] indexes decisions[d]'s options; sizes and ranges are preconditions (checked). A layer that the
  // architecture lacks has its decision's first option, and the network's own architecture is empty, so that
  // one network is one assignment.
  Assignment Apply(const std::vector<int>& choices) const;

  // The choices that give `assignment` (one entry a layer, checked); none if the space cannot. Decisions all
  // of whose layers are absent choose their first option.
  std::optional<std::vector<int>> ChoicesOf(const Assignment& assignment) const;
};

}  // namespace precis
