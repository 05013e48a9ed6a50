// A controller's state as text: one named line each, numbers in their shortest exact form.
//
//   reinforce 1
//   options 4 4 4
//   counts UPDATES STEP
//   baseline VALUE | baseline none
//   logits | first_moment | second_moment, then all decisions' values in order
//   generator the 313 numbers of std::mt19937_64
#include <charconv>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "search/controller/reinforce.h"
#include "search/range_check.h"

namespace precis::search {
namespace {

constexpr size_t kGeneratorNumbers = std::mt19937_64::state_size + 1;

std::string Line(const std::string& name, const std::vector<std::vector<double>>& values) {
  std::string line = name;
  for (const auto& row : values) {
    for (double value : row) absl::StrAppend(&line, " ", NumberText(value));
  }
  return line + "\n";
}

bool ParseNumber(const std::string& text, double* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(*value);
}

// Reads the text line by line; the first fault sticks.
class Reader {
 public:
  explicit Reader(const std::string& text) : lines_(absl::StrSplit(text, '\n')) {}

  // The words after `name` on the next line, `count` of them.
  std::vector<std::string> Words(const std::string& name, size_t count) {
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

  template <typename Integer>
  Integer Whole(const std::string& word, Integer least, Integer most) {
    Integer value = least;
    if (status_.ok() && (!absl::SimpleAtoi(word, &value) || value < least || value > most)) {
      Fail(absl::StrCat("\"", word, "\" on line ", at_, " is no number from ", least, " to ", most));
    }
    return value;
  }

  double Real(const std::string& word) {
    double value = 0;
    if (status_.ok() && !ParseNumber(word, &value)) {
      Fail(absl::StrCat("\"", word, "\" on line ", at_, " is no finite number"));
    }
    return value;
  }

  std::vector<std::vector<double>> Table(const std::string& name,
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

  void ExpectEnd() {
    if (status_.ok() && !(at_ + 1 == lines_.size() && lines_[at_].empty()))
      Fail("text follows the last line");
  }

  void Fail(const std::string& why) {
    if (status_.ok()) status_ = absl::DataLossError(absl::StrCat("controller state: ", why));
  }

  const absl::Status& status() const { return status_; }

 private:
  std::vector<std::string> lines_;
  size_t at_ = 0;
  absl::Status status_;
};

}  // namespace

std::string ReinforceController::Save() const {
  std::string text = "reinforce 1\noptions";
  for (const auto& logits : logits_) absl::StrAppend(&text, " ", logits.size());
  absl::StrAppend(&text, "\ncounts ", updates_, " ", step_, "\nbaseline ",
                  has_baseline_ ? NumberText(baseline_) : "none", "\n");
  absl::StrAppend(&text, Line("logits", logits_), Line("first_moment", first_moment_),
                  Line("second_moment", second_moment_));
  std::ostringstream generator;
  generator.imbue(std::locale::classic());
  generator << generator_;
  absl::StrAppend(&text, "generator ", generator.str(), "\n");
  return text;
}

absl::Status ReinforceController::Restore(const std::string& text) {
  Reader reader(text);
  if (reader.Words("reinforce", 1).front() != "1") reader.Fail("the version is not 1");
  const std::vector<std::string> counts = reader.Words("options", logits_.size());
  for (size_t d = 0; d < logits_.size(); ++d) {
    const auto here = static_cast<int64_t>(logits_[d].size());
    reader.Whole<int64_t>(counts[d], here, here);
  }
  const std::vector<std::string> steps = reader.Words("counts", 2);
  const auto updates = reader.Whole<int64_t>(steps[0], 0, kUnbounded);
  const auto step = reader.Whole<int64_t>(steps[1], 0, kUnbounded);
  const std::string baseline_word = reader.Words("baseline", 1).front();
  const bool has_baseline = baseline_word != "none";
  const double baseline = has_baseline ? reader.Real(baseline_word) : 0;
  auto logits = reader.Table("logits", logits_);
  auto first = reader.Table("first_moment", logits_);
  auto second = reader.Table("second_moment", logits_);
  for (const auto& row : second) {
    for (double value : row) {
      if (value < 0) reader.Fail("a second moment is negative");
    }
  }
  const std::vector<std::string> numbers = reader.Words("generator", kGeneratorNumbers);
  for (size_t i = 0; i < numbers.size(); ++i) {
    // The standard's reader trusts the position, the last number.
    const uint64_t most = i + 1 < numbers.size() ? UINT64_MAX : std::mt19937_64::state_size;
    reader.Whole<uint64_t>(numbers[i], 0, most);
  }
  reader.ExpectEnd();
  if (!reader.status().ok()) return reader.status();

  std::istringstream generator(absl::StrJoin(numbers, " "));
  generator.imbue(std::locale::classic());
  generator >> generator_;
  updates_ = updates;
  step_ = step;
  has_baseline_ = has_baseline;
  baseline_ = baseline;
  logits_ = std::move(logits);
  first_moment_ = std::move(first);
  second_moment_ = std::move(second);
  return absl::OkStatus();
}

}  // namespace precis::search
