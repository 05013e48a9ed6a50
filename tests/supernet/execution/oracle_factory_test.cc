// What the factory refuses, and what it sets up.
#include "supernet/execution/oracle_factory.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <torch/cuda.h>

#include <thread>

#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(OracleFactory, NamesEveryFaultAtOnce) {
  ModelGraph graph("odd", {3, 8, 8});
  Append(graph, "mean", GlobalAveragePoolNode{}, {0});
  OracleOptions options = SmallOptions();
  options.search_images = 200;
  options.training.batch_size = 0;
  options.training.steps = -1;
  options.training.learning_rate = 0;
  options.training.momentum = 1;
  options.training.label_smoothing = -0.1;
  options.training.weight_decay = -1;
  options.training.explosion_factor = std::nan("");
  options.training.threads = -2;
  const absl::Status status = MakeSupernetOracle(graph, SquaresDataset(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("takes images {3, 8, 8}"), HasSubstr("has {2, 8, 8}"),
                    HasSubstr("needs {4}, one logit a class"), HasSubstr("no convolution or linear layer"),
                    HasSubstr("search_images is 200, allowed are 1 to 199"), HasSubstr("batch_size is 0"),
                    HasSubstr("steps is -1"), HasSubstr("learning_rate is 0"), HasSubstr("momentum is 1"),
                    HasSubstr("label_smoothing is -0.1")));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("weight_decay is -1"), HasSubstr("explosion_factor is nan"),
                    HasSubstr("threads is -2")));
}

TEST(OracleFactory, SetsTheNumberOfThreads) {
  OracleOptions options = SmallOptions();
  options.training.threads = 1;
  SmallOracle(options);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_THAT(ExecutionVersion(), AllOf(HasSubstr("LibTorch "), HasSubstr(", 1 thread")));
  options.training.threads = 0;
  SmallOracle(options);
  EXPECT_GE(at::get_num_threads(), 1);
  EXPECT_LE(at::get_num_threads(), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(OracleFactory, TakesNoMoreThreadsThanTheCoresItMayUse) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  OracleOptions options = SmallOptions();
  options.training.threads = 0;
  SmallOracle(options);
  EXPECT_EQ(at::get_num_threads(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

TEST(OracleFactory, RefusesCudaWhereThereIsNone) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "there is a CUDA device";
  OracleOptions options = SmallOptions();
  options.training.device = Device::kCuda;
  const absl::Status status = MakeSupernetOracle(SmallGraph(), SquaresDataset(), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("device is cuda"), HasSubstr("auto or cpu")));
}

TEST(OracleFactory, AutoTakesWhatThereIs) {
  OracleOptions options = SmallOptions();
  options.training.device = Device::kAuto;
  EXPECT_TRUE(MakeSupernetOracle(SmallGraph(), SquaresDataset(), options).ok());
}

}  // namespace
}  // namespace precis
