// RangeCheck: checks numbers of a job against their ranges and says what is wrong in one form.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "search/violation.h"

namespace precis::search {

constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();

// Allowed values of a real number. `above` and `below` are exclusive, `least` and `most` inclusive; leave
// the others as they are.
struct RealRange {
  double above = -std::numeric_limits<double>::infinity();
  double least = -std::numeric_limits<double>::infinity();
  double below = std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
};

class RangeCheck {
 public:
  // Appends to `violations`, which must outlive this.
  explicit RangeCheck(Violations& violations) : violations_(violations) {}

  // False, with a violation appended, if `value` is NaN, infinite or outside. `remedy` is a sentence.
  bool Real(const std::string& field, double value, const RealRange& range, const std::string& remedy);

  // Inclusive; kUnbounded is no limit. `most_is` says what the upper limit stands for ("" = nothing).
  bool Whole(const std::string& field, int64_t value, int64_t least, int64_t most, const std::string& most_is,
             const std::string& remedy);

  bool failed() const { return failed_; }  // whether any check has failed

 private:
  bool Refuse(const std::string& field, const std::string& value, const std::string& allowed,
              const std::string& remedy);

  Violations& violations_;
  bool failed_ = false;
};

// The shortest text that reads back as `value`: "0.1", "1e-05", "nan".
std::string NumberText(double value);

}  // namespace precis::search
