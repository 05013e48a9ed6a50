// What an oracle answered in the course of a search, call after call.
//
// A search decides by its plan and its oracle's answers alone. So the answers so far, and the state of the
// oracle after the last of them, are all that is needed to go on: the search is run again from its first step
// and gets the answers that are known, at no cost, until there are no more (search/recorded_oracle.h).
//
// Threading: values.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/oracle.h"

namespace precis::search {

// Of SaveWeights: the file was written.
struct WeightsSaved {};

// Of TrainStep, Probe, Evaluate, SaveWeights. Calls that failed end the search and are not kept.
using Answer = std::variant<StepOutcome, Quality, Evaluation, WeightsSaved>;

// Numbers as they lie in memory, so that they come back bit for bit on a machine of the same kind.
std::string AnswersToBytes(const std::vector<Answer>& answers);
// DATA_LOSS, saying at which byte, for anything that AnswersToBytes does not write.
absl::StatusOr<std::vector<Answer>> AnswersFromBytes(std::string_view bytes);

}  // namespace precis::search
