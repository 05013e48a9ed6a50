// Techniques that depend on a configuration, in an oracle: what is measured is what is saved.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "supernet/data/dataset.h"
#include "supernet/execution/batch_stream.h"
#include "supernet/execution/layer_tuning.h"
#include "supernet/execution/run_node.h"
#include "supernet/execution/weight_exchange.h"
#include "supernet/execution/weight_grid.h"
#include "supernet/graph/weight_file.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

class PostTrainingTest : public ::testing::Test {
 protected:
  static Assignment Uniform(const std::string& format) {
    return UniformAssignment(SmallGraph().Layers().size(), *ParseLayerFormats(format));
  }
  static Quality Measured(Oracle& oracle, const std::string& format, Split split) {
    const absl::StatusOr<Evaluation> evaluation = oracle.Evaluate(Uniform(format), split);
    EXPECT_TRUE(evaluation.ok()) << evaluation.status();
    return evaluation.ok() ? evaluation->quality : Quality{};
  }

  // Weights that were trained a little.
  PostTrainingTest() {
    const std::unique_ptr<Oracle> teacher = SmallOracle();
    for (int i = 0; i < 40; ++i) EXPECT_TRUE(teacher->TrainStep(Uniform("fp32")).ok());
    options_.weights = Saved(*teacher, "fp32");
    options_.against_float = true;
    options_.keep_statistics = true;
    options_.training.steps = 0;
    options_.training.ranges = {.weights = RangeRule::kMeanSquareError,
                                .activations = RangeRule::kMeanSquareError};
  }

  std::shared_ptr<const WeightFile> Saved(Oracle& oracle, const std::string& format) {
    const std::string path = folder_.path() + "/weights";
    EXPECT_TRUE(oracle.SaveWeights(Uniform(format), path).ok());
    return std::make_shared<const WeightFile>(*ReadWeightFile(path));
  }
  std::unique_ptr<Oracle> With(std::vector<Technique> techniques) {
    OracleOptions options = options_;
    options.post_training.techniques = std::move(techniques);
    return SmallOracle(options);
  }

  TempDir folder_;
  OracleOptions options_ = SmallOptions();
};

TEST_F(PostTrainingTest, FloatStaysWhatItIs) {
  const Quality plain = Measured(*With({}), "fp32", Split::kTest);
  for (const Technique technique : {Technique::kEqualization, Technique::kSmooth, Technique::kBiasCorrection,
                                    Technique::kLearnedRounding, Technique::kGptq}) {
    const std::unique_ptr<Oracle> oracle = With({technique});
    const Quality quality = Measured(*oracle, "fp32", Split::kTest);
    EXPECT_EQ(quality.accuracy, plain.accuracy) << TechniqueName(technique);
    EXPECT_NEAR(quality.loss, plain.loss, 1e-5) << TechniqueName(technique);
    EXPECT_NEAR(Measured(*oracle, "fp32", Split::kSearch).loss, 0, 1e-6) << TechniqueName(technique);
  }
}

TEST_F(PostTrainingTest, ChosenRoundingComesCloserToTheModel) {
  for (const char* format : {"int3/fp32", "mxint4/fp32", "e2m1", "nvfp4/fp32"}) {
    const double nearest = Measured(*With({}), format, Split::kSearch).loss;
    for (const Technique technique : {Technique::kLearnedRounding, Technique::kGptq}) {
      const double chosen = Measured(*With({technique}), format, Split::kSearch).loss;
      EXPECT_LT(chosen, 0.9 * nearest) << TechniqueName(technique) << " " << format;
    }
  }
}

TEST_F(PostTrainingTest, WhatIsMeasuredIsWhatIsSaved) {
  for (const Technique technique : {Technique::kLearnedRounding, Technique::kGptq}) {
    for (const char* format : {"int3", "e2m1", "mxint4", "mxfp4", "nvfp4"}) {
      const std::unique_ptr<Oracle> oracle =
          With({technique, Technique::kBiasCorrection, Technique::kSmooth});
      const Quality before = Measured(*oracle, format, Split::kTest);
      const std::shared_ptr<const WeightFile> saved = Saved(*oracle, format);
      EXPECT_EQ(Measured(*oracle, format, Split::kTest).loss, before.loss) << "saving changes nothing";

      // Taken for a model of its own, by an oracle that does nothing to it.
      OracleOptions options = options_;
      options.weights = saved;
      const std::unique_ptr<Oracle> reader = SmallOracle(options);
      const Quality after = Measured(*reader, format, Split::kTest);
      EXPECT_EQ(after.loss, before.loss) << TechniqueName(technique) << " " << format;
      EXPECT_EQ(after.accuracy, before.accuracy);
    }
  }
}

TEST_F(PostTrainingTest, TheSavedWeightsLieOnTheGrid) {
  for (const char* format : {"int4", "e3m2", "mxint4", "mxfp4", "nvfp4", "nvint4"}) {
    const std::unique_ptr<Oracle> oracle = With({Technique::kLearnedRounding});
    Supernet net(SmallGraph(), 1, c10::kCPU, options_.training.ranges);
    ASSERT_TRUE(ImportWeights(*Saved(*oracle, format), net).ok());
    const c10::NoGradGuard no_gradients;
    for (const Layer& layer : net.layers()) {
      const at::Tensor weight = net.Weight(layer.node);
      const at::Tensor rounded = net.QuantizedWeight(layer.node, *ParseFormat(format), 0);
      EXPECT_LE(((weight - rounded).abs() - 1e-6 * weight.abs()).max().item<double>(), 0)
          << layer.name << " " << format;
    }
  }
}

