// One thing wrong with a job, said so that its author can mend it.
#pragma once

#include <string>
#include <vector>

namespace precis::search {

struct Violation {
  std::string field;    // path in the job: "space.formats[2]"
  std::string message;  // the value, what is allowed, what to do: a sentence
};

using Violations = std::vector<Violation>;

}  // namespace precis::search
