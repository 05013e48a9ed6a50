// The frozen network computes what its definition says, folding or not.
#include "supernet/execution/frozen_network.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <numeric>
#include <variant>

#include "supernet/execution/run_node.h"
#include "supernet/quantizers/fake_quantize.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

// The definition, node by node, nothing folded, nothing in place.
at::Tensor Reference(const Supernet& net, const Assignment& assignment, const Calibration& calibration,
                     const at::Tensor& images) {
  std::vector<at::Tensor> values;
  size_t layer = 0;
  size_t product = net.layer_count();
  const auto quantized = [&](const at::Tensor& x, const Format& format, size_t operand, int64_t axis) {
    return FakeQuantizeAlong(
        axis, x, format,
        {.range = NeedsRange(format) ? calibration.activation_ranges[operand] : at::Tensor()});
  };
  for (NodeId id = 0; id <= net.graph().output(); ++id) {
    const Node& node = net.graph().node(id);
    std::vector<at::Tensor> in;
    for (const NodeId input : node.inputs) in.push_back(values[static_cast<size_t>(input)]);
    if (std::holds_alternative<InputNode>(node.op)) {
      values.push_back(images);
    } else if (const auto* matmul = std::get_if<MatMulNode>(&node.op)) {
      const LayerFormats& formats = assignment.layers[layer];
      const at::Tensor a = quantized(in[0], formats.activation, layer++, in[0].dim() - 1);
      const at::Tensor b =
          quantized(in[1], formats.weight, product++, in[1].dim() - (matmul->transpose_second ? 1 : 2));
      values.push_back(at::matmul(a, matmul->transpose_second ? b.transpose(-1, -2) : b));
    } else if (layer < net.layer_count() && net.layers()[layer].node == id) {
      const LayerFormats& formats = assignment.layers[layer];
      const bool is_conv = std::holds_alternative<Conv2dNode>(node.op);
      const at::Tensor x = quantized(in[0], formats.activation, layer++, is_conv ? 1 : in[0].dim() - 1);
      const at::Tensor w =
          FakeQuantize(net.Weight(id), Operand::kWeight, formats.weight,
                       {.range = MeasureRange(net.Weight(id), Operand::kWeight, formats.weight, {})});
      values.push_back(RunLayer(node.op, x, w, net.Bias(id)));
    } else if (const auto* norm = std::get_if<BatchNormNode>(&node.op)) {
      const auto index = static_cast<size_t>(id);
      values.push_back(at::batch_norm(in[0], net.Weight(id), net.Bias(id), calibration.mean[index],
                                      calibration.variance[index], false, 0, norm->epsilon, false));
    } else {
      values.push_back(RunPlainNode(node.op, in, {net.Weight(id), net.Bias(id)}, /*overwrite=*/false));
    }
  }
  return values.back();
}

class FrozenNetworkTest : public ::testing::TestWithParam<ModelGraph (*)()> {};

TEST_P(FrozenNetworkTest, EqualsItsDefinition) {
  const Dataset dataset = SquaresDataset();
  const ImageStore images(dataset, dataset.train, at::kCPU);
  const Supernet net(GetParam()(), 3, at::kCPU);
  std::vector<int64_t> indices(60);
  std::iota(indices.begin(), indices.end(), 0);
  const c10::NoGradGuard no_gradients;
  for (const Parameter& parameter : net.parameters()) {
    if (!parameter.decays) parameter.value.add_(at::rand_like(parameter.value));
  }
  for (const char* format :
       {"fp32", "bf16", "int8", "e4m3", "uint8_affine", "mxint8", "nvint4", "int8+hadamard4"}) {
    SCOPED_TRACE(format);
    const Assignment assignment = UniformAssignment(net.layer_count(), *ParseFormat(format));
    const Calibration calibration = *Calibrate(net, assignment, images, indices, 20);
    const at::Tensor batch = images.Get(indices).images;
    const at::Tensor kept = batch.clone();
    const at::Tensor logits = FrozenNetwork(net, assignment, calibration).Forward(batch);
    const at::Tensor expected = Reference(net, assignment, calibration, batch);
    // Folding rounds differently, which can move a value across a rounding boundary of its format.
    const double tolerance = std::string(format) == "fp32" ? 1e-4 : 0.15;
    EXPECT_TRUE(at::allclose(logits, expected, 1e-4, tolerance)) << (logits - expected).abs().max();
    EXPECT_LT((logits - expected).abs().mean().item<double>(), tolerance / 10);
    EXPECT_TRUE(at::equal(batch, kept));
  }
}

INSTANTIATE_TEST_SUITE_P(Graphs, FrozenNetworkTest, ::testing::Values(&SmallGraph, &AttentionGraph));

}  // namespace
}  // namespace precis
