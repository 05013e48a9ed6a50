// Image folders: what is found, what is decoded, and what is wrong with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "supernet/data/dataset.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/data/idx_writer.h"
#include "tests/supernet/data/image_writer.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class ImageFolderTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name) const { return folder_.path() + "/" + name; }
  absl::StatusOr<DatasetInfo> Inspect(const DataOptions& options = {}) const {
    return InspectDataset(*FindDataset("image_folder"), folder_.path(), options);
  }
  absl::StatusOr<Dataset> Load(const DataOptions& options = {}) const {
    const absl::StatusOr<DatasetInfo> info = Inspect(options);
    if (!info.ok()) return info.status();
    return LoadDataset(*info, folder_.path(), options);
  }
  void Cut(const std::string& name) {
    std::filesystem::resize_file(File(name), std::filesystem::file_size(File(name)) / 2);
  }

  TempDir folder_;
};

TEST_F(ImageFolderTest, FindsClassesCountsAndTheSizeOfTheFirstImage) {
  WriteTwoColours(folder_.path(), 3, 2, 24);
  WriteBytes(File("train/blue/notes.txt"), {1});
  WriteBytes(File("train/blue/.hidden.jpg"), {1});
  const absl::StatusOr<DatasetInfo> info = Inspect();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_THAT(info->labels, ElementsAre("blue", "red"));
  EXPECT_EQ(info->classes, 2);
  EXPECT_EQ(info->train_images, 6);
  EXPECT_EQ(info->test_images, 4);
  EXPECT_EQ(info->channels, 3);
  EXPECT_EQ(info->height, 24);
  EXPECT_EQ(Inspect({.channels = 1, .image_size = 16})->height, 16);
  std::filesystem::rename(File("train/red/1000.jpg"), File("train/red/1.jpg"));
  EXPECT_NE(Inspect()->content, info->content);
}

TEST_F(ImageFolderTest, DecodesToPlanesWithLabelsAndStatistics) {
  WriteTwoColours(folder_.path(), 2, 1, 8, ".png");
  for (const int64_t threads : {1, 3}) {
    const absl::StatusOr<Dataset> dataset = Load({.loader_threads = threads});
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_THAT(dataset->train.labels, ElementsAre(0, 0, 1, 1));
    ASSERT_EQ(dataset->train.pixels.size(), 4u * 3 * 64);
    EXPECT_EQ(dataset->train.pixels[0], 10);            // red of the first, which is blue
    EXPECT_EQ(dataset->train.pixels[128], 200);         // its blue
    EXPECT_EQ(dataset->train.pixels[3 * 64 * 3], 200);  // red of the last
    EXPECT_NEAR(dataset->mean[1] * 255, 20, 1e-4);
    EXPECT_NEAR(dataset->mean[0] * 255, (10 + 11 + 200 + 200) / 4.0, 1e-4);
    EXPECT_EQ(dataset->skipped_images, 0);
  }
}

TEST_F(ImageFolderTest, JpegsOfAnySizeBecomeTheSameSquare) {
  WriteImage(File("train/a/1.jpg"), 40, 20, 200, 100, 50);
  WriteImage(File("train/b/1.JPEG"), 16, 64, 200, 100, 50);
  WriteImage(File("val/b/1.bmp"), 200, 201, 200, 100, 50);
  const absl::StatusOr<Dataset> dataset = Load({.image_size = 16, .resize = 20});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  ASSERT_EQ(dataset->train.pixels.size(), 2u * 3 * 256);
  EXPECT_EQ(dataset->test.count, 1);
  EXPECT_EQ(dataset->test.labels[0], 1);
  for (size_t i = 0; i < 256; ++i) {
    EXPECT_NEAR(dataset->train.pixels[i], 200, 6);
    EXPECT_NEAR(dataset->train.pixels[256 + i], 100, 6);
    EXPECT_NEAR(dataset->train.pixels[1280 + i], 50, 6);
  }
}

