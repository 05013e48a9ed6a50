// Sizes, crops and threads.
#include "search/data_check.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace precis::search {
namespace {

constexpr double kLargestStatistic = 1000;

void CheckFolder(const DataOptions& options, const DatasetInfo* dataset, RangeCheck& check,
                 Violations& violations) {
  if (options.channels != 1 && options.channels != 3) {
    violations.push_back({"data.channels", absl::StrCat(options.channels,
                                                        " is not allowed: give 1 (grey) or 3 "
                                                        "(colour, the default).")});
  }
  if (options.image_size != 0) {
    check.Whole("data.image_size", options.image_size, 8, 1024, "",
                "0 means the short side of the first training image, 224 at most.");
  }
  if (options.resize == 0) return;
  const int64_t size = dataset != nullptr && dataset->SizesKnown() ? dataset->height : options.image_size;
  check.Whole(
      "data.resize", options.resize, std::clamp<int64_t>(size, 8, 1024), 2048, "",
      "It is the short side before the middle of data.image_size is cut out, so not below that; 0 means the "
      "same.");
}

// Fields of image folders given to a data set whose images are as they are.
void CheckFixed(const DataSpec& data, Violations& violations) {
  const DataOptions defaults;
  const auto refuse = [&](const std::string& field, bool given) {
    if (!given) return;
    violations.push_back({field, absl::StrCat("is for image_folder: the images of ", data.name,
                                              " are taken as they are. Leave it out.")});
  };
  refuse("data.channels", data.options.channels != defaults.channels);
  refuse("data.image_size", data.options.image_size != defaults.image_size);
  refuse("data.resize", data.options.resize != defaults.resize);
  refuse("data.corrupt_files", data.options.corrupt_files != defaults.corrupt_files);
}

// What the network sees of a pixel.
void CheckPixels(const DataOptions& options, const DatasetInfo* dataset, Violations& violations) {
  const bool folder = dataset == nullptr || dataset->name == "image_folder";
  const int64_t channels = folder ? options.channels : dataset->channels;
  const auto check = [&](const std::string& field, const std::vector<double>& values, double least) {
    if (values.empty()) return;
    if (static_cast<int64_t>(values.size()) != channels) {
      violations.push_back(
          {field, absl::StrCat("has ", values.size(), " numbers, and images have ", channels,
                               channels == 1 ? " channel" : " channels", ": give one for each.")});
    }
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= least && values[i] <= kLargestStatistic) continue;
      violations.push_back(
          {absl::StrCat(field, "[", i, "]"),
           absl::StrCat(NumberText(values[i]), " is out of range: allowed are ", NumberText(least), " to ",
                        NumberText(kLargestStatistic),
                        ", of pixels scaled to 0...1. For pixels of 0 to 255 divide by 255.")});
    }
  };
  check("data.mean", options.mean, -kLargestStatistic);
  check("data.standard_deviation", options.standard_deviation, 1e-6);
  if (options.channel_order == ChannelOrder::kBgr && channels != 3) {
    violations.push_back(
        {"data.channel_order",
         absl::StrCat("bgr is for images of 3 channels, and these have ", channels, ". Leave it out.")});
  }
}

}  // namespace

void CheckData(const DataSpec& data, const DatasetInfo* dataset, RangeCheck& check, Violations& violations) {
  const DataOptions& options = data.options;
  if (data.name == "image_folder") {
    CheckFolder(options, dataset, check, violations);
  } else if (dataset != nullptr) {
    CheckFixed(data, violations);
  }
  CheckPixels(options, dataset, violations);
  check.Whole("data.augment.crop_padding", options.augment.crop_padding, 0, 64, "",
              "0 turns it off; 4 is customary for images of 32 pixels.");
  check.Real("data.augment.resized_crop", options.augment.resized_crop, {.least = 0, .most = 1},
             "It is the least share of the area; 0 turns it off, 0.08 is customary for ImageNet.");
  if (options.augment.crop_padding != 0 && options.augment.resized_crop != 0) {
    violations.push_back(
        {"data.augment",
         "has both crop_padding and resized_crop: they are two ways to the same end. Take one out."});
  }
  check.Whole("data.loader_threads", options.loader_threads, 0, 256, "",
              "0 means as many as suit the machine.");
  check.Whole("data.memory_mib", options.memory_mib, 0, int64_t{1} << 24, "", "The default is 2048.");
}

}  // namespace precis::search
