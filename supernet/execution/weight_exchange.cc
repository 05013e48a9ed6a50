// Names and shapes are checked for the whole file before the first value is written.
#include "supernet/execution/weight_exchange.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr size_t kFaultsNamed = 5;

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("{", absl::StrJoin(shape, ", "), "}");
}

// Name and shape of everything that a file for this net holds, ranges apart.
std::map<std::string, std::vector<int64_t>> ExpectedShapes(const Supernet& net) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const Parameter& parameter : net.parameters()) shapes[parameter.name] = parameter.value.sizes().vec();
  for (const Node& node : net.graph().nodes()) {
    if (!std::holds_alternative<BatchNormNode>(node.op)) continue;
    shapes[absl::StrCat(node.name, ".running_mean")] = {node.shape[0]};
    shapes[absl::StrCat(node.name, ".running_var")] = {node.shape[0]};
  }
  return shapes;
}

// Name and shape of a range, should `name` be one that this net can have.
std::optional<std::pair<RangeKey, std::vector<int64_t>>> KeptRange(const Supernet& net,
                                                                   const std::string& name) {
  const absl::StatusOr<RangeKey> key = RangeBook::ParseName(net.graph(), name);
  if (!key.ok() || !net.ranges().Keeps(key->operand, key->format)) return std::nullopt;
  const bool of_weight = key->operand == Operand::kWeight;
  if (of_weight && !net.Weight(key->node).defined()) return std::nullopt;
  std::vector<int64_t> shape;
  if (of_weight && key->format.scale.extent == ScaleExtent::kOperand) {
    shape.push_back(net.Weight(key->node).size(0));
  }
  return std::pair(*key, shape);
}

bool AllAbove0(const WeightTensor& tensor) {
  return std::all_of(tensor.values.begin(), tensor.values.end(),
                     [](float value) { return value > 0 && std::isfinite(value); });
}

std::string ListFaults(const std::vector<std::string>& faults) {
  const size_t named = std::min(faults.size(), kFaultsNamed);
  std::string text = absl::StrJoin(faults.begin(), faults.begin() + static_cast<std::ptrdiff_t>(named), "; ");
  if (faults.size() > named) absl::StrAppend(&text, "; and ", faults.size() - named, " more");
  return text;
}

}  // namespace

WeightTensor ToHost(const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
  const float* data = host.data_ptr<float>();
  return {.shape = host.sizes().vec(), .values = std::vector<float>(data, data + host.numel())};
}

at::Tensor FromHost(const WeightTensor& tensor) {
  at::Tensor host = at::empty(tensor.shape, at::kFloat);
  std::copy(tensor.values.begin(), tensor.values.end(), host.data_ptr<float>());
  return host;
}

WeightFile ExportWeights(const Supernet& net, const Assignment& assignment, const Calibration& calibration) {
  WeightFile file;
  for (const Parameter& parameter : net.parameters()) file.tensors[parameter.name] = ToHost(parameter.value);
  for (NodeId id = 0; id <= net.graph().output(); ++id) {
    const auto index = static_cast<size_t>(id);
    if (!calibration.mean[index].defined()) continue;
    const std::string& name = net.graph().node(id).name;
    file.tensors[absl::StrCat(name, ".running_mean")] = ToHost(calibration.mean[index]);
    file.tensors[absl::StrCat(name, ".running_var")] = ToHost(calibration.variance[index]);
  }
  for (const auto& [key, range] : net.ranges().Kept()) {
    file.tensors[RangeBook::Name(net.graph(), key)] = ToHost(range);
  }
  file.metadata = {{"format", "pt"},
                   {"model", net.graph().name()},
                   {"assignment", AssignmentText(assignment)},
                   {"precis_version", PRECIS_VERSION}};
  return file;
}

absl::Status ImportWeights(const WeightFile& file, Supernet& net) {
  const std::map<std::string, std::vector<int64_t>> expected = ExpectedShapes(net);
  std::vector<std::string> misfits;
  std::vector<std::string> damaged;
  for (const auto& [name, shape] : expected) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end()) {
      misfits.push_back(absl::StrCat(name, " is missing"));
    } else if (found->second.shape != shape) {
      misfits.push_back(
          absl::StrCat(name, " has shape ", ShapeText(found->second.shape), ", expected ", ShapeText(shape)));
    } else if (!std::all_of(found->second.values.begin(), found->second.values.end(),
                            [](float value) { return std::isfinite(value); })) {
      damaged.push_back(absl::StrCat(name, " holds a value that is not finite"));
    }
  }
  std::vector<std::pair<RangeKey, const WeightTensor*>> kept;
  for (const auto& [name, tensor] : file.tensors) {
    if (expected.contains(name)) continue;
    const auto range = KeptRange(net, name);
    if (!range.has_value() || range->second != tensor.shape) {
      misfits.push_back(absl::StrCat(name, " is unknown, or of a shape that it cannot have"));
    } else if (!AllAbove0(tensor)) {
      damaged.push_back(absl::StrCat(name, " holds a range that is no finite number above 0"));
    } else {
      kept.emplace_back(range->first, &tensor);
    }
  }
  if (!misfits.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("The weights do not fit ", net.graph().name(), ": ",
                                                   ListFaults(misfits),
                                                   ". Use the file of this very network."));
  }
  if (!damaged.empty()) {
    return absl::DataLossError(absl::StrCat("The weights are damaged: ", ListFaults(damaged), "."));
  }

  const c10::NoGradGuard no_gradients;
  for (const Parameter& parameter : net.parameters()) {
    parameter.value.copy_(FromHost(file.tensors.at(parameter.name)));
  }
  net.ranges().Clear();
  for (const auto& [key, tensor] : kept) {
    net.ranges().Restore(key, FromHost(*tensor).to(net.parameters().front().value.device()));
  }
  return absl::OkStatus();
}

Calibration StatisticsOf(const WeightFile& file, const Supernet& net) {
  const size_t nodes = net.graph().nodes().size();
  Calibration statistics{.mean = std::vector<at::Tensor>(nodes),
                         .variance = std::vector<at::Tensor>(nodes),
                         .activation_ranges = std::vector<at::Tensor>(net.operands().size())};
  for (NodeId id = 0; id <= net.graph().output(); ++id) {
    const Node& node = net.graph().node(id);
    if (!std::holds_alternative<BatchNormNode>(node.op)) continue;
    const auto mean = file.tensors.find(absl::StrCat(node.name, ".running_mean"));
    const auto variance = file.tensors.find(absl::StrCat(node.name, ".running_var"));
    PRECIS_CHECK(mean != file.tensors.end() && variance != file.tensors.end());
    const c10::Device device = net.Weight(id).device();
    statistics.mean[static_cast<size_t>(id)] = FromHost(mean->second).to(device);
    statistics.variance[static_cast<size_t>(id)] = FromHost(variance->second).to(device);
  }
  return statistics;
}

}  // namespace precis
