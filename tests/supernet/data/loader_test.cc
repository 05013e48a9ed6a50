// Batches made ahead: the same whatever the threads do, varied as asked, in bounded memory.
#include "supernet/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

namespace precis {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const DatasetInfo kInfo = {
    .name = "tiny", .description = "", .channels = 2, .height = 4, .width = 3, .classes = 300};

// Pixel i of image n is n + i; images of 2×(4+extra)×(3+extra).
std::shared_ptr<ImageSet> Images(int64_t count, int64_t extra = 0) {
  auto set = std::make_shared<ImageSet>();
  set->count = count;
  set->extra = extra;
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t i = 0; i < 2 * (4 + extra) * (3 + extra); ++i)
      set->pixels.push_back(static_cast<uint8_t>(n + i));
    set->labels.push_back(static_cast<uint16_t>(n + 256));
  }
  return set;
}

// `batches` of 5 images, round and round.
BatchLoader::Next Rounds(int64_t images, int batches) {
  return [images, batches, next = int64_t{0}]() mutable {
    std::vector<int64_t> indices;
    if (batches-- > 0) {
      for (int i = 0; i < 5; ++i) indices.push_back(next++ % images);
    }
    return indices;
  };
}

std::vector<HostBatch> TakeAll(BatchLoader& loader, int batches) {
  std::vector<HostBatch> all;
  for (int i = 0; i < batches; ++i) {
    absl::StatusOr<HostBatch> batch = loader.Take();
    EXPECT_TRUE(batch.ok()) << batch.status();
    all.push_back(*std::move(batch));
  }
  return all;
}

std::vector<uint8_t> Pixels(const Augmentation& augment, int64_t threads, uint64_t seed, int batches = 40,
                            int64_t extra = 0) {
  BatchLoader loader(kInfo, Images(7, extra), Rounds(7, batches),
                     {.threads = threads, .augment = augment, .seed = seed});
  std::vector<uint8_t> pixels;
  for (const HostBatch& batch : TakeAll(loader, batches)) {
    pixels.insert(pixels.end(), batch.pixels.begin(), batch.pixels.end());
  }
  return pixels;
}

TEST(BatchLoader, GivesImagesInOrderWithTheirChannelsTogether) {
  BatchLoader loader(kInfo, Images(7), Rounds(7, 2), {.threads = 2});
  const std::vector<HostBatch> batches = TakeAll(loader, 2);
  EXPECT_THAT(batches[0].labels, ElementsAre(256, 257, 258, 259, 260));
  EXPECT_THAT(batches[1].labels, ElementsAre(261, 262, 256, 257, 258));
  ASSERT_EQ(batches[1].pixels.size(), 5u * 24);
  EXPECT_EQ(batches[1].pixels[0], 5);       // image 5, channel 0
  EXPECT_EQ(batches[1].pixels[1], 5 + 12);  // channel 1
  EXPECT_EQ(batches[1].pixels[2], 5 + 1);   // the next pixel
}

TEST(BatchLoader, CutsTheMiddleOfLargerImages) {
  BatchLoader loader(kInfo, Images(1, 2), Rounds(1, 1), {});
  EXPECT_EQ(TakeAll(loader, 1)[0].pixels[0], 5 + 1);  // row 1, column 1 of 5 columns
}

TEST(BatchLoader, VariationsDependOnTheSeedNotOnThreads) {
  for (const Augmentation& augment :
       {Augmentation{.crop_padding = 2}, Augmentation{.resized_crop = 0.3}, Augmentation{.flip = true},
        Augmentation{.crop_padding = 1, .flip = true}}) {
    const std::vector<uint8_t> one = Pixels(augment, 1, 7);
    EXPECT_EQ(Pixels(augment, 4, 7), one);
    EXPECT_NE(Pixels(augment, 1, 8), one);
    EXPECT_NE(Pixels({}, 1, 7), one);
  }
}

