// OpenCV behind statuses: it throws, and it takes what is left of a cut JPEG file for an image.
#include "supernet/data/image_file.h"

#include <algorithm>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "supernet/data/byte_source.h"

namespace precis {
namespace {

constexpr size_t kMostFileBytes = size_t{256} << 20;
constexpr const char* kEndings[] = {".jpg", ".jpeg", ".png", ".bmp",  ".webp", ".ppm",
                                    ".pgm", ".pnm",  ".tif", ".tiff", ".jp2"};

absl::Status Damaged(const std::string& path, const std::string& what) {
  return absl::DataLossError(absl::StrCat("'", path, "' ", what));
}

absl::StatusOr<std::vector<uint8_t>> ReadBytes(const std::string& path) {
  absl::StatusOr<ByteSource> source = ByteSource::Open(path);
  if (!source.ok()) return source.status();
  std::vector<uint8_t> bytes(16384);
  size_t size = 0;
  while (true) {
    const absl::StatusOr<size_t> got = source->Read(bytes.data() + size, bytes.size() - size);
    if (!got.ok()) return got.status();
    size += *got;
    if (size < bytes.size()) break;
    if (size >= kMostFileBytes) {
      return Damaged(path, absl::StrCat("is larger than ", kMostFileBytes >> 20, " MiB"));
    }
    bytes.resize(2 * bytes.size());
  }
  bytes.resize(size);
  return bytes;
}

// An end-of-image marker after the last start of a scan: nothing in between can look like either.
bool IsCutJpeg(const std::vector<uint8_t>& bytes) {
  if (bytes.size() < 4 || bytes[0] != 0xFF || bytes[1] != 0xD8) return false;
  for (size_t i = bytes.size() - 1; i > 0; --i) {
    if (bytes[i - 1] != 0xFF) continue;
    if (bytes[i] == 0xD9) return false;
    if (bytes[i] == 0xDA) return true;
  }
  return true;
}

absl::StatusOr<cv::Mat> Decode(const std::string& path, int64_t channels) {
  static std::once_flag once;
  std::call_once(once, [] { cv::setNumThreads(0); });  // the threads are ours
  absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(path);
  if (!bytes.ok()) return bytes.status();
  if (bytes->empty()) return Damaged(path, "is empty");
  if (IsCutJpeg(*bytes)) return Damaged(path, "is a JPEG file without its end");
  cv::Mat image = cv::imdecode(*bytes, channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
  if (image.empty()) return Damaged(path, "is no image that can be decoded");
  return image;
}

template <typename Run>
auto Guard(const std::string& path, const Run& run) -> decltype(run()) {
  try {
    return run();
  } catch (const std::exception& error) {
    return Damaged(path, absl::StrCat("cannot be decoded: ", error.what()));
  }
}

}  // namespace

bool IsImageName(std::string_view name) {
  if (name.empty() || name.front() == '.') return false;
  const std::string lower = absl::AsciiStrToLower(std::string(name));
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](const char* ending) { return absl::EndsWith(lower, ending); });
}

absl::Status ReadImage(const std::string& path, int64_t channels, int64_t resize, int64_t side,
                       uint8_t* out) {
  return Guard(path, [&]() -> absl::Status {
    absl::StatusOr<cv::Mat> decoded = Decode(path, channels);
    if (!decoded.ok()) return decoded.status();
    cv::Mat image = *decoded;
    const auto shorter = static_cast<double>(std::min(image.rows, image.cols));
    const int target = static_cast<int>(resize);
    if (std::min(image.rows, image.cols) != target) {
      const auto scaled = [&](int length) {
        return std::max(target,
                        static_cast<int>(std::lround(length * static_cast<double>(resize) / shorter)));
      };
      // A strip of a million pixels by one would be scaled to far more than anyone has memory for.
      if (std::max(image.rows, image.cols) > 64 * shorter)
        return Damaged(path, "is over 64 times as long as wide");
      cv::Mat smaller;
      cv::resize(image, smaller, cv::Size(scaled(image.cols), scaled(image.rows)), 0, 0,
                 shorter > target ? cv::INTER_AREA : cv::INTER_LINEAR);
      image = smaller;
    }
    const int size = static_cast<int>(side);
    const cv::Mat middle = image(cv::Rect((image.cols - size) / 2, (image.rows - size) / 2, size, size));
    const auto plane = static_cast<size_t>(side) * static_cast<size_t>(side);
    for (int y = 0; y < size; ++y) {
      const uint8_t* row = middle.ptr<uint8_t>(y);
      uint8_t* to = out + static_cast<size_t>(y) * static_cast<size_t>(side);
      for (int x = 0; x < size; ++x, ++to) {
        if (channels == 1) {
          *to = row[x];
          continue;
        }
        to[0] = row[3 * x + 2];  // OpenCV's order is blue, green, red
        to[plane] = row[3 * x + 1];
        to[2 * plane] = row[3 * x];
      }
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<int64_t> ShortSide(const std::string& path) {
  return Guard(path, [&]() -> absl::StatusOr<int64_t> {
    const absl::StatusOr<cv::Mat> image = Decode(path, 1);
    if (!image.ok()) return image.status();
    return std::min(image->rows, image->cols);
  });
}

void ScalePlane(const uint8_t* from, int64_t from_height, int64_t from_width, int64_t from_stride,
                int64_t height, int64_t width, uint8_t* out) {
  const cv::Mat source(static_cast<int>(from_height), static_cast<int>(from_width), CV_8UC1,
                       const_cast<uint8_t*>(from), static_cast<size_t>(from_stride));
  cv::Mat target(static_cast<int>(height), static_cast<int>(width), CV_8UC1, out);
  cv::resize(source, target, target.size(), 0, 0, cv::INTER_LINEAR);
}

}  // namespace precis
