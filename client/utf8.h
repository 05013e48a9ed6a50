// UTF-8: checking, counting columns, cutting.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace precis::client {

// Offset of the first byte that does not belong to text: not well-formed UTF-8, or a control character
// other than tab, line feed and carriage return. npos if there is none.
size_t FirstNonText(absl::string_view text);

// Columns that the text takes on a terminal: code points, no control sequences expected.
size_t DisplayWidth(absl::string_view text);

// The longest head of `text` that takes at most `columns`.
absl::string_view CutToWidth(absl::string_view text, size_t columns);

// For messages and terminals: bytes that are not text become "?", and so do line breaks and tabs; what is
// longer than `columns` is cut and ends in "...".
std::string Printable(absl::string_view text, size_t columns = 60);

}  // namespace precis::client
