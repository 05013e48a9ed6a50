// Layers => decisions.
#include "search/space.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "search/space_preset.h"
#include "supernet/formats/format.h"

namespace precis::search {
namespace {

constexpr size_t kNamed = 3;  // layers in a message

bool Matches(const std::string& glob, const Layer& layer) {
  return fnmatch(glob.c_str(), layer.name.c_str(), 0) == 0;
}

// "a, b, c, …"
std::string SomeOf(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamed);
  return absl::StrCat(absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                      names.size() > shown ? ", …" : "");
}

std::string MatchesNone(const std::string& glob, const std::vector<Layer>& layers) {
  std::vector<std::string> names;
  names.reserve(layers.size());
  for (const Layer& layer : layers) names.push_back(layer.name);
  return absl::StrCat("\"", glob, "\" matches no layer. This network's ", layers.size(), " layers are ",
                      SomeOf(names), " and so on; \"precis validate\" lists them.");
}

// Everything up to the last part that begins with "block": "stage2.block0" of "stage2.block0.conv1".
std::string BlockOf(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '.');
  for (size_t i = parts.size(); i-- > 0;) {
    if (parts[i].rfind("block", 0) == 0) {
      return absl::StrJoin(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i) + 1, ".");
    }
  }
  return name;
}

// Union-find over layers; the least index stands for its set.
class Sets {
 public:
  explicit Sets(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), size_t{0}); }
  size_t Find(size_t i) const {
    while (parent_[i] != i) i = parent_[i];
    return i;
  }
  void Join(size_t a, size_t b) {
    a = Find(a);
    b = Find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parent_;
};

// Joins the layers of equal key; an empty key joins nothing.
template <typename Key>
void JoinEqual(const std::vector<Key>& keys, Sets& sets) {
  std::map<Key, size_t> first;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == Key()) continue;
    const auto [at, is_new] = first.emplace(keys[i], i);
    if (!is_new) sets.Join(at->second, i);
  }
}

Sets SetsOf(const SpaceSpec& space, const ModelGraph& graph, const std::vector<Layer>& layers,
            Violations& violations) {
  Sets sets(layers.size());
  std::vector<std::string> groups, blocks;
  std::vector<NodeId> inputs;
  for (const Layer& layer : layers) {
    groups.push_back(layer.group);
    blocks.push_back(BlockOf(layer.name));
    inputs.push_back(graph.node(layer.node).inputs.front() + 1);
  }
  if (space.grouping != Grouping::kNone) JoinEqual(groups, sets);
  if (space.grouping == Grouping::kSharedInput) JoinEqual(inputs, sets);
  if (space.granularity == Granularity::kBlock) JoinEqual(blocks, sets);
  if (space.granularity == Granularity::kNetwork) {
    for (size_t i = 1; i < layers.size(); ++i) sets.Join(0, i);
  }
  for (size_t t = 0; t < space.ties.size(); ++t) {
    size_t first = layers.size();
    for (size_t g = 0; g < space.ties[t].layers.size(); ++g) {
      const std::string& glob = space.ties[t].layers[g];
      bool matched = false;
      for (size_t i = 0; i < layers.size(); ++i) {
        if (!Matches(glob, layers[i])) continue;
        matched = true;
        if (first == layers.size()) first = i;
        sets.Join(first, i);
      }
      if (!matched) {
        violations.push_back(
            {absl::StrCat("space.ties[", t, "].layers[", g, "]"), MatchesNone(glob, layers)});
      }
    }
  }
  return sets;
}

std::vector<LayerFormats> Expanded(const std::vector<std::string>& entries) {
  std::vector<LayerFormats> formats;
  for (const std::string& entry : entries) {
    const SpacePreset* preset = FindSpacePreset(entry);
    for (const std::string& name : preset == nullptr ? std::vector<std::string>{entry} : preset->formats) {
      formats.push_back(*ParseLayerFormats(name));
    }
  }
  return formats;
}

bool Contains(const std::vector<LayerFormats>& list, const LayerFormats& formats) {
  return std::find(list.begin(), list.end(), formats) != list.end();
}

