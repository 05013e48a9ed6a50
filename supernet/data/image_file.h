// One image from one file. The only user of OpenCV. Internal to supernet/data.
//
// Threading: pure functions of the file; safe from several threads at once. OpenCV's own threads are off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis {

// Whether a file of that name is taken for an image: by its ending, in upper or lower case.
bool IsImageName(std::string_view name);

// Decodes the file, turns it upright as its camera says, scales its short side to `resize` pixels (by areas
// where that makes it smaller, linearly otherwise) and writes the planes of the middle square of `side`:
// red, green, blue for 3 channels, grey for 1. DATA_LOSS, naming the file, if it is no image or not whole;
// NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE if it cannot be read.
absl::Status ReadImage(const std::string& path, int64_t channels, int64_t resize, int64_t side, uint8_t* out);

// The short side of the image in the file. Errors as ReadImage.
absl::StatusOr<int64_t> ShortSide(const std::string& path);

// Scales a part of a plane to `height` by `width`, linearly.
void ScalePlane(const uint8_t* from, int64_t from_height, int64_t from_width, int64_t from_stride,
                int64_t height, int64_t width, uint8_t* out);

}  // namespace precis
