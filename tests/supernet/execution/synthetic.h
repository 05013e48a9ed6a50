// Small data and small networks for the tests of supernet/execution.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "supernet/data/dataset.h"
#include "supernet/data/sampler.h"
#include "supernet/execution/oracle_factory.h"
#include "supernet/formats/check.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/model_zoo.h"

namespace precis {

// Noise with a bright square whose place tells the class: easy to learn, impossible to guess.
inline ImageSet SquareImages(const DatasetInfo& info, int64_t count, uint64_t seed) {
  std::mt19937_64 generator(seed);
  ImageSet set{.count = count, .pixels = {}, .labels = {}};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = i % info.classes;
    set.labels.push_back(static_cast<uint16_t>(label));
    const int64_t top = label / 2 * info.height / 2;
    const int64_t left = label % 2 * info.width / 2;
    for (int64_t c = 0; c < info.channels; ++c) {
      for (int64_t y = 0; y < info.height; ++y) {
        for (int64_t x = 0; x < info.width; ++x) {
          const bool inside = y >= top && y < top + info.height / 2 && x >= left && x < left + info.width / 2;
          set.pixels.push_back(static_cast<uint8_t>(UniformBelow(generator, 100) + (inside ? 90 : 0)));
        }
      }
    }
  }
  return set;
}

// 200 + 40 images of 2 channels, 8 by 8 pixels, in 4 classes.
inline Dataset SquaresDataset() {
  Dataset dataset;
  dataset.info = {.name = "squares",
                  .description = "",
                  .channels = 2,
                  .height = 8,
                  .width = 8,
                  .classes = 4,
                  .train_images = 200,
                  .test_images = 40,
                  .default_path = "",
                  .labels = {"0", "1", "2", "3"}};
  dataset.train = SquareImages(dataset.info, 200, 1);
  dataset.test = SquareImages(dataset.info, 40, 2);
  dataset.mean = {0.28f, 0.28f};
  dataset.stddev = {0.2f, 0.2f};
  return dataset;
}

inline NodeId Append(ModelGraph& graph, const std::string& name, NodeOp op, std::vector<NodeId> inputs) {
  const absl::StatusOr<NodeId> id = graph.Add(name, std::move(op), std::move(inputs));
  PRECIS_CHECK(id.ok());
  return *id;
}

// Every node type once or more: a residual block, a depthwise and a biased convolution, a batch norm that is
// not behind a layer, both activations, pooling, a classifier. Seven layers.
inline ModelGraph SmallGraph() {
  ModelGraph g("small", {2, 8, 8});
  const NodeId stem = Append(g, "stem.conv", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = 1}, {0});
  const NodeId stem_norm = Append(g, "stem.norm", BatchNormNode{}, {stem});
  const NodeId stem_act = Append(g, "stem.act", ActivationNode{}, {stem_norm});
  const NodeId a =
      Append(g, "block.a", Conv2dNode{.out_channels = 8, .kernel = 3, .stride = 2, .padding = 1}, {stem_act});
  const NodeId a_norm = Append(g, "block.a_norm", BatchNormNode{}, {a});
  const NodeId a_act = Append(g, "block.a_act", ActivationNode{ActivationKind::kRelu6}, {a_norm});
  const NodeId b =
      Append(g, "block.b", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = 1, .groups = 8}, {a_act});
  const NodeId b_norm = Append(g, "block.b_norm", BatchNormNode{}, {b});
  const NodeId shortcut = Append(
      g, "block.shortcut", Conv2dNode{.out_channels = 8, .kernel = 1, .stride = 2, .bias = true}, {stem_act});
  const NodeId add = Append(g, "block.add", AddNode{}, {b_norm, shortcut});
  const NodeId add_norm = Append(g, "block.norm", BatchNormNode{}, {add});
  const NodeId act = Append(g, "block.act", ActivationNode{}, {add_norm});
  const NodeId pool = Append(g, "pool", MaxPoolNode{}, {act});
  const NodeId c = Append(g, "head.conv", Conv2dNode{.out_channels = 16, .kernel = 1}, {pool});
  const NodeId mean = Append(g, "head.mean", GlobalAveragePoolNode{}, {c});
  const NodeId hidden = Append(g, "head.hidden", LinearNode{.out_features = 8, .bias = false}, {mean});
  const NodeId hidden_norm = Append(g, "head.norm", BatchNormNode{}, {hidden});
  Append(g, "head.classifier", LinearNode{.out_features = 4}, {hidden_norm});
  return g;
}

