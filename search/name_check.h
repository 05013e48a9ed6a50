// Checks a name of a job against the names there are.
#pragma once

#include <string>
#include <vector>

#include "search/violation.h"

namespace precis::search {

// Whether `name` is one of `known`; if not, a violation of `field` that lists them and guesses. `what` is
// what it names: "model".
bool CheckName(const std::string& field, const std::string& name, const std::string& what,
               const std::vector<std::string>& known, Violations& violations);

}  // namespace precis::search