TEST(BatchLoader, FlipsHalfOfTheImagesAndNothingElse) {
  const std::vector<uint8_t> plain = Pixels({}, 1, 3);
  const std::vector<uint8_t> flipped = Pixels({.flip = true}, 1, 3);
  int turned = 0;
  for (size_t image = 0; image < 200; ++image) {
    bool same = true;
    bool mirrored = true;
    for (size_t y = 0; y < 4; ++y) {
      for (size_t x = 0; x < 3; ++x) {
        const uint8_t here = flipped[image * 24 + (y * 3 + x) * 2];
        same = same && here == plain[image * 24 + (y * 3 + x) * 2];
        mirrored = mirrored && here == plain[image * 24 + (y * 3 + 2 - x) * 2];
      }
    }
    EXPECT_NE(same, mirrored);
    turned += mirrored ? 1 : 0;
  }
  EXPECT_NEAR(turned, 100, 35);
}

// Nine places by nine: the upper left pixel is black beyond the image, else the image's own.
TEST(BatchLoader, CropsEverywhereWithinThePadding) {
  const std::vector<uint8_t> pixels = Pixels({.crop_padding = 1}, 2, 11, 100);
  std::set<int> corners;
  for (size_t image = 0; image < 500; ++image) {
    const int number = static_cast<int>(image % 7);
    const int corner = pixels[image * 24 + 2 * 4];  // row 1, column 1 is never beyond
    corners.insert(corner - number);
  }
  EXPECT_THAT(corners, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(BatchLoader, LargerImagesAreCutAtRandomOnlyWhenVaried) {
  const std::vector<uint8_t> pixels = Pixels({.flip = true}, 2, 11, 100, 1);
  std::set<int> corners;
  for (size_t image = 0; image < 500; ++image)
    corners.insert(pixels[image * 24] - static_cast<int>(image % 7));
  EXPECT_THAT(corners, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));  // two places, flipped or not
}

TEST(BatchLoader, ResizedPartsStayWithinTheImage) {
  const std::vector<uint8_t> pixels = Pixels({.resized_crop = 0.2}, 2, 5, 100);
  std::set<int> first;
  for (size_t image = 0; image < 500; ++image) {
    const int number = static_cast<int>(image % 7);
    for (size_t i = 0; i < 12; ++i) {
      EXPECT_GE(pixels[image * 24 + 2 * i], number);
      EXPECT_LE(pixels[image * 24 + 2 * i], number + 11);
    }
    first.insert(pixels[image * 24] - number);
  }
  EXPECT_GT(first.size(), 4u);
}

class SlowFiles final : public ImageFiles {
 public:
  absl::Status Read(int64_t index, uint8_t* out) const override {
    ++reads;
    if (index == bad) return absl::DataLossError("'x.jpg' is gone");
    std::fill(out, out + 24, static_cast<uint8_t>(index));
    return absl::OkStatus();
  }
  mutable std::atomic<int> reads = 0;
  int64_t bad = -1;
};

TEST(BatchLoader, ReadsAheadInBoundedMemoryAndEndsEarly) {
  const auto files = std::make_shared<SlowFiles>();
  auto set = std::make_shared<ImageSet>();
  set->count = 7;
  set->labels.assign(7, 1);
  set->files = files;
  {
    BatchLoader loader(kInfo, set, Rounds(7, 1000), {.threads = 3, .ahead = 4});
    for (int i = 0; i < 500 && files->reads < 20; ++i) std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(files->reads, 4 * 5);
    EXPECT_EQ(TakeAll(loader, 1)[0].pixels[24], 1);
  }
  EXPECT_LE(files->reads, 5 * 5);
}

TEST(BatchLoader, TellsWhichFileCannotBeRead) {
  const auto files = std::make_shared<SlowFiles>();
  files->bad = 6;
  auto set = std::make_shared<ImageSet>();
  set->count = 7;
  set->labels.assign(7, 1);
  set->files = files;
  BatchLoader loader(kInfo, set, Rounds(7, 2), {.threads = 2});
  EXPECT_TRUE(loader.Take().ok());
  EXPECT_EQ(loader.Take().status(), absl::DataLossError("'x.jpg' is gone"));
}

TEST(BatchLoaderDeathTest, MoreThanThereIsStopsTheProgram) {
  EXPECT_DEATH(
      {
        BatchLoader loader(kInfo, Images(1), Rounds(1, 0), {});
        (void)loader.Take();
      },
      "broken invariant");
}

}  // namespace
}  // namespace precis
