// ATen's own generator starts anywhere. With this source in a test binary every test draws the same numbers
// in every run, so that one that fails can be run again.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace precis {
namespace {

class FixedDraws : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& /*test*/) override { at::manual_seed(1); }
};

const bool kInstalled = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new FixedDraws);  // which owns it
  return true;
}();

}  // namespace
}  // namespace precis
