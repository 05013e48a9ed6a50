// Weights to a file's tensors and back, and every way in which a file can fail to fit.
#include "supernet/execution/weight_exchange.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supernet/graph/model_zoo.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class WeightExchangeTest : public ::testing::Test {
 protected:
  WeightExchangeTest()
      : dataset_(SquaresDataset()),
        images_(dataset_, dataset_.train, at::kCPU),
        net_(SmallGraph(), 3, at::kCPU),
        assignment_(UniformAssignment(net_.layer_count(), *ParseFormat("int8"))) {}

  WeightFile Export() const {
    const std::vector<int64_t> indices = {0, 1, 2, 3, 4, 5};
    return ExportWeights(net_, assignment_, *Calibrate(net_, assignment_, images_, indices, 3));
  }

  void ExpectRefused(const WeightFile& file, absl::StatusCode code,
                     const std::vector<std::string>& essentials) {
    const at::Tensor before = net_.parameters()[0].value.detach().clone();
    const absl::Status status = ImportWeights(file, net_);
    EXPECT_EQ(status.code(), code) << status;
    for (const std::string& essential : essentials)
      EXPECT_THAT(std::string(status.message()), HasSubstr(essential));
    EXPECT_TRUE(at::equal(net_.parameters()[0].value, before));
  }

  Dataset dataset_;
  ImageStore images_;
  Supernet net_;
  Assignment assignment_;
};

TEST_F(WeightExchangeTest, RoundTripIsExact) {
  const WeightFile file = Export();
  Supernet other(SmallGraph(), 4, at::kCPU);
  ASSERT_TRUE(ImportWeights(file, other).ok());
  for (size_t i = 0; i < net_.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(net_.parameters()[i].value, other.parameters()[i].value))
        << net_.parameters()[i].name;
    EXPECT_TRUE(other.parameters()[i].value.requires_grad());
    EXPECT_EQ(net_.parameters()[i].value.strides(), other.parameters()[i].value.strides());
  }
}

TEST_F(WeightExchangeTest, HoldsRowMajorValuesAndStatistics) {
  const WeightFile file = Export();
  const WeightTensor& stem = file.tensors.at("stem.conv.weight");
  EXPECT_THAT(stem.shape, ::testing::ElementsAre(8, 2, 3, 3));
  EXPECT_EQ(stem.values[1], net_.Weight(1)[0][0][0][1].item<float>());
  EXPECT_EQ(file.tensors.at("stem.norm.running_mean").values.size(), 8u);
  EXPECT_EQ(file.tensors.at("head.norm.running_var").values.size(), 8u);
  EXPECT_EQ(file.metadata.at("model"), "small");
  EXPECT_EQ(file.metadata.at("assignment"), AssignmentText(assignment_));
}

TEST_F(WeightExchangeTest, MisfitsAreNamedAndChangeNothing) {
  WeightFile file = Export();
  file.tensors.erase("head.classifier.bias");
  file.tensors["stem.conv.weight"].shape = {8, 2, 9};
  file.tensors["extra"] = {};
  file.tensors["head.hidden.weight"].values[0] = 1e6f;
  ExpectRefused(file, absl::StatusCode::kInvalidArgument,
                {"do not fit small", "head.classifier.bias is missing",
                 "stem.conv.weight has shape {8, 2, 9}, expected {8, 2, 3, 3}", "extra is unknown"});
}

TEST_F(WeightExchangeTest, ValuesThatAreNotFiniteAreDamage) {
  WeightFile file = Export();
  file.tensors["block.b.weight"].values[5] = NAN;
  ExpectRefused(file, absl::StatusCode::kDataLoss, {"block.b.weight", "not finite"});
}

TEST_F(WeightExchangeTest, LongListsOfFaultsAreCut) {
  ExpectRefused(WeightFile{}, absl::StatusCode::kInvalidArgument, {"is missing", "more"});
}

TEST(WeightExchange, HoldsTokensPositionsAndNorms) {
  const Dataset dataset = SquaresDataset();
  const ImageStore images(dataset, dataset.train, at::kCPU);
  const Supernet net(AttentionGraph(), 3, at::kCPU);
  const Assignment assignment = UniformAssignment(net.layer_count(), *ParseFormat("int8"));
  const std::vector<int64_t> indices = {0, 1, 2, 3};
  const WeightFile file = ExportWeights(net, assignment, *Calibrate(net, assignment, images, indices, 2));
  for (const char* name : {"token.weight", "position.weight", "norm.weight", "norm.bias", "se.reduce.bias",
                           "conv.norm.running_var"}) {
    EXPECT_TRUE(file.tensors.contains(name)) << name;
  }
  EXPECT_EQ(file.tensors.size(), net.parameters().size() + 2 * 2);
  Supernet other(AttentionGraph(), 4, at::kCPU);
  ASSERT_TRUE(ImportWeights(file, other).ok());
  const at::Tensor batch = images.Get(indices).images;
  EXPECT_TRUE(at::equal(net.Forward(batch, assignment), other.Forward(batch, assignment)));
}

// The file's parameters are the graph's, for every network of the zoo.
TEST(WeightExchange, ParameterCountIsTheGraphs) {
  for (const ModelInfo& info : Models()) {
    const ModelGraph graph = *BuildModel(info.name, SmallestOptions(info, 0.25));
    const Supernet net(graph, 1, at::kCPU);
    int64_t count = 0;
    for (const Parameter& parameter : net.parameters()) count += parameter.value.numel();
    EXPECT_EQ(count, graph.ParameterCount()) << info.name;
  }
}

}  // namespace
}  // namespace precis
