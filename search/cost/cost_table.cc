// CSV with comments, line by line.
#include "search/cost/cost_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::search {
namespace {

constexpr size_t kMostShown = 60;
constexpr size_t kMostUnitBytes = 16;

std::string Shown(std::string_view text) {
  const std::string start(text.substr(0, kMostShown));
  return absl::StrCat("\"", absl::Utf8SafeCEscape(start), text.size() > kMostShown ? "…" : "", "\"");
}

std::string Stripped(std::string_view text) {
  return std::string(absl::StripAsciiWhitespace(std::string(text)));
}

// The fields of one line; nothing if a quote is not closed or followed by more than a comma.
std::optional<std::vector<std::string>> SplitLine(std::string_view line) {
  std::vector<std::string> fields;
  for (;;) {
    const size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos || line[start] != '"') {
      const size_t comma = line.find(',');
      fields.push_back(Stripped(line.substr(0, comma)));
      if (comma == std::string_view::npos) return fields;
      line.remove_prefix(comma + 1);
      continue;
    }
    std::string field;
    size_t at = start + 1;
    for (; at < line.size(); ++at) {
      if (line[at] != '"') {
        field += line[at];
      } else if (at + 1 < line.size() && line[at + 1] == '"') {
        field += line[at++];
      } else {
        break;
      }
    }
    if (at == line.size()) return std::nullopt;
    fields.push_back(std::move(field));
    const size_t next = line.find_first_not_of(" \t", at + 1);
    if (next == std::string_view::npos) return fields;
    if (line[next] != ',') return std::nullopt;
    line.remove_prefix(next + 1);
  }
}

// A unit must be told from a number and from "x int4" behind one.
bool CanBeUnit(const std::string& text) {
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '"' && c != ',';
  });
  return clean && !text.empty() && text.size() <= kMostUnitBytes && !absl::StartsWith(text, "×") &&
         std::string("0123456789.+-xX").find(text.front()) == std::string::npos;
}

struct Columns {
  int layer = 0;
  int format = -1;
  int weight = -1;
  int activation = -1;
  int cost = 0;
  size_t count = 0;
};

class Parser {
 public:
  explicit Parser(Violations& violations) : violations_(violations) {}

