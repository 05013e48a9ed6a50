// A controller's state as text: one named line each, numbers in their shortest exact form. Internal to
// search/controller.
//
// Threading: not thread-safe.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace precis::search {

// "name v v v …\n", all rows in order.
std::string StateLine(const std::string& name, const std::vector<std::vector<double>>& values);
// "generator …\n": the 313 numbers of the generator.
std::string GeneratorLine(const std::mt19937_64& generator);

// Reads such a text line by line; the first fault sticks (DATA_LOSS), and what is read after it means
// nothing.
class StateReader {
 public:
  explicit StateReader(const std::string& text);

  // The words after `name` on the next line, `count` of them.
  std::vector<std::string> Words(const std::string& name, size_t count);

  template <typename Integer>
  Integer Whole(const std::string& word, Integer least, Integer most) {
    Integer value = least;
    if (status_.ok() && (!absl::SimpleAtoi(word, &value) || value < least || value > most)) {
      Fail(absl::StrCat("\"", word, "\" on line ", at_, " is no number from ", least, " to ", most));
    }
    return value;
  }

  double Real(const std::string& word);  // finite
  // A line of StateLine, in rows as those of `like`.
  std::vector<std::vector<double>> Table(const std::string& name,
                                         const std::vector<std::vector<double>>& like);
  std::mt19937_64 Generator();
  void ExpectEnd();
  void Fail(const std::string& why);

  const absl::Status& status() const { return status_; }

 private:
  std::vector<std::string> lines_;
  size_t at_ = 0;
  absl::Status status_;
};

}  // namespace precis::search
