// SupernetOracle keeps the oracle's contract, on one thread and on two.
#include "tests/contract/oracle_contract.h"

#include <gtest/gtest.h>

#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

OracleFactory Factory(const char* name, int threads) {
  OracleOptions options = SmallOptions();
  options.training.threads = threads;
  return {.name = name,
          .make = [options] { return SmallOracle(options); },
          .layer_count = SmallGraph().Layers().size(),
          .search_images = options.search_images,
          .test_images = SquaresDataset().test.count};
}

INSTANTIATE_TEST_SUITE_P(Supernet, OracleContract,
                         ::testing::Values(Factory("OneThread", 1), Factory("TwoThreads", 2)),
                         OracleFactoryName);

}  // namespace
}  // namespace precis
