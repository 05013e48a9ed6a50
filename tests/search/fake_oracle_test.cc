// The fake oracle keeps the oracle's contract, and fails where it is told to.
#include "tests/fakes/fake_oracle.h"

#include <gtest/gtest.h>

#include "supernet/graph/model_zoo.h"
#include "tests/contract/oracle_contract.h"

namespace precis {
namespace {

ModelGraph SmallGraph() {
  ModelOptions options;
  options.channels = 1;
  options.height = options.width = 28;
  return *BuildModel("resnet8", options);
}

OracleFactory Factory() {
  OracleFactory factory;
  factory.name = "Fake";
  factory.make = [] { return std::make_unique<FakeOracle>(SmallGraph(), FakeOracleOptions{}); };
  factory.layer_count = SmallGraph().Layers().size();
  factory.search_images = FakeOracleOptions{}.search_images;
  factory.test_images = FakeOracleOptions{}.test_images;
  return factory;
}

INSTANTIATE_TEST_SUITE_P(Fake, OracleContract, ::testing::Values(Factory()), OracleFactoryName);

TEST(FakeOracle, LearnsAndLosesWithFewerBits) {
  FakeOracle oracle(SmallGraph(), {});
  const size_t layers = SmallGraph().Layers().size();
  const auto uniform = [&](const char* format) { return UniformAssignment(layers, *ParseFormat(format)); };
  const double before = oracle.TrueAccuracy(uniform("fp32"));
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(oracle.TrainStep(uniform(i % 2 == 0 ? "int8" : "int4")).ok());
  EXPECT_NEAR(before, 0.1, 0.01);
  EXPECT_NEAR(oracle.TrueAccuracy(uniform("fp32")), 0.92, 0.01);
  EXPECT_GT(oracle.TrueAccuracy(uniform("int8")), oracle.TrueAccuracy(uniform("int4")));
  EXPECT_NEAR(oracle.TrueAccuracy(uniform("int4")), 0.9, 0.02);
  EXPECT_NEAR(oracle.TrueAccuracy(uniform("int3")), 0.79, 0.06);
  EXPECT_LT(oracle.TrueAccuracy(uniform("int2")), 0.25);
}

TEST(FakeOracle, FailsWhereItIsTold) {
  FakeOracleOptions options;
  options.exploding_steps = {0, 1};
  options.failing_step = 2;
  options.non_finite_probes = {0};
  options.failing_probe = 1;
  options.failing_evaluation = 0;
  FakeOracle oracle(SmallGraph(), options);
  const Assignment a = UniformAssignment(SmallGraph().Layers().size(), *ParseFormat("int4"));
  const double before = oracle.TrueAccuracy(a);
  EXPECT_FALSE(oracle.TrainStep(a)->applied);
  EXPECT_FALSE(oracle.TrainStep(a)->applied);
  EXPECT_EQ(oracle.TrueAccuracy(a), before);
  EXPECT_EQ(oracle.TrainStep(a).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(std::isnan(oracle.Probe(a, 5, ProbeImages::kNext)->accuracy));
  EXPECT_EQ(oracle.Probe(a, 5, ProbeImages::kNext).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(oracle.Evaluate(a, Split::kSearch).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace precis
