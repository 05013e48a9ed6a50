// One YAML document as a tree that remembers where everything stood, read within limits.
//
// yaml-cpp reads; this header's tree is what the job file reader walks. Unlike yaml-cpp's own nodes it
// keeps repeated keys (so that they can be reported), knows quoted scalars from plain ones, and cannot be
// made to eat memory: no aliases, and limits on size, depth and count.
//
// Threading: pure functions. Nothing throws.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace precis::client {

inline constexpr size_t kMaxYamlBytes = size_t{1} << 20;
inline constexpr int kMaxYamlDepth = 32;
inline constexpr int kMaxYamlNodes = 20000;

// Where something was written: a line and a column of the file, from 1, or the name of another source.
struct Place {
  int line = 0;  // 0: not in the file
  int column = 0;
  std::string source;  // "--set seed=x"; "" = the file

  bool operator==(const Place&) const = default;
};

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  Kind kind = Kind::kNull;
  Place place;
  std::string text;                // kScalar
  bool quoted = false;             // kScalar: written in quotes, hence text
  std::vector<YamlNode> items;     // kSequence
  std::vector<YamlEntry> entries;  // kMapping, in the order written, repeated keys included
};

struct YamlEntry {
  std::string key;
  Place place;  // of the key
  YamlNode value;
};

// A plain ~, null or nothing at all is kNull. INVALID_ARGUMENT, starting with "LINE:COLUMN: " where there
// is one place, if the text is not UTF-8 text, not YAML, empty, more than one document, or past a limit,
// or uses an alias, a tag, or a key that is not a plain name.
absl::StatusOr<YamlNode> ParseYaml(absl::string_view text);

}  // namespace precis::client