// The middle of what resizing leaves: columns 0 to 7 of 12 grey ramps begin with 2.
TEST_F(ImageFolderTest, CutsOutTheMiddle) {
  std::vector<uint8_t> ramp;
  ramp.reserve(8 * 12);
  for (int i = 0; i < 8 * 12; ++i) ramp.push_back(static_cast<uint8_t>(10 * (i % 12)));
  for (const char* name : {"train/a/1.png", "train/b/1.png", "test/a/1.png"})
    WriteGrey(File(name), 8, 12, ramp);
  const absl::StatusOr<Dataset> dataset = Load({.channels = 1});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->info.width, 8);
  for (size_t x = 0; x < 8; ++x) EXPECT_EQ(dataset->train.pixels[x], 10 * (x + 2));
  // With room for random crops, the training images keep what is around.
  const absl::StatusOr<Dataset> wide =
      Load({.channels = 1, .image_size = 8, .resize = 10, .augment = {.flip = true}});
  EXPECT_EQ(wide->train.extra, 2);
  EXPECT_EQ(wide->train.pixels.size(), 200u);
  EXPECT_EQ(wide->test.extra, 0);
  EXPECT_EQ(wide->test.pixels.size(), 64u);
}

TEST_F(ImageFolderTest, DecodesOnDemandWhatDoesNotFit) {
  WriteTwoColours(folder_.path(), 4, 2, 8, ".png");
  const absl::StatusOr<Dataset> kept = Load();
  const absl::StatusOr<Dataset> files = Load({.memory_mib = 0});
  ASSERT_TRUE(kept.ok() && files.ok());
  EXPECT_EQ(files->mean, kept->mean);
  EXPECT_EQ(files->train.labels, kept->train.labels);
  EXPECT_TRUE(files->train.pixels.empty());
  std::vector<uint8_t> all(kept->train.pixels.size());
  for (int64_t i = 0; i < files->train.count; ++i) {
    ASSERT_TRUE(files->train.files->Read(i, all.data() + i * 192).ok());
  }
  EXPECT_EQ(all, kept->train.pixels);
}

TEST_F(ImageFolderTest, CorruptFilesFailTheJobAllNamed) {
  WriteTwoColours(folder_.path(), 3, 2, 32);
  WriteImage(File("train/red/9.png"), 32, 32, 1, 2, 3);
  Cut("train/blue/1001.jpg");
  Cut("train/red/9.png");
  WriteBytes(File("test/red/1000.jpg"), {});
  WriteBytes(File("test/blue/1001.jpg"), {'n', 'o', 'n', 'e'});
  ASSERT_TRUE(Inspect().ok());
  const absl::Status status = Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(
      Message(status),
      AllOf(HasSubstr("4 of the 11 images"), HasSubstr("train/blue/1001.jpg' is a JPEG file without its end"),
            HasSubstr("train/red/9.png'"), HasSubstr("test/red/1000.jpg' is empty"),
            HasSubstr("test/blue/1001.jpg' is no image"), HasSubstr("data.corrupt_files")));
}

TEST_F(ImageFolderTest, CorruptFilesAreSkippedAndCounted) {
  WriteTwoColours(folder_.path(), 3, 2, 32);
  const absl::StatusOr<Dataset> whole = Load();
  ASSERT_TRUE(whole.ok());
  Cut("train/blue/1001.jpg");
  Cut("test/blue/1001.jpg");
  for (const int64_t memory : {0, 100}) {
    const absl::StatusOr<Dataset> dataset =
        Load({.corrupt_files = CorruptFiles::kSkip, .memory_mib = memory});
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_EQ(dataset->skipped_images, 2);
    EXPECT_EQ(dataset->train.count, 5);
    EXPECT_THAT(dataset->train.labels, ElementsAre(0, 0, 1, 1, 1));
    EXPECT_THAT(dataset->test.labels, ElementsAre(0, 1, 1));
    std::vector<uint8_t> third(3072);
    if (memory == 0) {
      ASSERT_TRUE(dataset->train.files->Read(1, third.data()).ok());
    } else {
      std::copy_n(dataset->train.pixels.begin() + 3072, 3072, third.begin());
    }
    EXPECT_TRUE(std::equal(third.begin(), third.end(), whole->train.pixels.begin() + 2 * 3072));
  }
}

TEST_F(ImageFolderTest, NothingLeftIsAFaultEvenWhenSkipping) {
  WriteTwoColours(folder_.path(), 1, 1, 16);
  WriteBytes(File("test/red/1000.jpg"), {1});
  WriteBytes(File("test/blue/1000.jpg"), {1});
  EXPECT_THAT(Message(Load({.corrupt_files = CorruptFiles::kSkip}).status()),
              HasSubstr("nothing would be left"));
}

