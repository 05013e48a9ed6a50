// Candidate: one configuration and what is known of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supernet/graph/assignment.h"
#include "supernet/graph/oracle.h"

namespace precis::search {

enum class Origin {
  kSampled,    // proposed by the controller, or worked out from what it has sampled
  kReference,  // uniform, or the hand rule
  kFinal,      // the search's answer
};
const char* OriginName(Origin origin);  // "sampled", "reference", "final"

// Every candidate is a counted evaluation: batch norm and ranges recalibrated for exactly its assignment,
// the whole search split, the shared weights as they stood at `step`. When the job ends, all candidates
// have been measured under the final weights, so they compare. One assignment is one candidate.
struct Candidate {
  int64_t number = 0;  // 1, 2, … within the job, in the order first evaluated
  Assignment assignment;
  Origin origin = Origin::kSampled;
  std::string label;  // what it is, where that has a name: "uniform int4", "most probable", "estimated best"
  int64_t step = 0;   // of the weights it was measured under
  int64_t sampled_at = 0;       // step at which the controller first proposed it; -1 = never; a warm-up
                                // that ends in a screening does not count
  Quality search;               // on the search split
  std::optional<Quality> test;  // on the test split: references and the final choice, once, at the end
  std::vector<double> costs;    // in the order of Plan::costs
  bool feasible = false;        // within the target and all limits
  std::vector<ActivationRange> activation_ranges;  // calibrated, as ActivationOperands() of Plan::GraphOf
};

}  // namespace precis::search