  CostTable Parse(std::string_view text) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(std::string(text), '\n'))) {
      ++line_;
      const std::string stripped = Stripped(line);
      if (stripped.empty()) continue;
      if (stripped.front() == '#') {
        ReadComment(stripped.substr(1));
      } else {
        ReadRecord(stripped);
      }
    }
    if (!any_record_) violations_.push_back({"cost.table", "has no row. Give one as in \"*,int8,int8,1\"."});
    return std::move(table_);
  }

 private:
  void Fault(const std::string& message) {
    violations_.push_back({"cost.table", absl::StrCat("line ", line_, ": ", message)});
  }

  void ReadComment(const std::string& text) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
    const std::string key = absl::AsciiStrToLower(Stripped(parts.first)), value = Stripped(parts.second);
    if (key == "unit") {
      if (CanBeUnit(value)) {
        table_.unit = value;
      } else {
        Fault(
            absl::StrCat(Shown(value), " cannot be a unit: give up to ", kMostUnitBytes,
                         " characters without blanks that do not begin with a digit, sign or x, as in uJ."));
      }
    } else if (key == "per") {
      table_.per_mac = value == "mac";
      if (value != "mac" && value != "layer") {
        Fault(absl::StrCat("a cost cannot be per ", Shown(value), ": give layer or mac."));
      }
    }
  }

  void ReadRecord(const std::string& line) {
    const std::optional<std::vector<std::string>> fields = SplitLine(line);
    const bool first = !std::exchange(any_record_, true);
    if (!fields) return Fault("has a quote that is not closed. Write \"\" for a quote within quotes.");
    if (first && IsHeader(*fields)) return ReadHeader(*fields);
    if (columns_.count == 0 && !broken_header_) {
      columns_ = fields->size() == 3 ? Columns{.format = 1, .cost = 2, .count = 3}
                                     : Columns{.weight = 1, .activation = 2, .cost = 3, .count = 4};
    }
    if (broken_header_) return;
    if (fields->size() != columns_.count) {
      return Fault(absl::StrCat("has ", fields->size(), " columns, not ", columns_.count,
                                ": give layer, weight, activation, cost, or layer, format, cost."));
    }
    ReadRow(*fields);
  }

  static bool IsHeader(const std::vector<std::string>& fields) {
    return std::any_of(fields.begin(), fields.end(), [](const std::string& field) {
      return absl::EqualsIgnoreCase(field, "layer") || absl::EqualsIgnoreCase(field, "cost");
    });
  }

  void ReadHeader(const std::vector<std::string>& fields) {
    const std::vector<std::string> known = {"layer", "format", "weight", "activation", "cost"};
    std::map<std::string, int> places;
    for (size_t i = 0; i < fields.size(); ++i) {
      const std::string name = absl::AsciiStrToLower(fields[i]);
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        broken_header_ = true;
        Fault(absl::StrCat("there is no column ", Shown(fields[i]), ": give ", absl::StrJoin(known, ", "),
                           ".", DidYouMean(name, known)));
      } else if (!places.emplace(name, static_cast<int>(i)).second) {
        broken_header_ = true;
        Fault(absl::StrCat("the column ", name, " is given twice."));
      }
    }
    const bool pair = places.count("weight") + places.count("activation") == 2 && !places.contains("format");
    const bool one =
        places.contains("format") && !places.contains("weight") && !places.contains("activation");
    if (!broken_header_ && !(places.contains("layer") && places.contains("cost") && (pair || one))) {
      broken_header_ = true;
      Fault("the columns must be layer, weight, activation and cost, or layer, format and cost.");
    }
    if (broken_header_) return;
    columns_ = {.layer = places["layer"], .cost = places["cost"], .count = fields.size()};
    if (one) columns_.format = places["format"];
    if (pair) {
      columns_.weight = places["weight"];
      columns_.activation = places["activation"];
    }
  }

  void ReadRow(const std::vector<std::string>& fields) {
    const auto field = [&](int column) { return fields[static_cast<size_t>(column)]; };
    CostTable::Row row;
    row.line = line_;
    row.layer = field(columns_.layer);
    if (row.layer.empty()) return Fault("names no layer: give a name, a glob, an operation or *.");
    const std::string formats = columns_.format >= 0
                                    ? field(columns_.format)
                                    : absl::StrCat(field(columns_.weight), "/", field(columns_.activation));
    const absl::StatusOr<LayerFormats> parsed = ParseLayerFormats(formats);
    if (!parsed.ok()) return Fault(std::string(parsed.status().message()));
    row.formats = *parsed;
    ReadCost(field(columns_.cost), row.cost);
    const auto [earlier, fresh] =
        lines_.emplace(std::tuple(row.layer, row.formats.weight, row.formats.activation), line_);
    if (!fresh) {
      return Fault(absl::StrCat(Shown(row.layer), " with ", LayerFormatsName(row.formats), " is in line ",
                                earlier->second, " already: take one of them out."));
    }
    table_.rows.push_back(std::move(row));
  }

  void ReadCost(const std::string& text, double& cost) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < 0) {
      return Fault(absl::StrCat("the cost ", Shown(text), " is not a finite number of 0 or more."));
    }
    cost = value;
  }

  Violations& violations_;
  CostTable table_;
  Columns columns_;
  std::map<std::tuple<std::string, Format, Format>, int> lines_;
  int line_ = 0;
  bool any_record_ = false;
  bool broken_header_ = false;
};

}  // namespace

CostTable ParseCostTable(std::string_view text, Violations& violations) {
  return Parser(violations).Parse(text);
}

std::string TableUnit(std::string_view text) {
  Violations ignored;
  return ParseCostTable(text, ignored).unit;
}

}  // namespace precis::search
