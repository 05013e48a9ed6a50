// What counts as an explosion.
#include "supernet/execution/gradient_watch.h"

#include <gtest/gtest.h>

#include <limits>

namespace precis {
namespace {

TEST(GradientWatch, RefusesWhatIsFarAboveTheUsual) {
  GradientWatch watch(5, 0);
  for (double norm : {2.0, 1.0, 0.5, 1.0, 1.5}) EXPECT_TRUE(watch.Accepts(norm));
  EXPECT_TRUE(watch.Accepts(4));
  EXPECT_FALSE(watch.Accepts(10));
  EXPECT_FALSE(watch.Accepts(1e30));
  EXPECT_TRUE(watch.Accepts(1e-30));
  EXPECT_TRUE(watch.Accepts(0));
}

TEST(GradientWatch, WhatClippingTakesForNormalIsNoExplosion) {
  GradientWatch watch(5, 1);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(watch.Accepts(1e-3));
  EXPECT_TRUE(watch.Accepts(4.9));
  EXPECT_FALSE(watch.Accepts(5.1));
}

TEST(GradientWatch, NeverAcceptsWhatIsNotFinite) {
  for (double factor : {0.0, 5.0}) {
    GradientWatch watch(factor, 0);
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(watch.Accepts(std::numeric_limits<double>::quiet_NaN()));
      EXPECT_FALSE(watch.Accepts(std::numeric_limits<double>::infinity()));
      EXPECT_TRUE(watch.Accepts(1));
    }
  }
}

TEST(GradientWatch, AFirstExplosionDoesNotBlindIt) {
  GradientWatch watch(5, 0);
  EXPECT_TRUE(watch.Accepts(1e4));
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(watch.Accepts(1));
  EXPECT_FALSE(watch.Accepts(10));
}

TEST(GradientWatch, ExplosionsByTheDozenDoNotBecomeUsual) {
  GradientWatch watch(5, 0);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(watch.Accepts(1));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(watch.Accepts(100)) << i;
    EXPECT_TRUE(watch.Accepts(1)) << i;
  }
}

TEST(GradientWatch, ALastingChangeIsFollowed) {
  GradientWatch watch(5, 0);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(watch.Accepts(1));
  for (int i = 1; i < GradientWatch::kLastingRun; ++i) EXPECT_FALSE(watch.Accepts(100)) << i;
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(watch.Accepts(100 - i)) << i;
  EXPECT_FALSE(watch.Accepts(1000));
}

TEST(GradientWatch, GoesOnFromWhatItKnew) {
  GradientWatch watch(5, 0);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(watch.Accepts(1));
  for (int i = 2; i < GradientWatch::kLastingRun; ++i) EXPECT_FALSE(watch.Accepts(100)) << i;
  GradientWatch other(5, 0);
  other.Restore(watch.known());
  EXPECT_FALSE(other.Accepts(100));
  EXPECT_TRUE(other.Accepts(100));
}

TEST(GradientWatch, ZeroTurnsItOffAndResetForgets) {
  GradientWatch off(0, 0);
  for (double norm : {1.0, 1e30, 1e-30, 1e30}) EXPECT_TRUE(off.Accepts(norm));
  GradientWatch watch(5, 0);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(watch.Accepts(1));
  watch.Reset();
  EXPECT_TRUE(watch.Accepts(1e6));
}

}  // namespace
}  // namespace precis
