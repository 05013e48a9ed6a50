// CIFAR's binary versions, small ones, and every way in which they can be wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "supernet/data/dataset.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/data/idx_writer.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// Records of 2x2 pixels: labels, then channel c of image i is filled with 10·i + c.
Bytes Records(const std::vector<std::vector<uint8_t>>& labels, uint8_t first) {
  Bytes bytes;
  for (size_t i = 0; i < labels.size(); ++i) {
    bytes.insert(bytes.end(), labels[i].begin(), labels[i].end());
    for (int c = 0; c < 3; ++c) bytes.insert(bytes.end(), 4, static_cast<uint8_t>(10 * (first + i) + c));
  }
  return bytes;
}

class CifarTest : public ::testing::Test {
 protected:
  CifarTest() {
    for (int i = 0; i < 5; ++i) Write(Batch(i + 1), Records({{static_cast<uint8_t>(i)}}, i));
    Write("test_batch.bin", Records({{3}, {9}}, 7));
    Write("train.bin", Records({{19, 99}, {1, 2}}, 0));
    Write("test.bin", Records({{0, 50}}, 2));
    ten_.height = ten_.width = hundred_.height = hundred_.width = 2;
    ten_.train_images = 5;
    ten_.test_images = hundred_.train_images = 2;
    hundred_.test_images = 1;
  }
  static std::string Batch(int i) { return "data_batch_" + std::to_string(i) + ".bin"; }
  std::string File(const std::string& name) const { return folder_.path() + "/" + name; }
  void Write(const std::string& name, const Bytes& bytes) { WriteBytes(File(name), bytes); }

  TempDir folder_;
  DatasetInfo ten_ = *FindDataset("cifar10");
  DatasetInfo hundred_ = *FindDataset("cifar100");
};

TEST_F(CifarTest, ReadsFiveBatchesInTheirOrder) {
  ASSERT_TRUE(InspectDataset(ten_, folder_.path()).ok());
  const absl::StatusOr<Dataset> dataset = LoadDataset(ten_, folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->train.labels, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(dataset->test.labels, ElementsAre(3, 9));
  ASSERT_EQ(dataset->train.pixels.size(), 60u);
  EXPECT_EQ(dataset->train.pixels[12 * 4], 40);       // red of the last
  EXPECT_EQ(dataset->train.pixels[12 * 4 + 11], 42);  // its blue
  EXPECT_NEAR(dataset->mean[1] * 255, 20 + 1, 1e-4);  // green: 10·i + 1
}

TEST_F(CifarTest, TakesTheFineOfTwoLabels) {
  const absl::StatusOr<Dataset> dataset = LoadDataset(hundred_, folder_.path());
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->train.labels, ElementsAre(99, 2));
  EXPECT_THAT(dataset->test.labels, ElementsAre(50));
  EXPECT_EQ(dataset->test.pixels[0], 20);
}

TEST_F(CifarTest, NamesEveryFaultOfEveryFileAtOnce) {
  std::filesystem::remove(File(Batch(2)));
  Write(Batch(4), Bytes(12));
  Write("test_batch.bin", Bytes(27));
  const absl::Status status = InspectDataset(ten_, folder_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(
      Message(status),
      AllOf(HasSubstr("lacks '" + File(Batch(2))), HasSubstr(Batch(4) + "' has 12 bytes"),
            HasSubstr("test_batch.bin' has 27 bytes; data set cifar10 has 2 images of 13 bytes in it, 26 in"),
            HasSubstr("cifar-10-batches-bin")));
  EXPECT_EQ(LoadDataset(ten_, folder_.path()).status(), status);
}

TEST_F(CifarTest, RefusesLabelsThatAreNone) {
  Write(Batch(3), Records({{10}}, 0));
  Write("test_batch.bin", Records({{3}, {255}}, 0));
  EXPECT_TRUE(InspectDataset(ten_, folder_.path()).ok());
  const absl::Status status = LoadDataset(ten_, folder_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr(Batch(3) + "': label 0 is 10; data set cifar10 has the labels 0 to 9"),
                    HasSubstr("test_batch.bin': label 1 is 255")));
}

TEST_F(CifarTest, SaysThatItsPathIsNeeded) {
  const absl::Status status = InspectDataset(ten_, "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("data path is empty"), HasSubstr("cifar-10-batches-bin")));
}

}  // namespace
}  // namespace precis
