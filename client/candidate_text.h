// Candidates as tables and CSV.
//
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

#include "client/output.h"
#include "precis/v1/candidate.pb.h"
#include "precis/v1/job.pb.h"

namespace precis::client {

// One row a candidate: number, origin, label, one column a metric (in a unit that suits the largest, and
// beside the constrained one its share of the target), search and test accuracy, whether it is within the
// target, formats in runs. `wide` adds losses and steps and writes the formats out layer by layer. The
// job's answer is starred.
Table CandidateTable(const v1::Job& job, const std::vector<v1::Candidate>& candidates, bool wide);

// One column a figure, figures exact, one column a metric in its own unit, formats as
// "LAYER=WEIGHT/ACTIVATION" separated by blanks.
Table CandidateCsv(const v1::Job& job, const std::vector<v1::Candidate>& candidates);

}  // namespace precis::client
