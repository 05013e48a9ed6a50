// Rounding errors of formats.
#include "search/format_error.h"

#include <gtest/gtest.h>

#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

TEST(FormatError, FallsWithEveryBitOfAnInteger) {
  double last = 1;
  for (const char* name : {"int2", "int3", "int4", "int5", "int6", "int7", "int8", "int16"}) {
    const double error = RelativeError(*ParseFormat(name));
    EXPECT_LT(error, last) << name;
    EXPECT_GT(error, 0) << name;
    last = error;
  }
}

// A uniform step of s rounds with a mean square of s² / 12, here under ±4 standard deviations.
TEST(FormatError, IsThatOfUniformRoundingWhereThatHolds) {
  for (int bits : {5, 6, 7, 8}) {
    const double step = 4.0 / MaxFinite(IntegerElement(bits));
    EXPECT_NEAR(RelativeError(Format{IntegerElement(bits), {}}) / (step * step / 12), 1, 0.02) << bits;
  }
}

TEST(FormatError, OptionsAreComparedWithinTheirDecision) {
  const auto plan = PlanOf(SampleJob());
  for (const auto& errors : OptionErrors(plan->space)) {
    ASSERT_EQ(errors.size(), 4u);
    EXPECT_EQ(errors[0], 1);
    EXPECT_LT(errors[1], 0.25);
    EXPECT_LT(errors[3], 0.001);
  }
}

}  // namespace
}  // namespace precis::search
