// Named nodes, one by one.
#include "supernet/graph/zoo_builder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"

namespace precis::zoo {

int64_t RoundChannels(double channels, int64_t divisor) {
  const double half = static_cast<double>(divisor) / 2;
  const int64_t rounded = std::max(divisor, static_cast<int64_t>(channels + half) / divisor * divisor);
  return static_cast<double>(rounded) < 0.9 * channels ? rounded + divisor : rounded;
}

Builder::Builder(std::string_view name, const ModelOptions& options, const Style& style)
    : graph_(std::string(name), {options.channels, options.height, options.width}), style_(style) {}

NodeId Builder::Add(const std::string& name, NodeOp op, std::vector<NodeId> inputs, std::string group) {
  absl::StatusOr<NodeId> node = graph_.Add(name, std::move(op), std::move(inputs), std::move(group));
  PRECIS_CHECK(node.ok());
  return *node;
}

NodeId Builder::ConvNorm(const std::string& prefix, const std::string& suffix, NodeId input,
                         const Conv2dNode& conv) {
  const NodeId node = Add(absl::StrCat(prefix, ".conv", suffix), conv, {input});
  return Add(absl::StrCat(prefix, ".bn", suffix), BatchNormNode{style_.norm_epsilon}, {node});
}

NodeId Builder::SameConvNorm(const std::string& prefix, const std::string& suffix, NodeId input,
                             Conv2dNode conv) {
  conv.padding = {conv.kernel.height / 2, conv.kernel.width / 2};
  return ConvNorm(prefix, suffix, input, conv);
}

ModelGraph Builder::Classify(NodeId input, int64_t classes) && {
  const NodeId vector = ShapeOf(input).size() == 1 ? input : Add("pool", GlobalAveragePoolNode{}, {input});
  Add("classifier", LinearNode{.out_features = classes}, {vector});
  return std::move(graph_);
}

}  // namespace precis::zoo
