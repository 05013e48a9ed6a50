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

// A grid of all codes with a zero point is hardly finer than a symmetric one where both signs occur, and has
// twice the steps where one does.
TEST(FormatError, ZeroPointsHelpWhereOneSignOccurs) {
  const auto error = [](const char* name, Values values) {
    return RelativeError(*ParseFormat(name), values);
  };
  const double symmetric = error("int4", Values::kNormal);
  EXPECT_NEAR(error("int4_affine", Values::kNormal) / symmetric, 0.8, 0.2);
  EXPECT_LT(error("int4_affine", Values::kMagnitudes), symmetric / 3);
  EXPECT_NEAR(error("uint4", Values::kMagnitudes) / error("uint4_affine", Values::kMagnitudes), 1, 0.01);
}

TEST(FormatError, BlocksAndRotationsAreMeasuredWhole) {
  EXPECT_LT(RelativeError(*ParseFormat("mxint4")), RelativeError(*ParseFormat("int4")));
  EXPECT_LT(RelativeError(*ParseFormat("nvint4")), RelativeError(*ParseFormat("mxint4")));
  EXPECT_LT(RelativeError(*ParseFormat("mxint8")), RelativeError(*ParseFormat("mxint6")));
  EXPECT_GT(RelativeError(*ParseFormat("int4+sr8")), RelativeError(*ParseFormat("int4")));
}

TEST(FormatError, InputsBehindAReluAreMagnitudes) {
  JobSpec spec = SampleJob();
  spec.space.formats = {"int4", "int4/uint4_affine"};
  const auto plan = PlanOf(spec);
  const auto errors = OptionErrors(plan->space);
  EXPECT_GT(errors[0][1], 0.8) << "the images have both signs";
  EXPECT_LT(errors[1][1], 0.7);
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