// What SmallGraph lacks: patches as tokens, attention with two heads and a group, layer norms, a class token
// and positions, and from the same image a branch with squeeze-and-excite, unequal padding, concatenation and
// average pooling. The first products' second operands are read along both of their axes. 13 layers, 4 of
// them products.
inline ModelGraph AttentionGraph() {
  ModelGraph g("attention", {2, 8, 8});
  NodeId x = Append(g, "patch", Conv2dNode{.out_channels = 8, .kernel = 4, .stride = 4, .bias = true}, {0});
  x = Append(g, "patch.flatten", ReshapeNode{{8, 4}}, {x});
  x = Append(g, "patch.tokens", TransposeNode{{1, 0}}, {x});
  x = Append(g, "token", ClassTokenNode{}, {x});
  const NodeId embedded = Append(g, "position", PositionEmbeddingNode{}, {x});
  const NodeId norm = Append(g, "norm", LayerNormNode{}, {embedded});
  const auto heads = [&](const std::string& name) {
    NodeId y = Append(g, name, LinearNode{.out_features = 8}, {norm});
    y = Append(g, name + ".split", ReshapeNode{{5, 2, 4}}, {y});
    return Append(g, name + ".heads", TransposeNode{{1, 0, 2}}, {y});
  };
  const NodeId q = heads("q");
  const NodeId k = heads("k");
  x = Append(g, "scores", MatMulNode{.transpose_second = true}, {q, k});
  x = Append(g, "scale", ScaleNode{0.5}, {x});
  x = Append(g, "softmax", SoftmaxNode{}, {x});
  x = Append(g, "mix", MatMulNode{}, {x, k});
  x = Append(g, "gather", TransposeNode{{1, 0, 2}}, {x});
  x = Append(g, "join", ReshapeNode{{5, 8}}, {x});
  x = Append(g, "out", LinearNode{.out_features = 8}, {x});
  const NodeId sum = Append(g, "sum", AddNode{}, {x, embedded});
  x = Append(g, "gelu", ActivationNode{ActivationKind::kGelu}, {sum});
  const NodeId part = Append(g, "part", SliceNode{.axis = 0, .begin = 1, .end = 5}, {x});
  const NodeId part_act = Append(g, "part.relu", ActivationNode{}, {part});
  const NodeId gram = Append(g, "gram", MatMulNode{.transpose_second = true}, {part_act, part_act});
  x = Append(g, "spread", MatMulNode{}, {gram, part});
  const NodeId spread = Append(g, "spread.norm", LayerNormNode{1e-3}, {x});
  const NodeId token = Append(g, "token.select", SelectNode{.axis = 0, .index = 0}, {sum});

  const Conv2dNode wide{.out_channels = 8, .kernel = {1, 3}, .padding = {0, 1, 0, 2}};
  x = Append(g, "conv", wide, {0});
  x = Append(g, "conv.norm", BatchNormNode{1e-3}, {x});
  const NodeId image = Append(g, "conv.silu", ActivationNode{ActivationKind::kSilu}, {x});
  x = Append(g, "se.pool", GlobalAveragePoolNode{}, {image});
  x = Append(g, "se.reduce", LinearNode{.out_features = 4}, {x});
  x = Append(g, "se.silu", ActivationNode{ActivationKind::kSilu}, {x});
  x = Append(g, "se.expand", LinearNode{.out_features = 8}, {x});
  x = Append(g, "se.sigmoid", ActivationNode{ActivationKind::kSigmoid}, {x});
  x = Append(g, "se.multiply", MultiplyNode{}, {image, x});
  const NodeId averages = Append(g, "average", AveragePoolNode{.kernel = 3, .stride = 2, .padding = 1}, {x});
  const NodeId maxima = Append(g, "max", MaxPoolNode{.kernel = 3, .stride = 2, .padding = {1, 1, 0, 1}}, {x});
  const NodeId averages_cut =
      Append(g, "average.cut", SliceNode{.axis = 2, .begin = 0, .end = 4}, {averages});
  const NodeId maxima_cut = Append(g, "max.cut", SliceNode{.axis = 2, .begin = 0, .end = 4}, {maxima});
  x = Append(g, "concat", ConcatNode{.axis = 0}, {averages_cut, maxima_cut});
  x = Append(g, "grouped", Conv2dNode{.out_channels = 8, .kernel = 2, .dilation = 2, .groups = 2}, {x});
  x = Append(g, "grouped.norm", BatchNormNode{}, {x});
  x = Append(g, "mean", GlobalAveragePoolNode{}, {x});
  const NodeId rows = Append(g, "rows", SelectNode{.axis = 0, .index = 2}, {spread});
  x = Append(g, "joined", ConcatNode{.axis = 0}, {x, token, rows});
  Append(g, "classifier", LinearNode{.out_features = 4}, {x});
  return g;
}

// As small as the network takes it: 8 pixels, most of them.
inline ModelOptions SmallestOptions(const ModelInfo& info, double width_multiplier) {
  const int64_t side = std::max<int64_t>(8, info.smallest_size);
  return {.channels = 2, .height = side, .width = side, .classes = 4, .width_multiplier = width_multiplier};
}

inline OracleOptions SmallOptions() {
  OracleOptions options;
  options.search_images = 40;
  options.training.steps = 60;
  options.training.batch_size = 20;
  options.training.recalibration_images = 50;
  options.training.evaluation_batch_size = 16;
  options.training.device = Device::kCpu;
  options.training.threads = 1;  // small tensors: a second thread only waits
  return options;
}

inline std::unique_ptr<Oracle> SmallOracle(const OracleOptions& options = SmallOptions()) {
  absl::StatusOr<std::unique_ptr<Oracle>> oracle =
      MakeSupernetOracle(SmallGraph(), SquaresDataset(), options);
  PRECIS_CHECK(oracle.ok());
  return *std::move(oracle);
}

}  // namespace precis
