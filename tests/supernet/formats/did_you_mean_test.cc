// Suggestions for mistyped names.
#include "supernet/formats/did_you_mean.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace precis {
namespace {

const std::vector<std::string> kModels = {"resnet8", "resnet20", "resnet50", "mobilenet_v2"};

TEST(ClosestName, FindsTheNameBehindATypingError) {
  EXPECT_EQ(ClosestName("resnet08", kModels), "resnet8");
  EXPECT_EQ(ClosestName("rensnet50", kModels), "resnet50");
  EXPECT_EQ(ClosestName("mobilenetv2", kModels), "mobilenet_v2");
  EXPECT_EQ(ClosestName("mobilnet", kModels), "");  // 4 letters off, a third of 8 is 2
}

TEST(ClosestName, IgnoresCase) { EXPECT_EQ(ClosestName("ResNet50", kModels), "resnet50"); }

TEST(ClosestName, CountsASwapOfNeighboursOnce) {
  const std::vector<std::string> known = {"int"};
  EXPECT_EQ(ClosestName("itn", known), "int");
}

TEST(ClosestName, TakesTheFirstOfEquallyCloseNames) {
  EXPECT_EQ(ClosestName("resnet5", kModels), "resnet8");
  const std::vector<std::string> reversed(kModels.rbegin(), kModels.rend());
  EXPECT_EQ(ClosestName("resnet5", reversed), "resnet50");
}

TEST(ClosestName, SaysNothingWhereNothingIsClose) {
  EXPECT_EQ(ClosestName("vgg16", kModels), "");
  EXPECT_EQ(ClosestName("", kModels), "");
  EXPECT_EQ(ClosestName("resnet8", {}), "");
  EXPECT_EQ(ClosestName(std::string(1 << 20, 'r'), kModels), "");
  const std::vector<std::string> letters = {"a", "b"};
  EXPECT_EQ(ClosestName("x", letters), "");
}

TEST(DidYouMean, IsASentenceOrNothing) {
  EXPECT_EQ(DidYouMean("resnet81", kModels), " Did you mean \"resnet8\"?");
  EXPECT_EQ(DidYouMean("vgg16", kModels), "");
}

}  // namespace
}  // namespace precis
