// The catalogue, and loading: the real Fashion-MNIST, and every way in which a folder can be wrong.
#include "supernet/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>

#include "tests/fakes/temp_dir.h"
#include "tests/supernet/data/idx_writer.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(Catalogue, FindsFashionMnist) {
  const absl::StatusOr<DatasetInfo> info = FindDataset("fashion_mnist");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->classes, static_cast<int64_t>(info->labels.size()));
  EXPECT_EQ(info->train_images, 60000);
}

TEST(Catalogue, SuggestsTheNameMeant) {
  const absl::Status status = FindDataset("fashion-mnist").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("\"fashion-mnist\""), HasSubstr("Did you mean"),
                                     HasSubstr("Known data sets:")));
  EXPECT_THAT(Message(FindDataset("zebra").status()),
              AllOf(Not(HasSubstr("Did you mean")), HasSubstr("fashion_mnist")));
}

TEST(FashionMnist, LoadsWholeFromDebiansPackage) {
  const DatasetInfo info = *FindDataset("fashion_mnist");
  ASSERT_TRUE(InspectDataset(info, "").ok()) << InspectDataset(info, "").status();
  const absl::StatusOr<Dataset> dataset = LoadDataset(info, "");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->train.count, 60000);
  EXPECT_EQ(dataset->train.pixels.size(), 60000u * 28 * 28);
  EXPECT_EQ(dataset->test.pixels.size(), 10000u * 28 * 28);
  std::array<int, 10> train_counts{};
  for (const uint16_t label : dataset->train.labels) ++train_counts[label];
  EXPECT_THAT(train_counts, Each(6000));
  // The published figures of the training images.
  ASSERT_EQ(dataset->mean.size(), 1u);
  EXPECT_NEAR(dataset->mean[0], 0.2860, 5e-5);
  EXPECT_NEAR(dataset->stddev[0], 0.3530, 5e-5);
}

// A data set of 4 + 2 images of 2 channels, 3 by 2 pixels, in 3 classes.
class DatasetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteBytes(File("train-images-idx3-ubyte.gz"), Gzip(IdxBytes({4, 2, 3, 2}, 48)));
    WriteBytes(File("train-labels-idx1-ubyte"), IdxBytes({4}, 4, 3));
    WriteBytes(File("t10k-images-idx3-ubyte"), IdxBytes({2, 2, 3, 2}, 24));
    WriteBytes(File("t10k-labels-idx1-ubyte.gz"), Gzip(IdxBytes({2}, 2)));
  }

  std::string File(const std::string& name) const { return folder_.path() + "/" + name; }

  // Both must find the fault; InspectDataset only what headers show.
  void ExpectBoth(absl::StatusCode code, const std::vector<std::string>& essentials) {
    for (const absl::Status& status :
         {InspectDataset(info_, folder_.path()).status(), LoadDataset(info_, folder_.path()).status()}) {
      EXPECT_EQ(status.code(), code) << status;
      for (const std::string& essential : essentials) EXPECT_THAT(Message(status), HasSubstr(essential));
    }
  }

  TempDir folder_;
  DatasetInfo info_ = {.name = "tiny",
                       .description = "",
                       .channels = 2,
                       .height = 3,
                       .width = 2,
                       .classes = 3,
                       .train_images = 4,
                       .test_images = 2,
                       .default_path = "",
                       .labels = {"a", "b", "c"}};
};

TEST_F(DatasetTest, LoadsPlainAndCompressedPartsWithStatistics) {
  ASSERT_TRUE(InspectDataset(info_, folder_.path()).ok());
  const absl::StatusOr<Dataset> dataset = LoadDataset(info_, folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->train.labels, ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(dataset->test.labels, ElementsAre(0, 1));
  EXPECT_EQ(dataset->test.pixels[23], 23);
  // Channel 0 holds 12k + {0…5} for k = 0…3: mean 18 + 2.5, variance 180 + 35/12.
  ASSERT_EQ(dataset->mean.size(), 2u);
  EXPECT_NEAR(dataset->mean[0] * 255, 20.5, 1e-4);
  EXPECT_NEAR(dataset->mean[1] * 255, 26.5, 1e-4);
  EXPECT_NEAR(dataset->stddev[0] * 255, std::sqrt(180 + 35.0 / 12), 1e-4);
}

TEST_F(DatasetTest, MissingFolderSaysHowToGetIt) {
  const DatasetInfo info = *FindDataset("fashion_mnist");
  for (const absl::Status& status :
       {InspectDataset(info, File("absent")).status(), LoadDataset(info, File("absent")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(Message(status), AllOf(HasSubstr("absent"), HasSubstr("does not exist"),
                                       HasSubstr("dataset-fashion-mnist"), HasSubstr("data path")));
  }
}

TEST_F(DatasetTest, AFileInPlaceOfTheFolderIsRefused) {
  const absl::Status status = InspectDataset(info_, File("t10k-images-idx3-ubyte")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("not a folder"));
}

TEST_F(DatasetTest, EveryMissingFileIsNamedAtOnce) {
  std::filesystem::remove(File("train-labels-idx1-ubyte"));
  std::filesystem::remove(File("t10k-images-idx3-ubyte"));
  ExpectBoth(absl::StatusCode::kNotFound,
             {"train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "without .gz", "data path"});
}

TEST_F(DatasetTest, OtherDimensionsAreRefused) {
  WriteBytes(File("t10k-images-idx3-ubyte"), IdxBytes({2, 2, 3, 3}, 36));
  ExpectBoth(absl::StatusCode::kInvalidArgument, {"t10k-images-idx3-ubyte", "2x2x3x3", "tiny has 2x2x3x2"});
}

TEST_F(DatasetTest, OtherCountsAreRefused) {
  WriteBytes(File("train-labels-idx1-ubyte"), IdxBytes({5}, 5, 3));
  ExpectBoth(absl::StatusCode::kInvalidArgument, {"train-labels-idx1-ubyte", "holds 5", "has 4"});
}

TEST_F(DatasetTest, TruncatedDataIsFoundOnLoading) {
  WriteBytes(File("train-images-idx3-ubyte.gz"), Gzip(IdxBytes({4, 2, 3, 2}, 40)));
  EXPECT_TRUE(InspectDataset(info_, folder_.path()).ok());
  const absl::Status status = LoadDataset(info_, folder_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("train-images-idx3-ubyte.gz"), HasSubstr("truncated")));
}

TEST_F(DatasetTest, UnknownLabelsAreFoundOnLoading) {
  WriteBytes(File("train-labels-idx1-ubyte"), IdxBytes({4}, 4));
  const absl::Status status = LoadDataset(info_, folder_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("train-labels-idx1-ubyte"), HasSubstr("label 3 is 3"), HasSubstr("0 to 2")));
}

}  // namespace
}  // namespace precis
