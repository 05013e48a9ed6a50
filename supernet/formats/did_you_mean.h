// Guesses which known name a mistyped one was meant to be, for error messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace precis {

// The closest of `known` by edit distance (case ignored), or "" if none is within about a third of the
// word's length.
std::string ClosestName(std::string_view name, std::span<const std::string> known);

// " Did you mean \"resnet8\"?" or "".
std::string DidYouMean(std::string_view name, std::span<const std::string> known);

}  // namespace precis
