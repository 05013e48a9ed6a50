// What can be wrong with the architectures that a job lists.
#pragma once

#include "search/job_spec.h"

namespace precis::search {

// Faults of space.architecture against the model of that name; nothing if it lists none, or if there is no
// such model.
void CheckArchitecture(const JobSpec& spec, Violations& violations);

}  // namespace precis::search
