// From the draft to a ModelGraph with weights: what is needed, in its order, under names that are unique.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_draft.h"

namespace precis::onnx_reader {
namespace {

class Names {
 public:
  // `wanted`, or what makes it unique.
  std::string Take(const std::string& wanted, const NodeOp& op) {
    if (taken_.insert(wanted).second) return wanted;
    const std::vector<std::string> words = absl::StrSplit(OpText(op), ' ');
    std::string name = absl::StrCat(wanted, ".", words[0]);
    // Counted for each name, so that a file full of one name takes no longer.
    for (int& count = counts_[name]; !taken_.insert(count == 0 ? name : absl::StrCat(name, count)).second;)
      ++count;
    const int count = counts_[name]++;
    return count == 0 ? name : absl::StrCat(name, count);
  }

 private:
  std::set<std::string> taken_ = {"input"};
  std::map<std::string, int> counts_;
};

absl::Status Store(const std::string& name, const Shape& shape, const TensorPtr& tensor, Budget& budget,
                   std::map<std::string, WeightTensor>& tensors) {
  const int64_t count = ElementCount(shape);
  if (tensor != nullptr && tensor->size() != count) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tensor of ", name, " has ", tensor->size(), " elements, expected are ", count));
  }
  if (absl::Status status = budget.Spend(count); !status.ok()) return status;
  tensors[name] = {
      .shape = shape,
      .values = tensor != nullptr ? tensor->floats : std::vector<float>(static_cast<size_t>(count), 0)};
  return absl::OkStatus();
}

}  // namespace

std::vector<bool> Draft::Needed(NodeId output) const {
  std::vector<bool> needed(nodes_.size(), false);
  needed[static_cast<size_t>(output)] = true;
  for (NodeId id = output; id > 0; --id) {
    if (!needed[static_cast<size_t>(id)]) continue;
    for (const NodeId input : at(id).inputs) needed[static_cast<size_t>(input)] = true;
  }
  return needed;
}

// By node: the first linear layer that reads the same tokens, where there are two or more.
std::vector<std::string> Draft::Groups(const std::vector<bool>& needed) const {
  std::map<NodeId, std::vector<size_t>> readers;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const bool of_tokens =
        needed[i] && std::holds_alternative<LinearNode>(nodes_[i].op) && nodes_[i].shape.size() > 1;
    if (of_tokens) readers[nodes_[i].inputs[0]].push_back(i);
  }
  std::vector<std::string> groups(nodes_.size());
  for (const auto& [input, layers] : readers) {
    if (layers.size() < 2) continue;
    for (const size_t layer : layers) groups[layer] = absl::StrCat("of_input", input);
  }
  return groups;
}

absl::StatusOr<Draft::Finished> Draft::Finish(const std::string& name, NodeId output, Budget& budget) const {
  const std::vector<bool> needed = Needed(output);
  const std::vector<std::string> groups = Groups(needed);
  Finished finished{ModelGraph(name, nodes_[0].shape), {}};
  std::map<std::string, std::string> group_names;  // called after their first layer
  std::vector<NodeId> ids(nodes_.size(), 0);
  Names names;
  for (size_t i = 1; i < nodes_.size(); ++i) {
    if (!needed[i]) continue;
    const DraftNode& node = nodes_[i];
    const bool has_parameters = !ParametersOf(node.op, ShapeOf(node.inputs[0])).empty();
    const bool by_weight = has_parameters && !node.weight_name.empty();
    const std::string own = names.Take(by_weight ? node.weight_name : node.name, node.op);
    std::vector<NodeId> inputs;
    for (const NodeId input : node.inputs) inputs.push_back(ids[static_cast<size_t>(input)]);
    std::string group;
    if (!groups[i].empty()) group = group_names.emplace(groups[i], absl::StrCat(own, ".group")).first->second;
    const absl::StatusOr<NodeId> id = finished.graph.Add(own, node.op, std::move(inputs), group);
    if (!id.ok()) return id.status();
    ids[i] = *id;
    for (const ParameterShape& each : ParametersOf(node.op, ShapeOf(node.inputs[0]))) {
      const bool is_bias = std::string_view(each.name) == "bias";
      absl::Status stored =
          Store(absl::StrCat(own, ".", each.name), each.shape,
                is_bias ? node.weights.bias : node.weights.weight, budget, finished.tensors);
      if (!stored.ok()) return stored;
    }
    if (!std::holds_alternative<BatchNormNode>(node.op)) continue;
    const Shape channels = {node.shape[0]};
    for (const auto& [suffix, tensor] :
         {std::pair(".running_mean", node.weights.mean), std::pair(".running_var", node.weights.variance)}) {
      absl::Status stored = Store(own + suffix, channels, tensor, budget, finished.tensors);
      if (!stored.ok()) return stored;
    }
  }
  return finished;
}

}  // namespace precis::onnx_reader
