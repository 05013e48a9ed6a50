// One walk over the nodes. A tensor is let go after its last reader, so a pass without gradients holds only
// what is still needed.
#include "supernet/execution/supernet.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <random>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "supernet/execution/norm_activate.h"
#include "supernet/formats/check.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {
namespace {

// Uniform in (-bound, bound) from the generator's upper 53 bits: the same numbers on every platform.
at::Tensor UniformTensor(const std::vector<int64_t>& shape, double variance, std::mt19937_64& generator) {
  at::Tensor values = at::empty(shape, at::kFloat);
  const double bound = std::sqrt(3 * variance);
  float* data = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    const double unit = (static_cast<double>(generator() >> 11) + 0.5) * 0x1p-53;
    data[i] = static_cast<float>(bound * (2 * unit - 1));
  }
  return values;
}

// The quantised inputs of one pass: layers that read one tensor in one format share its quantised copy.
class LayerInputs {
 public:
  LayerInputs(size_t node_count, const RangeBook& book, const PassOptions& options)
      : book_(book), rule_(book.RuleOf(Operand::kActivation)), options_(options), max_abs_(node_count) {}

  void SetMaxAbs(NodeId node, const at::Tensor& max_abs) { max_abs_[static_cast<size_t>(node)] = max_abs; }

  // Measured when first asked for, unless it was set.
  const at::Tensor& MaxAbs(NodeId node, const at::Tensor& value) {
    at::Tensor& max_abs = max_abs_[static_cast<size_t>(node)];
    if (!max_abs.defined()) max_abs = MaxAbsPerTensor(value);
    return max_abs;
  }

  // What an observer sees: see ForwardObserver.
  const at::Tensor& Measured(NodeId node, const at::Tensor& value, const Format& format) {
    if (book_.Learns(Operand::kActivation, format)) {
      const at::Tensor& learned = book_.Find({node, Operand::kActivation, format});
      if (learned.defined()) return learned;
    }
    if (!NeedsRange(format) || (HasPlainRange(format) && TakesLargest(format, rule_)))
      return MaxAbs(node, value);
    at::Tensor& range = ranges_[{node, format}];
    if (!range.defined()) {
      range = MeasureRange(value, Operand::kActivation, format, book_.MethodOf(Operand::kActivation));
    }
    return range;
  }

  at::Tensor Quantized(NodeId node, const at::Tensor& value, const Format& format, bool is_nonnegative) {
    if (IsFloat32(format) && format.hadamard == 0) return value;
    at::Tensor& quantized = quantized_[{node, format}];
    if (quantized.defined()) return quantized;
    FakeQuantizeOptions how;
    how.seed = Supernet::RoundingSeed(options_.seed, node, Operand::kActivation);
    if (NeedsRange(format)) {
      if (options_.averages && book_.Averages(Operand::kActivation, format)) {
        how.range = book_.Find({node, Operand::kActivation, format});
      }
      if (!how.range.defined()) {
        how.range = Measured(node, value, format);
        const bool holds_all = HoldsNegatives(format) || is_nonnegative;
        if (TakesLargest(format, rule_) && holds_all) how.clipping = Clipping::kNone;
      }
    }
    quantized = FakeQuantize(value, Operand::kActivation, format, how);
    return quantized;
  }

  void Forget(NodeId node) {
    const auto is_of_node = [node](const auto& entry) { return entry.first.first == node; };
    std::erase_if(quantized_, is_of_node);
    std::erase_if(ranges_, is_of_node);
  }

 private:
  const RangeBook& book_;
  const RangeRule rule_;
  const PassOptions& options_;
  std::vector<at::Tensor> max_abs_;  // by node
  std::map<std::pair<NodeId, Format>, at::Tensor> ranges_;
  std::map<std::pair<NodeId, Format>, at::Tensor> quantized_;
};

}  // namespace

