// Known names, or a violation that lists them.
#include "search/name_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::search {

bool CheckName(const std::string& field, const std::string& name, const std::string& what,
               const std::vector<std::string>& known, Violations& violations) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return true;
  const std::string choices = absl::StrJoin(known, ", ");
  if (name.empty()) {
    violations.push_back({field, absl::StrCat("a ", what, " is required: give one of ", choices, ".")});
  } else {
    violations.push_back({field, absl::StrCat("there is no ", what, " \"", name, "\": give one of ", choices,
                                              ".", DidYouMean(name, known))});
  }
  return false;
}

}  // namespace precis::search
