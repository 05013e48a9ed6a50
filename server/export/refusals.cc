// One sentence a refusal.
#include "server/export/refusals.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace precis::server {

void Refusals::Add(const std::string& layer, const std::string& what, const std::string& why) {
  refusals_.push_back(absl::StrCat("layer ", layer, ": ", what, " ", why));
}

absl::Status Refusals::Status() const {
  if (refusals_.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(reader_, " cannot say what this candidate does. ",
                                                    absl::StrJoin(refusals_, "; "),
                                                    ". The json export has everything."));
}

}  // namespace precis::server