TEST_F(ImageFolderTest, ManyCorruptFilesAreCountedNotListed) {
  for (int i = 0; i < 30; ++i) {
    std::filesystem::create_directories(File("train/a"));
    WriteBytes(File("train/a/" + std::to_string(100 + i) + ".png"), {1});
  }
  WriteImage(File("train/b/1.png"), 8, 8, 1, 2, 3);
  WriteImage(File("test/b/1.png"), 8, 8, 1, 2, 3);
  const absl::Status status = Load({.image_size = 8}).status();
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("119.png"), Not(HasSubstr("120.png")), HasSubstr("and 10 more")));
}

TEST_F(ImageFolderTest, FilesThatChangedSinceSubmissionAreRefused) {
  WriteTwoColours(folder_.path(), 2, 1, 8);
  const absl::StatusOr<DatasetInfo> info = Inspect();
  WriteImage(File("train/red/7.jpg"), 8, 8, 1, 2, 3);
  const absl::Status status = LoadDataset(*info, folder_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("then 4 for training"), HasSubstr("now 5")));
}

TEST_F(ImageFolderTest, EveryFaultOfTheFoldersAtOnce) {
  EXPECT_THAT(Message(Inspect().status()),
              AllOf(HasSubstr("no folder '" + File("train")), HasSubstr("neither '")));
  std::filesystem::create_directories(File("train/a"));
  std::filesystem::create_directories(File("test"));
  EXPECT_THAT(Message(Inspect().status()),
              AllOf(HasSubstr("holds 1 folders of classes"), HasSubstr("2 to 65536")));
  std::filesystem::create_directories(File("train/b"));
  WriteImage(File("test/zebra/1.jpg"), 8, 8, 1, 2, 3);
  EXPECT_THAT(Message(Inspect().status()),
              AllOf(HasSubstr("train/a' holds no images"), HasSubstr("train/b' holds no images"),
                    HasSubstr("test/zebra' is a class that the training images do not have")));
}

TEST_F(ImageFolderTest, AFirstImageWithoutASizeIsNamed) {
  WriteTwoColours(folder_.path(), 1, 1, 8);
  Cut("train/blue/1000.jpg");
  EXPECT_THAT(Message(Inspect().status()),
              AllOf(HasSubstr("train/blue/1000.jpg"), HasSubstr("data.image_size")));
  EXPECT_TRUE(Inspect({.image_size = 8}).ok());
}

TEST_F(ImageFolderTest, ChannelsAreTurnedAndStatisticsAreTheJobs) {
  for (const char* name : {"train/a/1.png", "train/b/1.png", "test/a/1.png"}) {
    WriteImage(File(name), 8, 8, 200, 100, 50);
  }
  DataOptions options;
  for (const int64_t memory_mib : {64, 0}) {
    options.memory_mib = memory_mib;
    options.channel_order = ChannelOrder::kRgb;
    options.mean = {};
    const absl::StatusOr<Dataset> rgb = Load(options);
    ASSERT_TRUE(rgb.ok()) << rgb.status();
    options.channel_order = ChannelOrder::kBgr;
    const absl::StatusOr<Dataset> bgr = Load(options);
    ASSERT_TRUE(bgr.ok());
    EXPECT_THAT(bgr->mean, ElementsAre(rgb->mean[2], rgb->mean[1], rgb->mean[0]));
    std::vector<uint8_t> first(3 * 64), turned(3 * 64);
    const auto read = [](const ImageSet& set, std::vector<uint8_t>& pixels) {
      if (set.files == nullptr) {
        pixels.assign(set.pixels.begin(), set.pixels.begin() + 3 * 64);
      } else {
        EXPECT_TRUE(set.files->Read(0, pixels.data()).ok());
      }
    };
    read(rgb->train, first);
    read(bgr->train, turned);
    EXPECT_EQ(first[0], turned[128]);
    EXPECT_EQ(first[64], turned[64]);
    EXPECT_EQ(first[128], turned[0]);
    EXPECT_NE(first[0], first[128]);
    options.mean = {0.5, 0.25, 0};
    options.standard_deviation = {1, 2, 4};
    const absl::StatusOr<Dataset> given = Load(options);
    EXPECT_THAT(given->mean, ElementsAre(0.5f, 0.25f, 0.0f));
    EXPECT_THAT(given->stddev, ElementsAre(1.0f, 2.0f, 4.0f));
  }
}

}  // namespace
}  // namespace precis
