// What the families of the zoo share: a builder that adds named nodes, and the builders themselves. Internal
// to supernet/graph.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "supernet/graph/elastic_choice.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/model_zoo.h"

namespace precis::zoo {

// The nearest multiple of `divisor`, at least one of them, and never less than nine tenths of what was asked
// for (Sandler et al. 2018, reference implementation).
int64_t RoundChannels(double channels, int64_t divisor = 8);

// Adds nodes whose faults would be ours: BuildModel has checked the options.
class Builder {
 public:
  // Width multiplies by `width` and rounds to a multiple of `divisor`. Batch norms get `norm_epsilon`.
  struct Style {
    double width = 1;
    int64_t divisor = 8;
    double norm_epsilon = 1e-5;
  };
  Builder(std::string_view name, const ModelOptions& options, const Style& style);

  int64_t Width(int64_t channels, double factor = 1) const {
    return RoundChannels(static_cast<double>(channels) * style_.width * factor, style_.divisor);
  }
  const Shape& ShapeOf(NodeId node) const { return graph_.node(node).shape; }
  int64_t ChannelsOf(NodeId image) const { return ShapeOf(image)[0]; }

  NodeId Add(const std::string& name, NodeOp op, std::vector<NodeId> inputs, std::string group = {});

  // A convolution and its batch norm: PREFIX.conv SUFFIX, PREFIX.bn SUFFIX.
  NodeId ConvNorm(const std::string& prefix, const std::string& suffix, NodeId input, const Conv2dNode& conv);
  // The same, padded so that the image keeps its size but for the stride.
  NodeId SameConvNorm(const std::string& prefix, const std::string& suffix, NodeId input, Conv2dNode conv);

  NodeId Activation(const std::string& name, ActivationKind kind, NodeId input) {
    return Add(name, ActivationNode{.kind = kind}, {input});
  }

  // "classifier", on a vector or, by "pool", an image.
  ModelGraph Classify(NodeId input, int64_t classes) &&;

 private:
  ModelGraph graph_;
  Style style_;
};

// `options` are in range, and their stem is resolved.
ModelGraph BuildResNet(std::string_view name, const ModelOptions& options);
ModelGraph BuildMobileNetV2(std::string_view name, const ModelOptions& options);
ModelGraph BuildMobileNetV2(std::string_view name, const ModelOptions& options, Chooser& chooser);
ModelGraph BuildEfficientNet(std::string_view name, const ModelOptions& options);
ModelGraph BuildInceptionV3(std::string_view name, const ModelOptions& options);
ModelGraph BuildDeit(std::string_view name, const ModelOptions& options);

// Pixels of a side of a patch.
int64_t DeitPatch(Stem stem);

}  // namespace precis::zoo
