// Writes small image folders for the tests of data sets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace precis {

// A flat colour; JPEG keeps that to within a few steps.
inline void WriteImage(const std::string& path, int height, int width, int red, int green, int blue) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  cv::imwrite(path, cv::Mat(height, width, CV_8UC3, cv::Scalar(blue, green, red)));
}

// Grey values as they are; as PNG, without loss.
inline void WriteGrey(const std::string& path, int height, int width, std::vector<uint8_t> values) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  cv::imwrite(path, cv::Mat(height, width, CV_8UC1, values.data()));
}

// Two classes, red and blue, `train` and `test` images of each.
inline void WriteTwoColours(const std::string& folder, int train, int test, int side,
                            const char* ending = ".jpg") {
  for (const auto& [split, count] : {std::pair{"train", train}, {"test", test}}) {
    for (int i = 0; i < count; ++i) {
      const std::string name = absl::StrCat("/", 1000 + i, ending);
      WriteImage(absl::StrCat(folder, "/", split, "/blue", name), side, side, 10 + i, 20, 200);
      WriteImage(absl::StrCat(folder, "/", split, "/red", name), side, side, 200, 20, 10 + i);
    }
  }
}

}  // namespace precis
