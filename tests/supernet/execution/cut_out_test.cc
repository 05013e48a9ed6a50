// What is cut out of an elastic supernet, against a fixed network with the same weights.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <memory>
#include <random>
#include <string>

#include "supernet/execution/supernet.h"
#include "supernet/graph/model_zoo.h"
#include "supernet/graph/weight_file.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

class CutOutTest : public ::testing::Test {
 protected:
  CutOutTest() : data_(SquaresDataset()) {
    const ModelOptions options = {.channels = data_.info.channels,
                                  .height = data_.info.height,
                                  .width = data_.info.width,
                                  .classes = data_.info.classes,
                                  .width_multiplier = 0.25};
    network_ = *BuildElasticModel("mobilenet_v2", options,
                                  {.kernel = {3, 5}, .expansion = {3, 6}, .width = {1, 2}, .skip = true});
  }

  // Every second dimension small, every third block kernel large: a bit of everything.
  Architecture Mixed() const {
    Architecture mixed = network_->Largest();
    for (size_t d = 0; d < mixed.size(); d += 2) mixed[d] = 0;
    return mixed;
  }

  Assignment Uniform(const char* format, const Architecture& architecture) const {
    Assignment assignment = UniformAssignment(network_->layer_count(), *ParseFormat(format));
    assignment.architecture = architecture;
    return assignment;
  }

  std::unique_ptr<Oracle> MakeOracle(const ModelGraph& graph,
                                     std::shared_ptr<const ElasticNetwork> network) const {
    OracleOptions options = SmallOptions();
    options.training.ranges = {.weights = RangeRule::kLearned, .activations = RangeRule::kLearned};
    options.network = std::move(network);
    absl::StatusOr<std::unique_ptr<Oracle>> oracle = MakeSupernetOracle(graph, data_, options);
    EXPECT_TRUE(oracle.ok()) << oracle.status();
    return *std::move(oracle);
  }

  const Dataset data_;
  std::shared_ptr<const ElasticNetwork> network_;
  TempDir folder_;
};

TEST_F(CutOutTest, IsTheFixedNetworkWithTheFirstChannelsAndTheMiddleOfKernels) {
  const Supernet whole(network_->Graph(network_->Largest()), 1, at::kCPU);
  for (const Architecture& architecture : {Mixed(), network_->Smallest(), network_->Own()}) {
    const ModelGraph graph = network_->Graph(architecture);
    const Supernet cut = whole.CutOut(graph);
    Supernet fixed(graph, 2, at::kCPU);
    const at::NoGradGuard no_gradients;
    for (size_t i = 0; i < fixed.parameters().size(); ++i) {
      const Parameter& to = fixed.parameters()[i];
      const Parameter* from = nullptr;
      for (const Parameter& each : whole.parameters()) {
        if (each.name == to.name) from = &each;
      }
      ASSERT_NE(from, nullptr) << to.name;
      at::Tensor part = from->value;
      for (int64_t d = 0; d < part.dim(); ++d) {
        const int64_t size = to.value.size(d);
        // A kernel of 3 within one of 5 starts at 1.
        const int64_t begin = d < 2 ? 0 : (part.size(d) == 5 && size == 3 ? 1 : 0);
        part = part.slice(d, begin, begin + size);
      }
      to.value.copy_(part);
    }
    const at::Tensor images = at::randn({4, data_.info.channels, data_.info.height, data_.info.width});
    const Assignment int8 = UniformAssignment(graph.Layers().size(), *ParseFormat("int8"));
    EXPECT_TRUE(at::equal(cut.Forward(images, int8), fixed.Forward(images, int8)));
  }
}

TEST_F(CutOutTest, GradientsLandInThePartAlone) {
  const Supernet whole(network_->Graph(network_->Largest()), 1, at::kCPU);
  const ModelGraph graph = network_->Graph(network_->Smallest());
  const Supernet cut = whole.CutOut(graph);
  const at::Tensor images = at::randn({4, data_.info.channels, data_.info.height, data_.info.width});
  const Assignment fp32 = UniformAssignment(graph.Layers().size(), *ParseFormat("fp32"));
  std::vector<at::Tensor> values;
  for (const Parameter& parameter : whole.parameters()) values.push_back(parameter.value);
  const auto gradients = torch::autograd::grad({cut.Forward(images, fp32).square().sum()}, values, {},
                                               c10::nullopt, false, /*allow_unused=*/true);
  bool seen = false;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string& name = whole.parameters()[i].name;
    if (name.rfind("stage3.block1.", 0) == 0) {
      EXPECT_FALSE(gradients[i].defined()) << name << " is of a skipped block";
    }
    if (name != "stage2.block0.depthwise.conv.weight") continue;
    seen = true;
    const at::Tensor& gradient = gradients[i];
    const int64_t channels = graph.node(cut.layers()[4].node).shape[0];
    const at::Tensor part = gradient.slice(0, 0, channels).slice(2, 1, 4).slice(3, 1, 4);
    EXPECT_LT(part.size(0), gradient.size(0));
    EXPECT_GT(part.abs().sum().item<double>(), 0);
    EXPECT_NEAR(part.abs().sum().item<double>(), gradient.abs().sum().item<double>(), 1e-3);
  }
  EXPECT_TRUE(seen);
}

TEST_F(CutOutTest, ATrainedPartSavedIsAFixedNetworkThatMeasuresTheSame) {
  const Architecture mixed = Mixed();
  const ModelGraph graph = network_->Graph(mixed);
  const auto elastic = MakeOracle(network_->Graph({}), network_);
  for (int step = 0; step < 3; ++step) {
    ASSERT_TRUE(elastic->TrainStep(Uniform("int8", network_->Largest())).ok());
    ASSERT_TRUE(elastic->TrainStep(Uniform("int4", network_->Smallest())).ok());
    ASSERT_TRUE(elastic->TrainStep(Uniform("int4", mixed)).ok());
    ASSERT_TRUE(elastic->TrainStep(Uniform("int4", {})).ok());
  }
  const Assignment assignment = Uniform("int4", mixed);
  const std::string path = folder_.path() + "/part";
  ASSERT_TRUE(elastic->SaveWeights(assignment, path).ok());
  const absl::StatusOr<WeightFile> file = ReadWeightFile(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->metadata.at("architecture"), network_->Describe(mixed));
  const auto fixed = MakeOracle(graph, nullptr);
  const absl::Status loaded = fixed->LoadWeights(path);
  ASSERT_TRUE(loaded.ok()) << loaded;
  for (const Split split : {Split::kSearch, Split::kTest}) {
    const absl::StatusOr<Evaluation> part = elastic->Evaluate(assignment, split);
    const absl::StatusOr<Evaluation> same = fixed->Evaluate(network_->CutOut(assignment), split);
    ASSERT_TRUE(part.ok() && same.ok());
    EXPECT_EQ(part->quality.accuracy, same->quality.accuracy);
    EXPECT_EQ(part->quality.loss, same->quality.loss);
    EXPECT_EQ(part->activation_ranges, same->activation_ranges);
    EXPECT_EQ(part->activation_ranges.size(), graph.ActivationOperands().size());
  }
}

}  // namespace
}  // namespace precis
