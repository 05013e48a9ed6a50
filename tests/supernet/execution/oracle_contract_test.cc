// SupernetOracle keeps the oracle's contract, on one thread and on two.
#include "tests/contract/oracle_contract.h"

#include <gtest/gtest.h>

#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

OracleFactory Factory(const char* name, int threads, RangeRule weights = RangeRule::kMaxAbs,
                      RangeRule activations = RangeRule::kMaxAbs, bool varied = false) {
  OracleOptions options = SmallOptions();
  options.training.threads = threads;
  options.training.ranges.weights = weights;
  options.training.ranges.activations = activations;
  options.data.augment = {.crop_padding = varied ? 1 : 0, .flip = varied};
  return {.name = name,
          .make = [options] { return SmallOracle(options); },
          .layer_count = SmallGraph().Layers().size(),
          .search_images = options.search_images,
          .test_images = SquaresDataset().test.count};
}

INSTANTIATE_TEST_SUITE_P(
    Supernet, OracleContract,
    ::testing::Values(Factory("OneThread", 1), Factory("TwoThreads", 2),
                      Factory("LearnedRanges", 1, RangeRule::kLearned, RangeRule::kLearned),
                      Factory("AveragedRanges", 1, RangeRule::kPercentile, RangeRule::kMovingAverage),
                      Factory("LeastErrorRanges", 2, RangeRule::kMeanSquareError,
                              RangeRule::kMeanSquareError),
                      Factory("VariedImages", 1, RangeRule::kLearned, RangeRule::kMaxAbs, /*varied=*/true)),
    OracleFactoryName);

}  // namespace
}  // namespace precis
