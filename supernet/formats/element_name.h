// The names of elements, a part of the grammar of format names. Internal to supernet/formats.
//
// Threading: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/formats/format.h"

namespace precis::names {

// Takes `prefix` off the front of `text` if it is there.
bool ConsumePrefix(std::string_view& text, std::string_view prefix);

// Takes a number of one to four digits without a leading zero off the front of `text`.
std::optional<int> ConsumeNumber(std::string_view& text);

// An element with the scale that its name alone gives it (FP32 an operand, with a zero point for "_affine";
// none for wide floats); or why `text`, which has the shape of an element's name, is none; or nullopt if the
// text is of another shape.
std::optional<absl::StatusOr<Format>> ParseElement(std::string_view text);

// "_affine" if `zero_point`.
std::string ElementName(const ElementFormat& element, bool zero_point);

// "bfloat16: the upper half of an FP32", or nullptr if it is no wide float.
const char* DescribeWideFloat(const ElementFormat& element);

// Signed integers, minifloats by width, wide floats.
std::vector<Format> SignedElements();
// Unsigned integers, then affine ones.
std::vector<Format> OtherIntegers();

}  // namespace precis::names
