// Names, numbers and faults of a state's text.
#include "search/controller/state_text.h"

#include <charconv>
#include <cmath>
#include <locale>
#include <sstream>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "search/range_check.h"

namespace precis::search {
namespace {

constexpr size_t kGeneratorNumbers = std::mt19937_64::state_size + 1;

bool ParseNumber(const std::string& text, double* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(*value);
}

}  // namespace

std::string StateLine(const std::string& name, const std::vector<std::vector<double>>& values) {
  std::string line = name;
  for (const auto& row : values) {
    for (double value : row) absl::StrAppend(&line, " ", NumberText(value));
  }
  return line + "\n";
}

std::string GeneratorLine(const std::mt19937_64& generator) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << generator;
  return absl::StrCat("generator ", text.str(), "\n");
}

StateReader::StateReader(const std::string& text) : lines_(absl::StrSplit(text, '\n')) {}

std::vector<std::string> StateReader::Words(const std::string& name, size_t count) {
  if (!status_.ok()) return std::vector<std::string>(count);
  std::vector<std::string> words;
  if (at_ < lines_.size()) words = absl::StrSplit(lines_[at_++], ' ');
  if (words.empty() || words.front() != name || words.size() != count + 1) {
    Fail(absl::StrCat("line ", at_, " is not \"", name, "\" with ", count, " values"));
    return std::vector<std::string>(count);
  }
  words.erase(words.begin());
  return words;
}

double StateReader::Real(const std::string& word) {
  double value = 0;
  if (status_.ok() && !ParseNumber(word, &value)) {
    Fail(absl::StrCat("\"", word, "\" on line ", at_, " is no finite number"));
  }
  return value;
}

std::vector<std::vector<double>> StateReader::Table(const std::string& name,
                                                    const std::vector<std::vector<double>>& like) {
  size_t count = 0;
  for (const auto& row : like) count += row.size();
  const std::vector<std::string> words = Words(name, count);
  auto table = like;
  size_t next = 0;
  for (auto& row : table) {
    for (double& value : row) value = Real(words[next++]);
  }
  return table;
}

std::mt19937_64 StateReader::Generator() {
  const std::vector<std::string> numbers = Words("generator", kGeneratorNumbers);
  for (size_t i = 0; i < numbers.size(); ++i) {
    // The standard's reader trusts the position, the last number.
    const uint64_t most = i + 1 < numbers.size() ? UINT64_MAX : std::mt19937_64::state_size;
    Whole<uint64_t>(numbers[i], 0, most);
  }
  std::mt19937_64 generator;
  if (!status_.ok()) return generator;
  std::istringstream text(absl::StrJoin(numbers, " "));
  text.imbue(std::locale::classic());
  text >> generator;
  return generator;
}

void StateReader::ExpectEnd() {
  if (status_.ok() && !(at_ + 1 == lines_.size() && lines_[at_].empty())) Fail("text follows the last line");
}

void StateReader::Fail(const std::string& why) {
  if (status_.ok()) status_ = absl::DataLossError(absl::StrCat("controller state: ", why));
}

}  // namespace precis::search