Supernet::Supernet(const ModelGraph& graph, uint64_t seed, c10::Device device, const RangeOptions& ranges)
    : graph_(graph),
      walk_(graph),
      layers_(graph.Layers()),
      layers_reading_(graph.nodes().size()),
      ranges_(ranges),
      weights_(graph.nodes().size()),
      biases_(graph.nodes().size()) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    layer_inputs_.push_back(graph.node(layers_[i].node).inputs[0]);
    layers_reading_[static_cast<size_t>(layer_inputs_[i])].push_back(i);
  }

  std::mt19937_64 generator(seed);
  for (size_t id = 0; id < graph.nodes().size(); ++id) {
    const Node& node = graph.nodes()[id];
    if (std::holds_alternative<InputNode>(node.op)) continue;

    const Shape& in = graph.node(node.inputs[0]).shape;
    if (const auto* conv = std::get_if<Conv2dNode>(&node.op)) {
      const int64_t fan_in = in[0] / conv->groups * conv->kernel * conv->kernel;
      weights_[id] = UniformTensor({conv->out_channels, in[0] / conv->groups, conv->kernel, conv->kernel},
                                   2.0 / static_cast<double>(fan_in), generator)
                         .contiguous(at::MemoryFormat::ChannelsLast);
      if (conv->bias) biases_[id] = at::zeros({conv->out_channels});
    } else if (const auto* linear = std::get_if<LinearNode>(&node.op)) {
      weights_[id] =
          UniformTensor({linear->out_features, in[0]}, 1.0 / static_cast<double>(in[0]), generator);
      if (linear->bias) biases_[id] = at::zeros({linear->out_features});
    } else if (std::holds_alternative<BatchNormNode>(node.op)) {
      weights_[id] = at::ones({in[0]});
      biases_[id] = at::zeros({in[0]});
    }
    const bool decays = !std::holds_alternative<BatchNormNode>(node.op);
    for (auto [kind, value, decay] :
         {std::tuple{"weight", &weights_[id], decays}, {"bias", &biases_[id], false}}) {
      if (!value->defined()) continue;
      *value = value->to(device).requires_grad_(true);
      parameters_.push_back({absl::StrCat(node.name, ".", kind), *value, decay});
    }
  }
}

// Whether a layer takes the largest magnitude of the node's output for the range of its input.
bool Supernet::IsMeasured(NodeId node, const Assignment& assignment) const {
  const RangeRule rule = ranges_.RuleOf(Operand::kActivation);
  for (const size_t layer : layers_reading_[static_cast<size_t>(node)]) {
    const Format& format = assignment.layers[layer].activation;
    if (TakesLargest(format, rule) && HasPlainRange(format)) return true;
  }
  return false;
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
  LayerInputs inputs(graph_.nodes().size(), ranges_, options);
  size_t next_layer = 0;

  const auto release_after = [&](NodeId node) {
    for (const NodeId done : walk_.LastReadBy(node)) {
      values[static_cast<size_t>(done)] = at::Tensor();
      inputs.Forget(done);
    }
  };

  // The quantised input and weight of the next layer. The input itself is let go before the layer runs, so
  // that its memory serves the output.
  const auto layer_operands = [&](NodeId node) {
    const NodeId from = graph_.node(node).inputs[0];
    const LayerFormats& formats = assignment.layers[next_layer];
    const bool is_nonnegative = layers_[next_layer].nonnegative_input;
    const at::Tensor& x = values[static_cast<size_t>(from)];
    if (observer != nullptr) observer->OnLayerInput(next_layer, inputs.Measured(from, x, formats.activation));
    ++next_layer;
    std::pair operands(inputs.Quantized(from, x, formats.activation, is_nonnegative),
                       QuantizedWeight(node, formats.weight, options.seed));
    release_after(node);
    return operands;
  };

  for (NodeId id = 0; id <= graph_.output(); ++id) {
    const Node& node = graph_.node(id);
    at::Tensor& y = values[static_cast<size_t>(id)];
    if (std::holds_alternative<InputNode>(node.op)) {
      y = images;
    } else if (const auto* conv = std::get_if<Conv2dNode>(&node.op)) {
      const auto [x, weight] = layer_operands(id);
      y = RunConv(*conv, x, weight, Bias(id));
    } else if (std::holds_alternative<LinearNode>(node.op)) {
      const auto [x, weight] = layer_operands(id);
      y = at::linear(x, weight, Bias(id));
    } else if (std::holds_alternative<BatchNormNode>(node.op)) {
      const FusedNorm& fused = walk_.Fused(id);
      NormInputs norm = {.x = values[static_cast<size_t>(node.inputs[0])],
                         .weight = Weight(id),
                         .bias = Bias(id),
                         .residual = {},
                         .activation = fused.activation};
      if (fused.residual >= 0) norm.residual = values[static_cast<size_t>(fused.residual)];
      const bool measure = observer != nullptr || IsMeasured(fused.output, assignment);
      const NormOutputs outputs = NormActivate(norm, measure);
      values[static_cast<size_t>(fused.output)] = outputs.y;
      if (measure) inputs.SetMaxAbs(fused.output, outputs.max_abs);
      if (observer != nullptr) observer->OnBatchNorm(id, outputs.mean, outputs.inverse_deviation);
    } else if (!walk_.IsInFusedNorm(id)) {
      std::vector<at::Tensor> operands;
      for (const NodeId input : node.inputs) operands.push_back(values[static_cast<size_t>(input)]);
      y = RunPlainNode(node.op, operands, /*overwrite=*/false);
    }
    release_after(id);
  }
  return values.back();
}

}  // namespace precis
