// What is exported is what was measured: the weights that a supernet computes with lie on the grid of the
// scales that the exporter works out from its weight file, under every rule and in every kind of format.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "server/export/layer_scales.h"
#include "supernet/execution/supernet.h"
#include "supernet/execution/weight_exchange.h"
#include "supernet/formats/hadamard.h"
#include "supernet/formats/scalar.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis::server {
namespace {

constexpr int64_t kInputs = 32;

// A convolution whose blocks are whole, one whose blocks cross kernel positions, a linear layer.
ModelGraph Graph() {
  ModelGraph graph("three", {kInputs, 4, 4});
  const NodeId a =
      Append(graph, "a", Conv2dNode{.out_channels = 20, .kernel = 3, .padding = 1, .bias = true}, {0});
  const NodeId b = Append(graph, "b", Conv2dNode{.out_channels = 6, .kernel = 3, .padding = 1}, {a});
  const NodeId mean = Append(graph, "mean", GlobalAveragePoolNode{}, {b});
  Append(graph, "c", LinearNode{.out_features = 4}, {mean});
  return graph;
}

// Of element i of a weight in the order kernel row, kernel column, input channel.
struct Scales {
  Scales(const Format& format, const LayerScales& scales, int64_t row_size)
      : format_(format), scales_(scales), row_size_(row_size) {}

  size_t IndexOf(int64_t i) const {
    if (scales_.weight.size() == 1) return 0;
    const int64_t row = i / row_size_;
    if (!IsBlockScaled(format_)) return static_cast<size_t>(row);
    const int64_t blocks = (row_size_ + format_.scale.block - 1) / format_.scale.block;
    return static_cast<size_t>(row * blocks + i % row_size_ / format_.scale.block);
  }

  const Format& format_;
  const LayerScales& scales_;
  int64_t row_size_;
};

void ExpectOnGrid(const Supernet& net, const search::Plan& plan, const WeightFile& file,
                  const Format& format) {
  search::Candidate candidate;
  candidate.assignment = UniformAssignment(plan.layers.size(), format);
  candidate.activation_ranges.assign(plan.layers.size(), {-1, 1});
  const absl::StatusOr<std::vector<LayerScales>> scales = ComputeScales(plan, candidate, file);
  ASSERT_TRUE(scales.ok()) << scales.status();
  for (size_t l = 0; l < plan.layers.size(); ++l) {
    const Layer& layer = plan.layers[l];
    SCOPED_TRACE(layer.name);
    const at::Tensor weight = net.Weight(layer.node).detach();
    const at::Tensor quantized = net.QuantizedWeight(layer.node, format, /*pass_seed=*/0);
    const auto in_order = [](const at::Tensor& w) {
      const at::Tensor flat = (w.dim() == 4 ? w.permute({0, 2, 3, 1}) : w).contiguous();
      return std::vector<float>(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
    };
    std::vector<float> values = in_order(weight), rounded = in_order(quantized);
    const auto inputs = static_cast<size_t>(weight.size(1));
    if (format.hadamard != 0) {
      HadamardRotate(format.hadamard, 0, values.data(), values.data(), values.size(), inputs);
      HadamardRotate(format.hadamard, 0, rounded.data(), rounded.data(), rounded.size(), inputs);
    }
    const Scales scale_of(format, (*scales)[l], layer.reduction);
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t at = scale_of.IndexOf(static_cast<int64_t>(i));
      const float scale = (*scales)[l].weight[at];
      float expected = 0;
      if (format.scale.zero_point) {
        expected = QuantizeAffine(format.element, values[i], scale, (*scales)[l].weight_zero_points[at]);
      } else {
        expected = QuantizeScaled(format.element, values[i], scale);
      }
      // A rotation back and forth costs a few last places.
      ASSERT_NEAR(rounded[i], expected, format.hadamard == 0 ? 0 : 1e-5) << i;
    }
  }
}

TEST(TrainedScales, AreTheExportedOnes) {
  const ModelGraph graph = Graph();
  for (const RangeRule rule :
       {RangeRule::kMaxAbs, RangeRule::kPercentile, RangeRule::kMeanSquareError, RangeRule::kLearned}) {
    SCOPED_TRACE(static_cast<int>(rule));
    const RangeOptions ranges = {.weights = rule, .percentile = 95};
    Supernet net(graph, 3, at::kCPU, ranges);
    search::Plan plan{.spec = {},
                      .dataset = {},
                      .graph = graph,
                      .layers = graph.Layers(),
                      .space = {},
                      .costs = {},
                      .references = {},
                      .fingerprint = ""};
    plan.spec.training.ranges = ranges;
    // Some ranges are learned, the others have not been met.
    for (const Layer& layer : plan.layers) {
      for (const char* name : {"int4", "int3@fp32:tensor"}) {
        const RangeKey key = {layer.node, Operand::kWeight, *ParseFormat(name)};
        const bool one = key.format.scale.extent == ScaleExtent::kTensor;
        const at::Tensor start = one ? at::full({}, 0.1f) : at::rand({layer.output_channels}) + 0.05f;
        if (!net.ranges().Learns(key.operand, key.format)) continue;
        ASSERT_TRUE(net.ranges().Learn(key, start));
      }
    }
    Calibration calibration;
    calibration.mean.resize(graph.nodes().size());
    calibration.variance.resize(graph.nodes().size());
    const WeightFile file = ExportWeights(net, UniformAssignment(3, *ParseFormat("int8")), calibration);
    for (const char* name :
         {"int4", "int8", "e2m1", "int3@fp32:tensor", "dfp16", "int4_affine", "uint8_affine", "mxfp4",
          "mxint4:ceil", "int4@fp32:8", "int4+hadamard32", "mxint4+hadamard", "int8@fp32:tensor+hadamard4"}) {
      SCOPED_TRACE(name);
      ExpectOnGrid(net, plan, file, *ParseFormat(name));
    }
  }
}

}  // namespace
}  // namespace precis::server
