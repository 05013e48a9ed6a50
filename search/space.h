// From what a job says of its space to the decisions of a network.
//
//   options     every entry of space.formats: a format, a pair "int8/uint8", or a preset; with
//               space.activation_formats, each of formats for the weights with each of those for the input
//   decisions   one a layer, a block, or the whole network (space.granularity). Layers that fused hardware
//               gives one format decide together (Layer::group: q, k and v of an attention), unless
//               space.grouping says otherwise; so do layers that a tie of the job names
//   architecture  one decision a dimension of the elastic network, after all others
//   overrides   in their order, on the layers that a glob matches: allow only these, deny these, pin to this
//
// A decision offers what every one of its layers may have. An activation format without negatives (uint8) is
// no option where a layer's input can be below 0.
//
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

#include "search/violation.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/elastic_choice.h"
#include "supernet/graph/model_graph.h"

namespace precis::search {

// What one choice is for.
enum class Granularity {
  kLayer,
  kBlock,    // layers whose names agree up to the last "block…" part: "stage2.block0"; others by themselves
  kNetwork,  // one choice for all
};

// Which layers of a block share a choice by themselves.
enum class Grouping {
  kFused,        // those that inference engines run as one: Layer::group
  kSharedInput,  // also those that read the same tensor, so that it is stored in one format only: the first
                 // convolution and the shortcut of a residual block
  kNone,
};

struct SpaceOverride {
  std::string layers;                   // glob over layer names, "*" and "?": "stem.*", "classifier"
  std::vector<std::string> allow = {};  // only these formats, in or out of space.formats; empty: no limit
  std::vector<std::string> deny = {};   // not these
  std::string pin = {};                 // this one and no choice; excludes allow and deny
};

struct SpaceTie {
  std::vector<std::string> layers;  // globs; what they match together decides together
};

struct SpaceSpec {
  // At least one, no two alike: the name of a format for weights and activations, "int8", of one for each,
  // "int8/uint8", or of a preset (search/space_preset.h), "int-l".
  std::vector<std::string> formats;
  // Not empty: `formats` are for weights alone, and each of them is an option with each of these.
  std::vector<std::string> activation_formats = {};
  Granularity granularity = Granularity::kLayer;
  Grouping grouping = Grouping::kFused;
  std::vector<SpaceOverride> overrides = {};
  std::vector<SpaceTie> ties = {};
  // What varies beside the formats: kernels, expansions and widths that are options, and whether blocks may
  // be left out, each decided block by block (widths: stage by stage). A list has the network's own value
  // among others, at most eight. Empty: the network as it is. Of mobilenet_v2 only, and not with a cost
  // table.
  ElasticOptions architecture = {};
};

// The faults that can be seen without the network; fields "space.formats[1]", "space.overrides[0].pin".
void CheckSpace(const SpaceSpec& space, Violations& violations);

// The options of a layer before overrides. Precondition: CheckSpace found nothing.
std::vector<LayerFormats> SpaceOptions(const SpaceSpec& space);

// Decisions in the order of their first layers. Appends to `violations`, naming the layers, if a glob matches
// none or if a decision is left without an option; the result then means nothing.
SearchSpace BuildSpace(const SpaceSpec& space, const ModelGraph& graph, const std::vector<Layer>& layers,
                       Violations& violations);

// log10 of the number of assignments.
double SpaceSizeLog10(const SearchSpace& space);

}  // namespace precis::search
