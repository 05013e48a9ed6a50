// Names of candidate origins.
#include "search/candidate.h"

namespace precis::search {

const char* OriginName(Origin origin) {
  switch (origin) {
    case Origin::kSampled:
      return "sampled";
    case Origin::kReference:
      return "reference";
    case Origin::kFinal:
      return "final";
  }
  return "unknown";
}

}  // namespace precis::search
