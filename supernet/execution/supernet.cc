// One walk over the nodes. A tensor is let go after its last reader, so a pass without gradients holds only
// what is still needed.
#include "supernet/execution/supernet.h"

#include <ATen/ATen.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <variant>

#include "supernet/execution/fresh_weights.h"
#include "supernet/execution/norm_activate.h"
#include "supernet/execution/run_node.h"
#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {
namespace {

// The first entries along channels, which are the first two dimensions, and the middle of a kernel.
at::Tensor PartOf(const at::Tensor& whole, const Shape& shape) {
  if (whole.sizes() == at::IntArrayRef(shape)) return whole;
  at::Tensor part = whole;
  for (int64_t d = 0; d < whole.dim(); ++d) {
    const int64_t size = shape[static_cast<size_t>(d)];
    part = part.narrow(d, d < 2 ? 0 : (whole.size(d) - size) / 2, size);
  }
  return part.contiguous(whole.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

// A batch norm that takes other statistics than the batch's, by itself.
at::Tensor RunNorm(const at::Tensor& x, const BatchNormNode& node, NodeId id, const NormStatistics& norms,
                   const std::pair<at::Tensor, at::Tensor>& affine, ForwardObserver* observer) {
  at::Tensor mean = norms.mean[static_cast<size_t>(id)];
  at::Tensor variance = norms.variance[static_cast<size_t>(id)];
  if (norms.relative || observer != nullptr) {
    std::vector<int64_t> others = {0};
    for (int64_t d = 2; d < x.dim(); ++d) others.push_back(d);
    const at::Tensor batch_mean = x.mean(others);
    const at::Tensor batch_variance = x.var(others, /*unbiased=*/false);
    if (observer != nullptr) observer->OnBatchNorm(id, batch_mean, (batch_variance + node.epsilon).rsqrt());
    if (norms.relative) {
      mean = batch_mean + mean;
      variance = batch_variance * variance;
    }
  }
  const auto& [weight, bias] = affine;
  std::vector<int64_t> along(static_cast<size_t>(x.dim()), 1);
  along[1] = weight.size(0);
  const at::Tensor factor = weight * (variance + node.epsilon).rsqrt();
  return x * factor.reshape(along) + (bias - mean * factor).reshape(along);
}

}  // namespace

Supernet::Supernet(const ModelGraph& graph, RangeBook ranges)
    : graph_(graph),
      walk_(graph),
      layers_(graph.Layers()),
      operands_(graph.ActivationOperands()),
      second_operands_(layers_.size()),
      operands_reading_(graph.nodes().size()),
      ranges_(std::move(ranges)),
      weights_(graph.nodes().size()),
      biases_(graph.nodes().size()) {
  for (size_t i = 0; i < operands_.size(); ++i) {
    if (operands_[i].is_second) second_operands_[operands_[i].layer] = i;
    operands_reading_[static_cast<size_t>(operands_[i].node)].push_back(i);
  }
}

Supernet::Supernet(const ModelGraph& graph, uint64_t seed, c10::Device device, const RangeOptions& ranges)
    : Supernet(graph, RangeBook(ranges)) {
  std::mt19937_64 generator(seed);
  for (const ParameterInfo& info : graph.Parameters()) {
    const NodeOp& op = graph.node(info.node).op;
    const auto at = static_cast<size_t>(info.node);
    at::Tensor& value = weights_[at].defined() ? biases_[at] : weights_[at];
    value = FreshParameter(op, info, generator).to(device).requires_grad_(true);
    parameters_.push_back({info.name, value, Decays(op, info)});
  }
}

Supernet Supernet::CutOut(const ModelGraph& graph) const {
  std::map<std::string, NodeId> nodes;
  for (NodeId id = 0; id <= graph_.output(); ++id) nodes.emplace(graph_.node(id).name, id);
  std::vector<NodeId> whole;
  for (const Node& node : graph.nodes()) {
    const auto at = nodes.find(node.name);
    // An addition that only equal widths allow stands for what it adds to.
    whole.push_back(at != nodes.end() ? at->second : whole[static_cast<size_t>(node.inputs.front())]);
  }
  Supernet cut(graph, ranges_.Translated(whole));
  std::map<std::string, const Parameter*> parameters;
  for (const Parameter& parameter : parameters_) parameters.emplace(parameter.name, &parameter);
  for (const ParameterInfo& info : graph.Parameters()) {
    const Parameter& of_whole = *parameters.at(info.name);
    const auto at = static_cast<size_t>(info.node);
    at::Tensor& value = cut.weights_[at].defined() ? cut.biases_[at] : cut.weights_[at];
    value = PartOf(of_whole.value, info.shape);
    cut.parameters_.push_back({info.name, value, of_whole.decays});
  }
  cut.ranges_.CutChannels([&cut](NodeId node) { return cut.Weight(node).size(0); });
  cut.whole_ = std::move(whole);
  return cut;
}

Supernet Supernet::Clone() const {
  Supernet clone = *this;
  std::map<const void*, at::Tensor> fresh;  // by the tensor that it stands for
  for (Parameter& parameter : clone.parameters_) {
    at::Tensor& value = fresh[parameter.value.unsafeGetTensorImpl()];
    value = parameter.value.detach().clone().requires_grad_(parameter.value.requires_grad());
    parameter.value = value;
  }
  for (std::vector<at::Tensor>* tensors : {&clone.weights_, &clone.biases_}) {
    for (at::Tensor& tensor : *tensors) {
      if (tensor.defined()) tensor = fresh.at(tensor.unsafeGetTensorImpl());
    }
  }
  return clone;
}

// Whether a layer takes the largest magnitude of the node's output for the range of its operand.
bool Supernet::IsMeasured(NodeId node, const Assignment& assignment) const {
  const RangeRule rule = ranges_.RuleOf(Operand::kActivation);
  for (const size_t operand : operands_reading_[static_cast<size_t>(node)]) {
    const Format& format = FormatOf(operand, assignment);
    if (TakesLargest(format, rule) && HasPlainRange(format)) return true;
  }
  return false;
}

OperandRead Supernet::ReadOf(size_t operand, const Assignment& assignment) const {
  const ActivationOperand& which = operands_[operand];
  const Layer& layer = layers_[which.layer];
  const auto dimensions = static_cast<int64_t>(graph_.node(which.node).shape.size());
  return {.node = which.node,
          .axis = 1 + ReductionAxis(graph_.node(layer.node).op, which.is_second, dimensions),
          .format = FormatOf(operand, assignment),
          .is_nonnegative = !which.is_second && layer.nonnegative_input};
}

at::Tensor Supernet::QuantizedWeight(NodeId node, const Format& format, uint64_t pass_seed) const {
  const at::Tensor& weight = Weight(node);
  if (IsFloat32(format) && format.hadamard == 0) return weight;
  FakeQuantizeOptions how;
  how.seed = RoundingSeed(pass_seed, node, Operand::kWeight);
  if (NeedsRange(format)) {
    how.range = ranges_.Find({node, Operand::kWeight, format});
    if (!how.range.defined()) {
      how.range = MeasureRange(weight, Operand::kWeight, format, ranges_.MethodOf(Operand::kWeight));
      const bool largest = TakesLargest(format, ranges_.RuleOf(Operand::kWeight));
      if (largest && HoldsNegatives(format)) how.clipping = Clipping::kNone;
    }
  }
  return FakeQuantize(weight, Operand::kWeight, format, how);
}

at::Tensor Supernet::Forward(const at::Tensor& images, const Assignment& assignment,
                             const PassOptions& options) const {
  PRECIS_CHECK(assignment.layers.size() == layers_.size());
  ForwardObserver* const observer = options.observer;
  std::vector<at::Tensor> values(graph_.nodes().size());
  OperandCache cache(graph_.nodes().size(), ranges_, options.averages, options.seed);
  size_t next_layer = 0;

  const auto release_after = [&](NodeId node) {
    for (const NodeId done : walk_.LastReadBy(node)) {
      values[static_cast<size_t>(done)] = at::Tensor();
      cache.Forget(done);
    }
  };

  const auto read = [&](size_t operand) {
    const OperandRead how = ReadOf(operand, assignment);
    const at::Tensor& x = values[static_cast<size_t>(how.node)];
    if (observer != nullptr) observer->OnOperand(operand, cache.Measured(how, x));
    return cache.Quantized(how, x);
  };

  // The quantised operands of the next layer. What they came from is let go before the layer runs, so that
  // its memory serves the output.
  const auto layer_operands = [&](NodeId node) {
    const size_t layer = next_layer++;
    const at::Tensor x = read(layer);
    const at::Tensor second = layers_[layer].HasWeight()
                                  ? QuantizedWeight(node, assignment.layers[layer].weight, options.seed)
                                  : read(SecondOperand(layer));
    release_after(node);
    return std::pair(x, second);
  };

  using LayerInputs = std::pair<at::Tensor, at::Tensor>;
  const auto inputs_of = [&](size_t layer) {
    const auto value = [&](size_t operand) { return values[static_cast<size_t>(operands_[operand].node)]; };
    return LayerInputs(value(layer), layers_[layer].HasWeight() ? at::Tensor() : value(SecondOperand(layer)));
  };

  for (NodeId id = 0; id <= graph_.output(); ++id) {
    const Node& node = graph_.node(id);
    at::Tensor& y = values[static_cast<size_t>(id)];
    if (std::holds_alternative<InputNode>(node.op)) {
      y = images;
    } else if (next_layer < layers_.size() && layers_[next_layer].node == id) {
      const size_t layer = next_layer;
      const auto [raw, raw_second] = options.layers != nullptr ? inputs_of(layer) : LayerInputs();
      const auto [x, second] = layer_operands(id);
      y = RunLayer(node.op, x, second, Bias(id));
      if (options.layers != nullptr) options.layers->OnLayer(layer, raw, raw_second, y);
    } else if (const auto* batch_norm = std::get_if<BatchNormNode>(&node.op);
               batch_norm != nullptr && options.norms != nullptr) {
      y = RunNorm(values[static_cast<size_t>(node.inputs[0])], *batch_norm, id, *options.norms,
                  {Weight(id), Bias(id)}, observer);
    } else if (batch_norm != nullptr) {
      const FusedNorm& fused = walk_.Fused(id);
      NormInputs norm = {.x = values[static_cast<size_t>(node.inputs[0])],
                         .weight = Weight(id),
                         .bias = Bias(id),
                         .residual = {},
                         .activation = fused.activation,
                         .epsilon = batch_norm->epsilon};
      if (fused.residual >= 0) norm.residual = values[static_cast<size_t>(fused.residual)];
      const bool measure = observer != nullptr || IsMeasured(fused.output, assignment);
      const NormOutputs outputs = NormActivate(norm, measure);
      values[static_cast<size_t>(fused.output)] = outputs.y;
      if (measure) cache.SetMaxAbs(fused.output, outputs.max_abs);
      if (observer != nullptr) observer->OnBatchNorm(id, outputs.mean, outputs.inverse_deviation);
    } else if (!walk_.IsInFusedNorm(id) || options.norms != nullptr) {
      std::vector<at::Tensor> operands;
      for (const NodeId input : node.inputs) operands.push_back(values[static_cast<size_t>(input)]);
      y = RunPlainNode(node.op, operands, {Weight(id), Bias(id)}, /*overwrite=*/false);
    }
    release_after(id);
  }
  return values.back();
}

}  // namespace precis
