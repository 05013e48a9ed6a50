// A name becomes a text.
#include "client/cost_table_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

// The text, or what is wrong, in words.
bool ReadTable(const std::string& path, std::string& text, std::string& fault) {
  const std::string shown = Printable(path, 200);
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    fault = absl::StrCat("cannot open ", shown, ": ", std::strerror(errno),
                         ". Give a CSV file; a relative name starts from the job file's folder.");
    return false;
  }
  text.resize(kMostTableBytes + 1);
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) {
    fault = absl::StrCat("cannot read ", shown, ": ", std::strerror(errno), ".");
    return false;
  }
  text.resize(static_cast<size_t>(stream.gcount()));
  if (text.empty()) {
    fault = absl::StrCat(shown, " is empty: give a CSV file with at least one row, as in \"*,int8,int8,1\".");
  } else if (text.size() > kMostTableBytes) {
    fault = absl::StrCat(shown, " is larger than ", kMostTableBytes,
                         " bytes: a glob or an operation can stand for many layers.");
  } else if (FirstNonText(text) != absl::string_view::npos) {
    fault = absl::StrCat(shown, " is not UTF-8 text at byte ", FirstNonText(text) + 1, ": give a CSV file.");
  }
  return fault.empty();
}

}  // namespace

void LoadCostTable(const std::string& job_file_path, JobFile& file) {
  if (file.spec.cost().table().empty()) return;
  std::string& table = *file.spec.mutable_cost()->mutable_table();
  if (absl::StrContains(table, "\n")) return;
  const Place place = file.places["cost.table"];
  std::filesystem::path path = table;
  if (path.is_relative() && place.source.empty() && job_file_path != "-") {
    path = std::filesystem::path(job_file_path).parent_path() / path;
  }
  std::string text, fault;
  if (ReadTable(path.string(), text, fault)) {
    table = std::move(text);
    return;
  }
  table.clear();
  file.faults.push_back({place, "cost.table", std::move(fault)});
  file.suspect_paths.emplace_back("cost.table");
}

}  // namespace precis::client
