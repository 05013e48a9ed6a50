// Listing, sizes, and decoding everything once on all cores.
#include "supernet/data/image_folder.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "supernet/data/catalogue.h"
#include "supernet/data/cores.h"
#include "supernet/data/folder_listing.h"
#include "supernet/data/image_file.h"
#include "supernet/data/pixel_sums.h"

namespace precis {
namespace {

constexpr int64_t kLargestDefaultSize = 224;
constexpr int64_t kSmallestSize = 8;

// How the images of one split are read.
struct Reading {
  std::shared_ptr<const FolderListing> listing;
  bool test = false;
  int64_t channels = 0;
  int64_t resize = 0;
  int64_t side = 0;

  const std::vector<ListedImage>& images() const { return test ? listing->test : listing->train; }
  int64_t plane() const { return side * side; }
  size_t bytes() const { return static_cast<size_t>(channels * plane()); }
  absl::Status Read(size_t image, uint8_t* out) const {
    return ReadImage(listing->PathOf(images()[image], test), channels, resize, side, out);
  }
};

class FolderImages final : public ImageFiles {
 public:
  FolderImages(Reading reading, std::vector<size_t> whole)
      : reading_(std::move(reading)), whole_(std::move(whole)) {}
  absl::Status Read(int64_t index, uint8_t* out) const override {
    return reading_.Read(whole_[static_cast<size_t>(index)], out);
  }

 private:
  const Reading reading_;
  const std::vector<size_t> whole_;  // those that are not corrupt
};

// What decoding every image of a split brought.
struct Decoded {
  std::vector<uint8_t> pixels;             // of all, if they are kept
  std::map<size_t, absl::Status> corrupt;  // by image
  PixelSums sums;
};

Decoded DecodeAll(const Reading& reading, bool keep, int64_t threads) {
  const size_t count = reading.images().size();
  Decoded all{.pixels = {}, .corrupt = {}, .sums = PixelSums(reading.channels)};
  if (keep) all.pixels.resize(count * reading.bytes());
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  const auto work = [&] {
    std::vector<uint8_t> own(keep ? 0 : reading.bytes());
    PixelSums sums(reading.channels);
    for (size_t image = next++; image < count; image = next++) {
      uint8_t* out = keep ? all.pixels.data() + image * reading.bytes() : own.data();
      if (absl::Status status = reading.Read(image, out); status.ok()) {
        sums.Add(out, reading.plane());
      } else {
        const std::lock_guard lock(mutex);
        all.corrupt.emplace(image, std::move(status));
      }
    }
    const std::lock_guard lock(mutex);
    all.sums.Add(sums);
  };
  std::vector<std::jthread> others;
  for (int64_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  others.clear();
  return all;
}

ImageSet MakeSet(const Reading& reading, Decoded decoded, bool keep) {
  ImageSet set;
  std::vector<size_t> whole;
  for (size_t image = 0; image < reading.images().size(); ++image) {
    if (decoded.corrupt.contains(image)) continue;
    if (keep && whole.size() != image) {
      const uint8_t* from = decoded.pixels.data() + image * reading.bytes();
      std::copy(from, from + reading.bytes(), decoded.pixels.data() + whole.size() * reading.bytes());
    }
    whole.push_back(image);
    set.labels.push_back(reading.images()[image].label);
  }
  set.count = static_cast<int64_t>(whole.size());
  if (keep) {
    decoded.pixels.resize(whole.size() * reading.bytes());
    set.pixels = std::move(decoded.pixels);
  } else {
    set.files = std::make_shared<FolderImages>(reading, std::move(whole));
  }
  return set;
}

}  // namespace

absl::StatusOr<DatasetInfo> InspectImageFolder(const DatasetInfo& info, const std::string& path,
                                               const DataOptions& options) {
  const absl::StatusOr<FolderListing> listing = ListFolder(info, path);
  if (!listing.ok()) return listing.status();
  DatasetInfo found = info;
  found.channels = options.channels;
  found.height = found.width = options.image_size;
  if (options.image_size == 0) {
    const absl::StatusOr<int64_t> side = ShortSide(listing->PathOf(listing->train.front(), false));
    if (!side.ok()) {
      return absl::Status(
          side.status().code(),
          absl::StrCat(side.status().message(),
                       ", and data.image_size is not given: its size is the "
                       "first training image's. Repair or remove the file, or set data.image_size."));
    }
    found.height = found.width = std::clamp(*side, kSmallestSize, kLargestDefaultSize);
  }
  found.classes = static_cast<int64_t>(listing->classes.size());
  found.train_images = static_cast<int64_t>(listing->train.size());
  found.test_images = static_cast<int64_t>(listing->test.size());
  found.labels = listing->classes;
  found.content = listing->Digest();
  return found;
}

absl::StatusOr<Dataset> LoadImageFolder(const DatasetInfo& info, const std::string& path,
                                        const DataOptions& options) {
  absl::StatusOr<FolderListing> listing = ListFolder(info, path);
  if (!listing.ok()) return listing.status();
  if (listing->Digest() != info.content) {
    return absl::FailedPreconditionError(
        absl::StrCat("The files in '", listing->path,
                     "' are not those that were there when the job was accepted: then ", info.train_images,
                     " for training and ", info.test_images, " for testing, now ", listing->train.size(),
                     " and ", listing->test.size(), ". Submit the job again, or put the files back."));
  }
  Dataset dataset;
  dataset.info = info;
  dataset.info.labels = listing->classes;
  Reading train{.listing = std::make_shared<FolderListing>(*std::move(listing)),
                .test = false,
                .channels = info.channels,
                .resize = std::max(options.resize, info.height),
                .side = info.height};
  Reading test = train;
  test.test = true;
  if (options.augment.Any()) train.side = train.resize;

  const int64_t threads = options.loader_threads > 0 ? options.loader_threads : AvailableCores();
  size_t budget = static_cast<size_t>(options.memory_mib) << 20;
  const auto fits = [&](const Reading& reading) {
    const size_t bytes = reading.images().size() * reading.bytes();
    if (bytes > budget) return false;
    budget -= bytes;
    return true;
  };
  Faults faults;
  for (const Reading& reading : {train, test}) {
    const bool keep = fits(reading);
    Decoded decoded = DecodeAll(reading, keep, threads);
    dataset.skipped_images += static_cast<int64_t>(decoded.corrupt.size());
    for (const auto& [image, fault] : decoded.corrupt) faults.Add(fault);
    if (!reading.test && decoded.corrupt.size() < reading.images().size()) {
      decoded.sums.Finish(dataset.mean, dataset.stddev);
    }
    ImageSet& set = reading.test ? dataset.test : dataset.train;
    set = MakeSet(reading, std::move(decoded), keep);
    set.extra = reading.side - info.height;
  }
  const absl::Status corrupt = faults.Together();
  const bool nothing_left = dataset.train.count == 0 || dataset.test.count == 0;
  if (!corrupt.ok() && (options.corrupt_files == CorruptFiles::kFail || nothing_left)) {
    return absl::Status(corrupt.code(),
                        absl::StrCat(dataset.skipped_images, " of the ", info.train_images + info.test_images,
                                     " images cannot be read:\n", corrupt.message(),
                                     "\nRepair or remove them, or set "
                                     "data.corrupt_files to skip, which leaves them out",
                                     nothing_left ? " (here nothing would be left)." : "."));
  }
  return dataset;
}

}  // namespace precis