std::vector<LayerFormats> Overridden(const SpaceOverride& entry, const std::vector<LayerFormats>& options) {
  if (!entry.pin.empty()) return {*ParseLayerFormats(entry.pin)};
  std::vector<LayerFormats> left = entry.allow.empty() ? options : Expanded(entry.allow);
  const std::vector<LayerFormats> denied = Expanded(entry.deny);
  std::erase_if(left, [&](const LayerFormats& option) { return Contains(denied, option); });
  return left;
}

// Every layer's options, by layer.
std::vector<std::vector<LayerFormats>> LayerOptions(const SpaceSpec& space, const std::vector<Layer>& layers,
                                                    Violations& violations) {
  std::vector<std::vector<LayerFormats>> options(layers.size(), SpaceOptions(space));
  for (size_t i = 0; i < space.overrides.size(); ++i) {
    const SpaceOverride& entry = space.overrides[i];
    bool matched = false;
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      if (!Matches(entry.layers, layers[layer])) continue;
      matched = true;
      options[layer] = Overridden(entry, options[layer]);
    }
    if (!matched) {
      violations.push_back(
          {absl::StrCat("space.overrides[", i, "].layers"), MatchesNone(entry.layers, layers)});
    }
  }
  return options;
}

void CheckDecisions(const SearchSpace& space, const std::vector<bool>& negative_only,
                    Violations& violations) {
  std::vector<std::string> negative, bare;
  for (size_t d = 0; d < space.decisions.size(); ++d) {
    if (!space.decisions[d].options.empty()) continue;
    (negative_only[d] ? negative : bare).push_back(space.decisions[d].name);
  }
  if (!negative.empty()) {
    violations.push_back(
        {"space.formats",
         absl::StrCat(
             "leaves ", negative.size(), negative.size() == 1 ? " layer" : " layers", " without an option (",
             SomeOf(negative),
             "): the input can be below 0, and no activation format listed holds such values. Add one "
             "that does, as \"int8\" or \"int8/uint8_affine\".")});
  }
  if (!bare.empty()) {
    violations.push_back(
        {"space.overrides", absl::StrCat("leave ", bare.size(), bare.size() == 1 ? " decision" : " decisions",
                                         " without an option that all of its layers may have (", SomeOf(bare),
                                         "): allow more, or deny less.")});
  }
}

}  // namespace

SearchSpace BuildSpace(const SpaceSpec& space, const ModelGraph& graph, const std::vector<Layer>& layers,
                       Violations& violations) {
  const Sets sets = SetsOf(space, graph, layers, violations);
  const std::vector<std::vector<LayerFormats>> options = LayerOptions(space, layers, violations);
  SearchSpace built;
  built.layer_count = layers.size();
  std::map<size_t, size_t> decision_of;  // by the set's first layer
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto [at, is_new] = decision_of.emplace(sets.Find(i), built.decisions.size());
    if (is_new) {
      built.decisions.push_back(
          {.name = layers[i].name, .layers = {}, .options = options[i], .nonnegative_input = true});
    }
    Decision& decision = built.decisions[at->second];
    decision.layers.push_back(i);
    decision.nonnegative_input = decision.nonnegative_input && layers[i].nonnegative_input;
    std::erase_if(decision.options,
                  [&](const LayerFormats& option) { return !Contains(options[i], option); });
  }
  std::vector<bool> negative_only;
  for (Decision& decision : built.decisions) {
    if (decision.layers.size() > 1) {
      const Layer& first = layers[decision.layers.front()];
      const bool is_network = decision.layers.size() == layers.size();
      decision.name = is_network                                     ? "network"
                      : space.granularity == Granularity::kBlock     ? BlockOf(first.name)
                      : first.group.empty() || space.ties.size() > 0 ? first.name + "+"
                                                                     : first.group;
    }
    negative_only.push_back(!decision.options.empty());
    if (decision.nonnegative_input) continue;
    std::erase_if(decision.options,
                  [](const LayerFormats& option) { return !HoldsNegatives(option.activation); });
  }
  CheckDecisions(built, negative_only, violations);
  return built;
}

}  // namespace precis::search