TEST_F(PostTrainingTest, MeasuringBetweenChangesNothing) {
  const std::unique_ptr<Oracle> oracle = With({Technique::kGptq, Technique::kBiasCorrection});
  const double first = Measured(*oracle, "int3", Split::kSearch).loss;
  const double other = Measured(*oracle, "int4", Split::kSearch).loss;
  EXPECT_NE(first, other);
  EXPECT_EQ(Measured(*oracle, "int3", Split::kSearch).loss, first);
  EXPECT_EQ(Measured(*With({Technique::kBiasCorrection, Technique::kGptq}), "int3", Split::kSearch).loss,
            first)
      << "their order says nothing, and a new oracle gives the same";
}

TEST_F(PostTrainingTest, OnlyForWeightsThatStay) {
  options_.against_float = false;
  options_.keep_statistics = false;
  options_.post_training.techniques = {Technique::kGptq};
  EXPECT_THAT(std::string(MakeSupernetOracle(SmallGraph(), SquaresDataset(), options_).status().message()),
              ::testing::HasSubstr("post_training needs against_float"));
}

class LayerInputs : public LayerObserver {
 public:
  void OnLayer(size_t /*layer*/, const at::Tensor& x, const at::Tensor& /*second*/,
               const at::Tensor& /*y*/) override {
    inputs.push_back(x);
  }
  std::vector<at::Tensor> inputs;
};

// What a layer gives when it reads in rounded form what the float network has there, behind its batch norm if
// there is one, has the float network's means, channel by channel.
TEST_F(PostTrainingTest, CorrectedBiasesMakeTheMeansAgree) {
  const c10::NoGradGuard no_gradients;
  Supernet net(SmallGraph(), 1, c10::kCPU, options_.training.ranges);
  ASSERT_TRUE(ImportWeights(*options_.weights, net).ok());
  const Calibration own = StatisticsOf(*options_.weights, net);
  const NormStatistics norms{.mean = own.mean, .variance = own.variance};
  const Dataset dataset = SquaresDataset();
  const ImageStore store(dataset, dataset.train, c10::kCPU);
  std::vector<int64_t> indices(100);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i);
  const Assignment rounded = Uniform("int3");
  const absl::StatusOr<Supernet> tuned =
      TuneLayers(net, {.techniques = {Technique::kBiasCorrection}}, rounded,
                 {.plain = norms, .rounded = norms}, {.store = store, .indices = indices, .batch_size = 100});
  ASSERT_TRUE(tuned.ok());

  LayerInputs plain;
  net.Forward(store.Get(indices).images, Uniform("fp32"), {.norms = &norms, .layers = &plain});
  int corrected = 0;
  for (size_t i = 0; i < net.layer_count(); ++i) {
    const NodeId id = net.layers()[i].node;
    const Node& next = net.graph().node(std::min(id + 1, net.graph().output()));
    const bool has_norm = std::holds_alternative<BatchNormNode>(next.op) && next.inputs.front() == id;
    const Format format = *ParseFormat("int3");
    const at::Tensor range =
        MeasureRangeAlong(1, plain.inputs[i], format, {.rule = RangeRule::kMeanSquareError});
    const at::Tensor x = FakeQuantizeAlong(1, plain.inputs[i], format, {.range = range});
    // The mean, by channel, of the layer, or of the batch norm behind it.
    const auto mean = [&](const Supernet& of, const at::Tensor& y) {
      std::vector<int64_t> others = {0};
      for (int64_t d = 2; d < y.dim(); ++d) others.push_back(d);
      const at::Tensor at_layer = y.mean(others);
      if (!has_norm) return at_layer;
      const auto at = static_cast<size_t>(id) + 1;
      const at::Tensor factor = of.Weight(id + 1) * (norms.variance[at] + 1e-5).rsqrt();
      return (at_layer - norms.mean[at]) * factor + of.Bias(id + 1);
    };
    const auto run = [&](const Supernet& of) {
      return mean(of, RunLayer(net.graph().node(id).op, x, of.QuantizedWeight(id, format, 0), of.Bias(id)));
    };
    const at::Tensor aim =
        mean(net, RunLayer(net.graph().node(id).op, plain.inputs[i], net.Weight(id), net.Bias(id)));
    const double shift = (run(net) - aim).abs().max().item<double>();
    const double left = (run(*tuned) - aim).abs().max().item<double>();
    if (!has_norm && !net.Bias(id).defined()) {
      EXPECT_EQ(left, shift) << "nowhere to add it";
      continue;
    }
    EXPECT_LT(left, 1e-5 + 1e-3 * shift) << net.graph().node(id).name << ", uncorrected " << shift;
    ++corrected;
  }
  EXPECT_EQ(corrected, 6);
}

}  // namespace
}  // namespace precis
